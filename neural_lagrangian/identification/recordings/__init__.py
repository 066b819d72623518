"""From the columns of a file to checked motion: roles of columns, velocities, jumps, pieces and scales."""

from .angles import Angles, possible_angles, steps_of_sensors, undeclared_angles
from .calibrated import Calibrated, Estimate, read_calibrated, table_of
from .channel_reading import reading_of
from .channels import Channel, channel_of
from .columns import Columns, of_another_file, roles
from .constants_of_runs import constants_of_runs, equal_in_all_runs
from .control_signal import signal_of
from .control_timing import Timing
from .controls import controls_like_others, delayed, sizes_of_controls, thinned
from .declared import Declared, columns_of, columns_of_motion, has_order
from .found_roles import roles_remark, with_found_roles
from .measure import Measure
from .observed_columns import unchanging_channels
from .on_circles import points_on_circles
from .pieces import Parts, by_system, cut, dealt, dealt_by_system, rows_where, taken
from .recorded_rates import late_velocities
from .recording import WRITTEN_SUFFIXES, Recording, read_recording, recording_of, wrong_rates
from .region import Region
from .rests import rest_remarks
from .starts import Starts, starts_of
from .suspicious import refusals, sampling_summary, suspicious
from .units_in_names import unit_of
from .varied import Varied, assigned, beyond, read_varied, values_of, varied_of

__all__ = [
    "WRITTEN_SUFFIXES",
    "Angles",
    "Calibrated",
    "Channel",
    "Columns",
    "Declared",
    "Estimate",
    "Measure",
    "Parts",
    "Recording",
    "Region",
    "Starts",
    "Timing",
    "Varied",
    "assigned",
    "beyond",
    "by_system",
    "channel_of",
    "columns_of",
    "columns_of_motion",
    "constants_of_runs",
    "controls_like_others",
    "cut",
    "dealt",
    "dealt_by_system",
    "delayed",
    "equal_in_all_runs",
    "has_order",
    "late_velocities",
    "of_another_file",
    "points_on_circles",
    "possible_angles",
    "read_calibrated",
    "read_recording",
    "read_varied",
    "reading_of",
    "recording_of",
    "refusals",
    "rest_remarks",
    "roles",
    "roles_remark",
    "rows_where",
    "sampling_summary",
    "signal_of",
    "sizes_of_controls",
    "starts_of",
    "steps_of_sensors",
    "suspicious",
    "table_of",
    "taken",
    "thinned",
    "unchanging_channels",
    "undeclared_angles",
    "unit_of",
    "values_of",
    "varied_of",
    "with_found_roles",
    "wrong_rates",
]

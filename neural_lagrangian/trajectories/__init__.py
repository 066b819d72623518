"""Recorded and simulated motion: containers, files, units, derivatives, scaling, splits and windows."""

from .angles import continuous as continuous
from .beside import read_beside as read_beside
from .clocks import seconds_of as seconds_of
from .container import Trajectories
from .differentiate import differentiate, noise_gain, without_velocities
from .errors import DataFileError, DtypeError, NonFiniteError, ShapeError, SplitError, TimeOrderError, TrajectoryError
from .files import read_trajectories
from .gaps import runs_of as runs_of
from .headings import Heading as Heading
from .headings import find_heading as find_heading
from .headings import heading_of as heading_of
from .scaling import Scaling
from .scaling import spread as spread
from .split import split
from .tables import headings_of as headings_of
from .tables import read_table as read_table
from .tables import suffixes as suffixes
from .units import QuantityName as QuantityName
from .units import known_unit as known_unit
from .units import measures_angle as measures_angle
from .units import quantity_of as quantity_of
from .units import si_factor as si_factor
from .validation import check_resolution as check_resolution
from .window import Window
from .windows import Windows
from .written import write_trajectories

__all__ = [
    "DataFileError",
    "DtypeError",
    "NonFiniteError",
    "Scaling",
    "ShapeError",
    "SplitError",
    "TimeOrderError",
    "Trajectories",
    "TrajectoryError",
    "Window",
    "Windows",
    "differentiate",
    "noise_gain",
    "read_trajectories",
    "split",
    "without_velocities",
    "write_trajectories",
]

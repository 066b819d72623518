"""`inspect`: summarise a recording, and find what looks wrong in it, before training."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from html import escape
from pathlib import Path

import numpy as np

from ..trajectories import Trajectories, headings_of, quantity_of
from .faults import UsageError
from .folders import Learned, has_network, is_folder, predictor_of, read_folder
from .plain_text import aligned, stated_all
from .recordings import (
    Columns,
    Declared,
    Recording,
    columns_of,
    columns_of_motion,
    constants_of_runs,
    controls_like_others,
    equal_in_all_runs,
    has_order,
    late_velocities,
    points_on_circles,
    read_recording,
    recording_of,
    refusals,
    rest_remarks,
    roles,
    roles_remark,
    sampling_summary,
    steps_of_sensors,
    suspicious,
    unchanging_channels,
    undeclared_angles,
    unit_of,
    with_found_roles,
    wrong_rates,
)
from .remark import Remark

IN_MEMORY = "trajectories in memory"
"""Name of a recording that is not a file."""


@dataclass(frozen=True)
class Inspection:
    """The result of `inspect` for a recording. `print` shows a summary.

    - `name`, `path`: name and path of the file. `path` is `None` for trajectories in memory.
    - `columns`: role of each column. `recording`: the motion as recorded and as read, in SI units.
    - `open`: coordinates of which nothing says whether they are angles: they have no unit, and `angles` is not given.
    - `found_roles`: what was found of the roles of columns, if nobody says which are coordinates.
    - `remarks`: suspicious samples. `refusals`: reasons why `identify` refuses the recording; empty if it accepts it.

    **Example:**

    ```python
    >>> import numpy as np, neural_lagrangian as nl
    >>> t = np.arange(0.0, 10.0, 0.02)
    >>> turning = nl.Trajectories(t, np.stack([3 * t % (2 * np.pi), np.full(500, 3.0)], axis=1), names=["phi"])
    >>> print(nl.identification.inspect(turning, angles=[], velocities=[]).refusals[0])
    phi: jumps by a turn; declare it an angle (angles=['phi']): 4 in all, the first at 2.08 s
    >>> nl.identification.inspect(turning, angles=["phi"]).refusals
    ()
    ```
    """

    name: str
    path: Path | None
    columns: Columns
    recording: Recording
    open: tuple[str, ...] = ()
    found_roles: tuple[Remark, ...] = ()

    @property
    def trajectories(self) -> Trajectories:
        """The motion that `identify` learns from, in SI units: one run between two gaps each, angles without jumps."""
        return self.recording.trajectories

    @cached_property
    def remarks(self) -> tuple[Remark, ...]:
        """What looks wrong. Each remark holds the options that help."""
        late = [] if self.recording.lag is None else late_velocities(self.recording.lag, self.columns)
        rests = rest_remarks(self.recording.rests, self.columns.time, several=len(self.recording.recorded) > 1)
        constants = [] if self.path is None else constants_of_runs(self.path, self.columns)
        unusual = suspicious(self.recording.recorded, self.columns)
        angles = undeclared_angles(self.recording.recorded, self.columns, self.open)
        steps = steps_of_sensors(self.columns)
        return (*self.recording.lost, *unusual, *angles, *steps, *self.on_circles, *late, *rests, *constants)

    @cached_property
    def on_circles(self) -> tuple[Remark, ...]:
        """Coordinates that are those of points on circles, such as the bob of a pendulum."""
        return tuple(points_on_circles(self.recording.trajectories, self.columns, in_memory=self.path is None))

    @cached_property
    def wrong_rates(self) -> tuple[Remark, ...]:
        """Recorded velocities that are not the derivatives of their coordinates."""
        return tuple(wrong_rates(self.recording.trajectories, self.columns))

    @cached_property
    def refusals(self) -> tuple[Remark, ...]:
        """Why `identify` refuses the recording; empty if it accepts it."""
        still_or_jumping = refusals(self.recording, self.columns, self.open)
        alike = equal_in_all_runs(self.recording.recorded, self.columns)
        constant = unchanging_channels(self.recording.recorded)
        driving = controls_like_others(self.recording.recorded, self.columns)
        return (*still_or_jumping, *self.wrong_rates, *self.on_circles, *alike, *constant, *driving)

    @property
    def described(self) -> str:
        """Number of samples, duration, and sampling interval, as text."""
        return sampling_summary(self.recording.recorded)

    @property
    def roles(self) -> str:
        """The role and the unit of each column, as text."""
        return roles(self.path, self.columns)

    @property
    def values(self) -> str:
        """The values of the parameters that differ between the runs, as text."""
        known = self.recording.recorded.parameters or {}
        lines = []
        for name in self.columns.parameters:
            each = np.unique(known[name])
            lines.append(f"{name}: {len(each)} values from {each[0]:.4g} to {each[-1]:.4g}")
        return "\n".join(lines)

    def facts(self, written: Callable[[Remark], str] = str) -> list[tuple[str, str]]:
        """The summary as pairs of a topic and a text. `written` turns a remark into text."""
        rows = [["column, in SI", "minimum", "mean", "maximum", "deviation"]]
        motion = self.recording.observed
        names = [*self.columns.coordinates, *self.columns.velocities]
        series = dict(zip(names, motion.ys[motion.mask].T, strict=False))
        recorded = self.recording.recorded
        series |= {name: (recorded.observations or {})[name][recorded.mask] for name in self.columns.observations}
        if recorded.controls is not None:
            series |= zip(self.columns.controls, recorded.controls[recorded.mask].T, strict=True)
        for name, x in series.items():
            rows.append([name, *(f"{f(x):.4g}" for f in (np.nanmin, np.nanmean, np.nanmax, np.nanstd))])
        return [
            ("recording", f"{self.name}: {self.described}"),
            ("columns", self.roles),
            *(("found", written(remark)) for remark in self.found_roles),
            ("ranges", aligned(rows)),
            *self.recording.facts,
            *([("parameters", self.values)] if self.columns.parameters else []),
            ("suspicious", "\n".join(map(written, self.remarks)) or "nothing"),
        ]

    def __str__(self) -> str:
        """The summary, and why `identify` would refuse the recording."""
        refused = [("refused", "\n".join(map(str, self.refusals)))] if self.refusals else []
        return stated_all([*self.facts(), *refused])

    def _repr_html_(self) -> str:
        """The summary as HTML, for notebooks."""
        return f"<pre>{escape(str(self))}</pre>"


def inspect(
    source: str | Path | Trajectories,
    *,
    dof: int | None = None,
    time: str | None = None,
    coordinates: Sequence[str] | None = None,
    velocities: Sequence[str] | None = None,
    trajectory: str | None = None,
    units: Mapping[str, str] | None = None,
    angles: Sequence[str | int] | None = None,
    gap: float | None = None,
    parameters: Sequence[str] | None = None,
    observations: Mapping[str, str] | None = None,
    controls: Sequence[str] | None = None,
    tracked: Mapping[str, Sequence[str]] | None = None,
) -> Inspection | Learned:
    """Summarise a recording and find what looks wrong: samples, intervals, gaps, ranges, jumps, spikes.

    **Arguments:**

    - `source`: a file with one sample a row (`.csv`, `.txt`, `.npz`, `.parquet`, `.h5`, a spreadsheet, ...); or
      `Trajectories`, which take only `angles`, `gap`, `parameters`, `observations`, `velocities=[]` and
      `tracked={}`; or a folder that `identify` has written.
    - `dof`: number of degrees of freedom. The first `dof` columns beside the time are the coordinates, the next ones
      their velocities. If neither `dof` nor `coordinates` is given, names, units and values tell: a column is a
      velocity if its integral is another column. If they do not, `inspect` shows all columns as coordinates, and
      `identify` asks.
    - `time`: column of times (default: the first one that is called like a time or is in a unit of time, else the first
      column of numbers or dates).
    - `coordinates`: columns of the coordinates.
    - `velocities`: columns of the velocities. An empty list means: estimate them from the coordinates.
    - `trajectory`: column that numbers or names the trajectories.
    - `units`: units of columns, such as `{"t": "ms", "theta": "deg"}` (default: units in the headings, or SI).
    - `angles`: names or indices of the coordinates that are angles. The model is periodic in them, and jumps by a full
      turn are removed. By default those in units of angle are; of coordinates without a unit, `identify` assumes what
      lets a system of known form describe the motion best: that they are angles in radians or degrees, or none.
    - `gap`: longest interval in seconds that is not a gap (default: 7 times the usual interval around it).
    - `parameters`: columns of known parameters of the system, such as a length, which are constant in each trajectory
      and differ between them. They are not converted. (Default for `Trajectories`: all that differ.)
    - `observations`: columns that are not coordinates, but other views of the state, and what each sees:
      `"position:NAME"`, `"velocity:NAME"`, `"acceleration:NAME"`, `"sine:NAME"` or `"cosine:NAME"` of a coordinate,
      such as `{"gyro": "velocity:theta"}`, or of a sum or difference of coordinates, such as `"position:b-a"`. Cells
      may be empty.
    - `controls`: columns of signals that drive the motion, such as motor torques or voltages. They are linear between
      samples, and never converted. `Trajectories` hold their own.
    - `tracked`: coordinates that are angles of points in a video: `{"theta": ["x", "y"]}` is the angle of a point about
      the centre of the circle on which it moves, `{"theta_2": ["x1", "y1", "x2", "y2"]}` that of the line from a joint
      to a point. It is zero along y, on the side on which the points are on average, and grows towards larger x. The
      columns may be in any one unit, such as pixels. Velocities are estimated. An empty mapping says that coordinates
      which lie on a circle are independent.

    **Returns:** an `Inspection`; for a folder, the model with its settings, a `Learned`; if the best model is a
    `Family` of yours, it has the network.

    **Raises:** these subclasses of `NeuralLagrangianError`: `UsageError` for options that contradict each other or that
    `source` does not take; `NoAnswerError`, `DataFileError` or `TrajectoryError` if the recording cannot be read.
    `OSError` if the file does not exist.

    **Example:**

    ```python
    >>> import numpy as np, neural_lagrangian as nl
    >>> t = np.arange(0.0, 10.0, 0.02)
    >>> motion = nl.Trajectories(t, np.stack([np.sin(2 * t), 2 * np.cos(2 * t)], axis=1), names=["x"])
    >>> found = nl.identification.inspect(motion)
    >>> found.described
    '500 samples, 9.98 s in all, 0.02 s apart'
    >>> found.remarks, found.refusals
    ((), ())
    ```
    """
    roles = (dof, time, coordinates, velocities, trajectory)
    declared = Declared(*roles, units, angles, gap, parameters, observations, controls, tracked)
    if not isinstance(source, Trajectories) and (is_folder(Path(source)) or Path(source).is_dir()):
        if declared != Declared():
            raise UsageError(f"{source} is a folder of a model; leave out all options: its columns are known")
        predictor = predictor_of(source)
        network = read_folder(source, "network") if has_network(Path(source)) else None  # checks the SHA-256
        return read_folder(source, predictor) if network is None or predictor == "formula" else network
    return inspected(source, declared, all_are_coordinates=True)


def inspected(
    source: str | Path | Trajectories, declared: Declared, *, all_are_coordinates: bool = False
) -> Inspection:
    """Read a recording. Arguments and errors are those of `inspect`.

    `all_are_coordinates`: whether all columns beside the time are coordinates if it is not clear which are.
    """
    if not isinstance(source, Trajectories):
        path = Path(source)
        known, unclear = _with_roles(path, declared, all_are_coordinates=all_are_coordinates)
        columns = columns_of(path, known)
        found = Inspection(str(path), path, columns, read_recording(path, columns), _open(columns, declared))
        if known is declared:
            return replace(found, found_roles=unclear)
        if found.on_circles and not declared.velocities:  # the angles are found too, and not asked for
            known = replace(known, **{"coordinates": None, "velocities": [], **found.on_circles[0].options})
            found = inspected(source, known)
        return replace(found, found_roles=(roles_remark(known),))
    columns = columns_of_motion(source, declared)
    known = source.parameters or {}
    used = {name: known[name] for name in columns.parameters} or None
    extras = {"names": source.names, "parameters": used, "observations": source.observations}
    plain = Trajectories(source.ts, source.ys, mask=source.mask, controls=source.controls, **extras)
    plain = plain.astype(np.float64)
    return Inspection(IN_MEMORY, None, columns, recording_of(IN_MEMORY, plain, columns), _open(columns, declared))


def _with_roles(path: Path, declared: Declared, *, all_are_coordinates: bool) -> tuple[Declared, tuple[Remark, ...]]:
    """The declaration with the roles of the columns, found in the file if nobody says which are coordinates, and a
    remark if they are not clear.

    **Raises:** `UsageError` if they are not clear, unless `all_are_coordinates` and units allow that; `DataFileError`
    for a damaged file.
    """
    if declared.dof is not None or declared.named_coordinates is not None or not has_order(path):
        return declared, ()
    try:
        return with_found_roles(path, declared), ()
    except UsageError as error:
        units = filter(None, map(unit_of, headings_of(path)))
        if not all_are_coordinates or not {"time", "position"}.issuperset(map(quantity_of, units)):
            raise
        return declared, (Remark(f"not clear: {error}"),)


def _open(columns: Columns, declared: Declared) -> tuple[str, ...]:
    """The coordinates of which nothing says whether they are angles."""
    said = (*columns.units, *columns.angles)
    return () if declared.angles is not None else tuple(name for name in columns.coordinates if name not in said)

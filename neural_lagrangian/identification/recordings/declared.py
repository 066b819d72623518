"""The roles of columns that a user declares. Headings and the order of columns fill in the rest."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..._checks import positive_integer
from ...trajectories import (
    DataFileError,
    Trajectories,
    find_heading,
    headings_of,
    measures_angle,
    suffixes,
)
from ..faults import NoAnswerError, UsageError
from .channels import OF_ANGLES, Channel, channel_of
from .columns import Columns
from .time_column import time_column
from .units_in_names import unit_of

SENSORS_OF_DRIVEN = "sensors are not calibrated on driven motion"
"""Why observations and controls exclude each other."""
SUFFIXES_WITHOUT_ORDER = (".h5", ".hdf5")
"""Suffixes of files whose columns have no order."""


@dataclass(frozen=True)
class Declared:
    """What the user declares about a recording; `None` leaves it to the file.

    Fields have the names and the order of the arguments of `inspect` and `identify`.

    **Raises:** `ValueError` for an impossible value; `UsageError` for values that contradict each other.
    """

    dof: int | None = None
    time: str | None = None
    coordinates: Sequence[str] | None = None
    velocities: Sequence[str] | None = None
    trajectory: str | None = None
    units: Mapping[str, str] | None = None
    angles: Sequence[str | int] | None = None
    gap: float | None = None
    parameters: Sequence[str] | None = None
    observations: Mapping[str, str] | None = None
    controls: Sequence[str] | None = None
    tracked: Mapping[str, Sequence[str]] | None = None

    @property
    def named_coordinates(self) -> list[str] | None:
        """The coordinates that are named: by `coordinates`, then by `tracked`. `None`: they follow from the order."""
        if self.coordinates is None and not self.tracked:
            return None
        return list(dict.fromkeys((*(self.coordinates or ()), *(self.tracked or ()))))

    @property
    def labels(self) -> set[str]:
        """The columns with another role than time."""
        lists = (self.coordinates, self.velocities, self.parameters, self.observations, self.controls)
        own = () if self.trajectory is None else (self.trajectory,)
        return {name for names in (*lists, own) for name in names or ()}

    def __post_init__(self) -> None:
        if self.dof is not None:
            positive_integer("dof", self.dof)
        for name in ("coordinates", "velocities", "angles", "parameters", "controls"):
            value = getattr(self, name)
            if isinstance(value, str):
                raise ValueError(f"`{name}` is {value!r}; expected a list of names, such as [{value!r}]")
        if self.observations is not None and not isinstance(self.observations, Mapping):
            raise ValueError(
                f"`observations` is {self.observations!r}; expected what each column sees, such as "
                f"{{'gyro': 'velocity:theta'}}"
            )
        if self.tracked is not None:
            self._check_tracked(self.tracked)
        if self.observations and self.parameters:
            raise UsageError("`observations` and `parameters` are given; expected one: sensors are those of one system")
        if self.observations and self.controls:
            raise UsageError(f"{SENSORS_OF_DRIVEN}; leave out one of `observations` and `controls`")
        if self.gap is not None and not self.gap > 0:
            raise ValueError(f"`gap` is {self.gap}; expected a positive time in seconds, or `math.inf` for no gaps")
        named = self.named_coordinates
        if named is not None and self.dof not in (None, len(named)):
            names = f"`coordinates` names {len(named)} columns; give one of them"
            if self.tracked:
                names = f"the coordinates are {', '.join(named)}; name the others in `coordinates`, or leave out `dof`"
            raise UsageError(f"`dof` is {self.dof}, but {names}")
        dof = self.dof if named is None else len(named)
        if self.velocities and dof not in (None, len(self.velocities)):
            raise UsageError(
                f"`velocities` names {len(self.velocities)} columns; expected {dof}, or none to estimate them"
            )

    def _check_tracked(self, tracked: Any) -> None:
        """**Raises:** `ValueError` for other than columns by coordinate; `UsageError` beside `velocities`."""
        lists = tracked.values() if isinstance(tracked, Mapping) else [""]
        if any(isinstance(points, str) or not isinstance(points, Sequence) for points in lists):
            raise ValueError(
                f"`tracked` is {tracked!r}; expected the columns of the points of each angle, such as "
                f"{{'theta': ['x', 'y']}}"
            )
        if tracked and self.velocities:
            raise UsageError(
                "`velocities` and `tracked` are given; leave out `velocities`: those of all coordinates are estimated "
                "if one is tracked"
            )


def columns_of(path: Path, declared: Declared) -> Columns:
    """Find the role of each column of a file, from the declaration, the headings and the order of columns.

    A heading such as `x (cm)` names the column `x` and its unit. Only columns of numbers count in the order. By
    default, coordinates in units of angle are angles.

    **Arguments:**

    - `path`: the recording. Only its headings are read.
    - `declared`: what the user declares.

    **Raises:** `UsageError` if the declaration does not fit the file; `NoAnswerError` if the file has too few columns;
    `DataFileError` if it lacks a column that is named.
    """
    check_suffix(path)
    if (declared.time is None or declared.named_coordinates is None) and not has_order(path):
        raise UsageError(f"{path}: the columns of a {path.suffix} file have no order; give `time` and `coordinates`")
    headings = headings_of(path)

    def named(name: str) -> str:
        return headings[find_heading(headings, name, path)].name

    trajectory = None if declared.trajectory is None else named(declared.trajectory)
    parameters, controls = ([named(name) for name in said or ()] for said in (declared.parameters, declared.controls))
    seen = {named(name): sees for name, sees in (declared.observations or {}).items()}
    tracked = {name: tuple(map(named, points)) for name, points in (declared.tracked or {}).items()}
    labels = (trajectory, *parameters, *seen, *controls)
    names = [heading.name for heading in headings if heading.kind in ("number", "clock") and heading.name not in labels]
    time = time_column(path, headings, declared.time, declared.labels)
    velocities = [named(name) for name in declared.velocities or ()]
    if declared.named_coordinates is None:
        free = [name for name in names if name not in (time, *velocities)]
        coordinates, found = _by_order(path, free, time, declared.dof)
        velocities = found if declared.velocities is None else velocities
    else:
        coordinates = [name if name in tracked else named(name) for name in declared.named_coordinates]
    measured = {time: "time"} | dict.fromkeys(coordinates, "position") | dict.fromkeys(velocities, "velocity")
    measured |= {name: sees.partition(":")[0].strip() for name, sees in seen.items()}
    units = {one.name: unit for one in headings if (unit := unit_of(one, measured.get(one.name))) is not None}
    said = {named(name): unit for name, unit in (declared.units or {}).items()}
    used = (time, *coordinates, *velocities, *parameters, *seen, *controls, *sum(tracked.values(), ()))
    units = {name: unit for name, unit in (units | said).items() if name in used or name in said}
    texts = {text: heading.name for heading in headings[::-1] for text in (heading.text, heading.base)}
    if taken := [name for name in tracked if name in texts]:
        raise UsageError(f"`tracked` names {taken[0]!r}, but {path} has a column of this name; choose another name")
    angles = _angles(declared, coordinates, texts)
    if angles is None:
        angles = [name for name in coordinates if name in units and measures_angle(units[name])]
    angles += [name for name in tracked if name not in angles]
    roles = (time, tuple(coordinates), tuple(velocities), trajectory)
    channels = {name: channel_of(name, sees, coordinates, texts) for name, sees in seen.items()}
    for name, channel in channels.items():
        _check_unit(path, name, channel, units.get(name))
        _check_angles(name, channel, angles, units)
    others = (declared.gap, tuple(parameters), channels, tuple(controls), None if declared.tracked is None else tracked)
    return Columns(*roles, units, tuple(angles), *others)


def _check_unit(path: Path, name: str, channel: Channel, unit: str | None) -> None:
    """**Raises:** `UsageError` for a unit that is unknown, or not one of what the channel sees."""
    try:
        channel.factor(unit)
    except DataFileError as error:
        raise UsageError(f"{path}: {name!r} is declared as the {channel.title}: {error}") from error


def _check_angles(name: str, channel: Channel, angles: Sequence[str], units: Mapping[str, str]) -> None:
    """**Raises:** `UsageError` for a sine or cosine of what is not an angle, and a sum of an angle and a length."""
    are = [one in angles or measures_angle(units.get(one, "")) for one in channel.coordinates]
    says = f"`observations` says that {name!r} sees the {channel.title}"
    if channel.kind in OF_ANGLES and not all(are):
        other = channel.coordinates[are.index(False)]
        raise UsageError(f"{says}; expected angles: name {other!r} in `angles`, or give its unit of angle")
    if len(set(are)) > 1:
        raise UsageError(f"{says}; expected coordinates of one kind, all angles or none (see `angles`)")


def columns_of_motion(motion: Trajectories, declared: Declared) -> Columns:
    """Columns of trajectories in memory, in SI units. `velocities=[]` means: estimate them from the coordinates.

    **Raises:** `UsageError` for an option that only files take.
    """
    for name in ("dof", "time", "coordinates", "velocities", "trajectory", "units", "controls", "tracked"):
        value = getattr(declared, name)
        if value is not None and not (name in ("velocities", "tracked") and len(value) == 0):
            raise UsageError(
                f"`{name}` is {value!r}; leave it out: Trajectories hold times and states in SI units, and controls"
            )
    coordinates = motion.names or tuple(f"q{i}" for i in range(motion.dof))
    angles = tuple(_angles(declared, coordinates, {}) or ())
    gap = motion.gap if declared.gap is None else declared.gap
    rates = tuple(f"{name}_dot" for name in coordinates) if declared.velocities is None else ()
    time = next(name for name in ("t", "time", "seconds") if name not in (*coordinates, *rates))
    seen = _observations(motion, declared, coordinates, angles)
    parameters = _parameters(motion, declared)
    if seen and parameters:
        raise UsageError(
            f"the parameters {', '.join(parameters)} of the Trajectories differ between runs, but `observations` are "
            f"given; expected runs of one system, for example `source.select(...)`"
        )
    if seen and motion.controls is not None:
        raise UsageError(f"{SENSORS_OF_DRIVEN}, and the Trajectories have both; expected one of them")
    controls = _control_names(0 if motion.controls is None else motion.controls.shape[2], (*coordinates, *rates))
    tracked = None if declared.tracked is None else {}
    return Columns(time, coordinates, rates, None, {}, angles, gap, parameters, seen, controls, tracked)


def _control_names(count: int, taken: Sequence[str]) -> tuple[str, ...]:
    """Names of the controls of trajectories in memory, which have none: `u0`, `u1`, ..., unless a state has one."""
    lists = (tuple(f"{letter}{k}" for k in range(count)) for letter in ("u", "control", "input"))
    return next(names for names in lists if not set(names) & set(taken))


def _observations(
    motion: Trajectories, declared: Declared, coordinates: Sequence[str], angles: Sequence[str]
) -> dict[str, Channel]:
    """What the observations of trajectories in memory see.

    **Raises:** `UsageError` unless each is declared and has one column, and as `_check_angles`.
    """
    known, said = motion.observations or {}, declared.observations or {}
    if unknown := [name for name in said if name not in known]:
        has = ", ".join(map(repr, known)) or "none"
        raise UsageError(f"`observations` names {unknown[0]!r}; expected observations of the Trajectories: {has}")
    if undeclared := [name for name in known if name not in said]:
        raise UsageError(
            f"the Trajectories have observations {undeclared[0]!r}, but `observations` does not say what they see; "
            f"declare them, such as {{{undeclared[0]!r}: 'velocity:{coordinates[0]}'}}, or train an "
            f"`observation.Observed` model (guide: How do I learn from sensors?)"
        )
    for name in said:
        if (width := known[name].shape[-1]) > 1:
            raise UsageError(f"the observations {name!r} of the Trajectories have {width} columns; expected one")
    channels = {name: channel_of(name, sees, coordinates, {}) for name, sees in said.items()}
    for name, channel in channels.items():
        _check_angles(name, channel, angles, {})
    return channels


def _parameters(motion: Trajectories, declared: Declared) -> tuple[str, ...]:
    """The parameters of trajectories in memory: those that are declared, else those that differ between the runs.

    **Raises:** `UsageError` if others differ, for an unknown name, and for a parameter that is not one number.
    """
    known = motion.parameters or {}
    differing = [name for name, values in known.items() if (values != values[:1]).any()]
    wanted = differing if declared.parameters is None else list(declared.parameters)
    for name in wanted:
        if name not in known:
            has = ", ".join(map(repr, known)) or "none"
            raise UsageError(f"`parameters` names {name!r}; expected parameters of the Trajectories: {has}")
        if known[name].ndim > 1:
            shape = known[name].shape
            raise UsageError(f"the parameter {name!r} of the Trajectories has shape {shape}; expected {shape[:1]}")
    for name in differing:
        if name not in wanted:
            raise UsageError(
                f"the parameter {name!r} of the Trajectories differs between runs, but `parameters` does not name it; "
                f"name it too, or take the runs of one value (`source.select(...)`)"
            )
    return tuple(wanted)


def _angles(declared: Declared, coordinates: Sequence[str], texts: Mapping[str, str]) -> list[str] | None:
    """Names of the coordinates declared as angles. Each is given by its name, its heading or its index."""
    if declared.angles is None:
        return None
    dof, named = len(coordinates), []
    for angle in declared.angles:
        name: Any = coordinates[angle] if isinstance(angle, int) and 0 <= angle < dof else texts.get(str(angle), angle)
        if name not in coordinates:
            raise UsageError(
                f"`angles` names {name!r}; expected names or indices of the coordinates, {', '.join(coordinates)}"
            )
        named.append(name)
    return named


def _by_order(path: Path, free: list[str], time: str, dof: int | None) -> tuple[list[str], list[str]]:
    """The names of coordinates and velocities, by the order of columns. Without `dof` all columns are coordinates."""
    dof = len(free) if dof is None else dof
    if len(free) < max(dof, 1):
        found = ", ".join(map(repr, free)) or "none"
        raise NoAnswerError(
            f"{path}: the columns of numbers beside the time {time!r} are {found}; "
            f"expected at least {max(dof, 1)}, one for each degree of freedom (`dof`)"
        )
    return free[:dof], free[dof : 2 * dof] if len(free) >= 2 * dof else []


def has_order(path: Path) -> bool:
    """Whether the columns of a file have an order."""
    return path.suffix.lower() not in SUFFIXES_WITHOUT_ORDER


def check_suffix(path: Path) -> None:
    """Check that files with this suffix can be read.

    **Raises:** `UsageError` if they cannot.
    """
    if path.suffix.lower() not in suffixes():
        raise UsageError(f"{path}: expected a recording that ends in {', '.join(suffixes())}")

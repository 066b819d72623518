"""Which columns of a recording are what: as named, or by their order."""

import argparse
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..trajectories import Quantity, find_heading, headings_of, measures_angle, si_factor, suffixes
from .faults import NoAnswerError, UsageError

UNORDERED = (".h5", ".hdf5")
"""Files whose columns have no order."""
KINDS = {"number": "", "clock": " (times)", "text": " (text)", "empty": " (empty)"}


@dataclass(frozen=True)
class Columns:
    """Names of columns; `velocities` is empty where they come from the coordinates. `gap` as for `Trajectories`."""

    time: str
    coordinates: tuple[str, ...]
    velocities: tuple[str, ...]
    trajectory: str | None
    units: dict[str, str]
    angles: tuple[str, ...]
    gap: float | None = None

    def __post_init__(self) -> None:
        """**Raises:** `UsageError` for a column that is to serve twice."""
        names = [
            self.time,
            *self.coordinates,
            *self.velocities,
            *([] if self.trajectory is None else [self.trajectory]),
        ]
        for name in names:
            if (count := names.count(name)) > 1:
                raise UsageError(f"column {name!r} is named {count} times; expected each to serve once")

    @staticmethod
    def of(settings: dict[str, Any]) -> "Columns":
        """From what `settings` gave, read back from JSON."""
        lists: dict[str, Any] = {name: tuple(settings[name]) for name in ("coordinates", "velocities", "angles")}
        given = Columns(**settings | lists)
        names = [given.time, *given.coordinates, *given.velocities, *given.angles, *given.units, *given.units.values()]
        if not all(isinstance(name, str) for name in names):
            raise ValueError(f"its columns are {names}; expected names")
        if not given.coordinates or len(given.velocities) not in (0, given.dof):
            raise ValueError(f"it has {given.dof} coordinates and {len(given.velocities)} velocities")
        if given.gap is not None and not given.gap > 0:
            raise ValueError(f"its gap is {given.gap}; expected a positive number")
        return given

    @property
    def settings(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def dof(self) -> int:
        return len(self.coordinates)

    @property
    def periodic(self) -> tuple[int, ...]:
        """Indices of the angles."""
        return tuple(self.coordinates.index(name) for name in self.angles)

    @property
    def rates(self) -> tuple[str, ...]:
        """Names of the velocities, or those that they get where no column has them."""
        return self.velocities or tuple(f"{name}_dot" for name in self.coordinates)

    @property
    def state_units(self) -> dict[str, str]:
        """Units of times, coordinates and velocities; a velocity that no column has is in that of its coordinate."""
        known = {name: unit for name, unit in self.units.items() if name in (self.time, *self.coordinates, *self.rates)}
        for q, rate in zip(self.coordinates, self.rates, strict=True):
            if q in known and not self.velocities:
                known[rate] = f"{known[q]}/s"
        return known

    @property
    def time_factor(self) -> float:
        """Seconds in the unit of time."""
        return si_factor(self.units[self.time], "time") if self.time in self.units else 1.0

    @property
    def state_factors(self) -> np.ndarray:
        """What the numbers of a state are multiplied by to be in SI units, shape `(2 dof,)`."""
        units = self.state_units
        kinds: dict[Quantity, tuple[str, ...]] = {"position": self.coordinates, "velocity": self.rates}

        def factor(name: str, kind: Quantity) -> float:
            return si_factor(units[name], kind) if name in units else 1.0

        return np.array([factor(name, kind) for kind, names in kinds.items() for name in names])

    def labels(self, index: int) -> tuple[str, str]:
        """Coordinate and velocity with their SI units, where those are known."""
        q, rate = self.coordinates[index], self.rates[index]
        unit = "rad" if q in self.angles else ""
        if q in self.units:
            unit = "rad" if measures_angle(self.units[q]) else "m"
        return (f"{q} [{unit}]", f"{rate} [{unit}/s]") if unit else (q, rate)


def columns_of(path: Path, asked: argparse.Namespace, *, all_are_coordinates: bool = False) -> Columns:
    """What the options say, and for the rest the headings of the file and the order of its columns.

    A heading such as `x (cm)` names the column `x` and its unit. By order only columns of numbers count. Coordinates in
    units of angle are angles unless the option says which are.

    **Arguments:**

    - `path`: the recording, whose headings are read.
    - `asked`: the options of `add_columns`.
    - `all_are_coordinates`: of all columns, where no number of degrees of freedom is given.

    **Raises:** `UsageError` for options that contradict each other; `NoAnswerError` if the file has too few columns;
    `DataFileError` if it lacks one that is named.
    """
    if asked.coordinates is not None and asked.dof not in (None, len(asked.coordinates)):
        raise UsageError(f"--dof is {asked.dof}, but --coordinates names {len(asked.coordinates)} columns")
    dof = asked.dof if asked.coordinates is None else len(asked.coordinates)
    if asked.velocities and dof not in (None, len(asked.velocities)):
        raise UsageError(f"--velocities names {len(asked.velocities)} columns; expected {dof}, or none")
    check_suffix(path)
    if (asked.time is None or asked.coordinates is None) and path.suffix.lower() in UNORDERED:
        raise UsageError(f"{path}: name the columns of {path.suffix} files: --time, --coordinates")
    headings = headings_of(path)

    def named(name: str) -> str:
        return headings[find_heading(headings, name, path)].name

    trajectory = None if asked.trajectory is None else named(asked.trajectory)
    names = [heading.name for heading in headings if heading.kind in ("number", "clock") and heading.name != trajectory]
    time = (names or [headings[0].name])[0] if asked.time is None else named(asked.time)
    velocities = [named(name) for name in asked.velocities or ()]
    free = [name for name in names if name not in (time, *velocities)]
    if asked.coordinates is None:
        coordinates, found = _by_order(path, free, time, dof, all_are_coordinates)
        velocities = found if asked.velocities is None else velocities
    else:
        coordinates = [named(name) for name in asked.coordinates]
    units = {heading.name: heading.unit for heading in headings if heading.unit is not None}
    units |= {named(name): unit for name, unit in asked.units}
    used = (time, *coordinates, *velocities)
    units = {name: unit for name, unit in units.items() if name in used or name in dict(asked.units)}
    angles = [name for name in coordinates if name in units and measures_angle(units[name])]
    if asked.angles is not None:
        angles = [next((h.name for h in headings if name in (h.text, h.base)), name) for name in asked.angles]
    for name in angles:
        if name not in coordinates:
            raise UsageError(f"--angles names {name!r}; expected some of the coordinates, {', '.join(coordinates)}")
    return Columns(time, tuple(coordinates), tuple(velocities), trajectory, units, tuple(angles), asked.gap)


def _by_order(
    path: Path, free: list[str], time: str, dof: int | None, all_are_coordinates: bool
) -> tuple[list[str], list[str]]:
    """Coordinates and velocities among the columns beside the time."""
    if dof is None and not all_are_coordinates:
        raise UsageError("expected --dof, the degrees of freedom, or --coordinates, the names of their columns")
    dof = len(free) if dof is None else dof
    if len(free) < max(dof, 1):
        found = ", ".join(map(repr, free)) or "nothing"
        raise NoAnswerError(f"{path}: --dof {dof} needs {dof} coordinates beside the time {time!r}; it has {found}")
    return free[:dof], free[dof : 2 * dof] if len(free) >= 2 * dof else []


def check_suffix(path: Path) -> None:
    """That a file is of a kind that is read.

    **Raises:** `UsageError`.
    """
    if path.suffix.lower() not in suffixes():
        raise UsageError(f"{path}: expected a recording that ends in {', '.join(suffixes())}")


def of_another_file(path: Path, columns: Columns) -> Columns:
    """The same columns of another recording, in the units that its own headings say."""
    headings = {heading.name: heading.unit for heading in headings_of(path)}
    own = {
        name: headings[name] for name in (columns.time, *columns.coordinates, *columns.velocities) if headings.get(name)
    }
    return replace(columns, units=columns.units | own)


def roles(path: Path, columns: Columns) -> str:
    """Which column of a recording is what, and in which unit; which ones are ignored."""

    def listed(names: Sequence[str]) -> str:
        said = (f"{name} [{columns.units[name]}]" if name in columns.units else name for name in names)
        return ", ".join(
            f"{text}{' (angle)' * (name in columns.angles)}" for text, name in zip(said, names, strict=True)
        )

    parts = [f"time {listed([columns.time])}", f"coordinates {listed(columns.coordinates)}"]
    if columns.velocities:
        parts.append(f"velocities {listed(columns.velocities)}")
    if columns.trajectory is not None:
        parts.append(f"trajectories by {columns.trajectory}")
    used = (columns.time, *columns.coordinates, *columns.velocities, columns.trajectory)
    ignored = [f"{h.name}{KINDS[h.kind]}" for h in headings_of(path) if h.name not in used]
    return "; ".join(parts + ([f"ignored: {', '.join(ignored)}"] if ignored else []))

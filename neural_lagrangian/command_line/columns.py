"""Which columns of a recording are what: as named, or by their order."""

import argparse
import csv
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..trajectories.units import TIME, Quantity, measures_angle, si_factor
from .faults import NoAnswerError, UsageError


@dataclass(frozen=True)
class Columns:
    """Names of columns; `velocities` is empty where they are found from the coordinates."""

    time: str
    coordinates: tuple[str, ...]
    velocities: tuple[str, ...]
    trajectory: str | None
    units: dict[str, str]
    angles: tuple[str, ...]

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
        return TIME[self.units[self.time]] if self.time in self.units else 1.0

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
    """What the options say, and for the rest the order of the columns.

    **Arguments:**

    - `path`: the recording, whose header is read where the order matters.
    - `asked`: the options of `add_columns`.
    - `all_are_coordinates`: of all columns, where no number of degrees of freedom is given.

    **Raises:** `UsageError` for options that contradict each other; `NoAnswerError` if the file has too few columns.
    """
    if asked.coordinates is not None and asked.dof not in (None, len(asked.coordinates)):
        raise UsageError(f"--dof is {asked.dof}, but --coordinates names {len(asked.coordinates)} columns")
    dof = asked.dof if asked.coordinates is None else len(asked.coordinates)
    if asked.velocities and dof not in (None, len(asked.velocities)):
        raise UsageError(f"--velocities names {len(asked.velocities)} columns; expected {dof}, or none")
    by_order = asked.time is None or asked.coordinates is None
    names = [name for name in header_of(path) if name != asked.trajectory] if by_order else []
    time = names[0] if asked.time is None else asked.time
    free = [name for name in names if name not in (time, *(asked.velocities or ()))]
    coordinates = asked.coordinates
    velocities = asked.velocities or []
    if coordinates is None:
        if dof is None and not all_are_coordinates:
            raise UsageError("expected --dof, the degrees of freedom, or --coordinates, the names of their columns")
        dof = len(free) if dof is None else dof
        coordinates = free[:dof]
        if len(coordinates) < max(dof, 1):
            found = ", ".join(map(repr, free)) or "nothing"
            raise NoAnswerError(f"{path}: --dof {dof} needs {dof} coordinates beside the time {time!r}; it has {found}")
        if asked.velocities is None and len(free) >= 2 * dof:
            velocities = free[dof : 2 * dof]
    for name in asked.angles:
        if name not in coordinates:
            raise UsageError(f"--angles names {name!r}; expected some of the coordinates, {', '.join(coordinates)}")
    units = dict(asked.units)
    return Columns(time, tuple(coordinates), tuple(velocities), asked.trajectory, units, tuple(asked.angles))


def header_of(path: Path) -> list[str]:
    """Names of the columns, in their order.

    **Raises:** `UsageError` for a format without an order; `NoAnswerError` if there are no names.
    """
    if path.suffix.lower() == ".npz":
        if not zipfile.is_zipfile(path):
            path.stat()  # OSError if it is not there
            raise NoAnswerError(f"{path} is damaged or of another format: it is no archive of NumPy")
        with np.load(path, allow_pickle=False) as archive:
            return list(archive.files)
    if path.suffix.lower() != ".csv":
        raise UsageError(f"{path}: name the columns of {path.suffix or 'such'} files: --time, --coordinates")
    with path.open(encoding="utf-8-sig", newline="", errors="replace") as file:
        names = [name.strip() for name in next(csv.reader(file), [])]
    if not names:
        raise NoAnswerError(f"{path} is empty; expected a line of names, then one sample a line")
    if all(map(_is_number, names)):
        raise NoAnswerError(f"{path} has no line of names; expected one first, such as t,theta")
    if len(names) == 1 and (mark := next((m for m in ";\t|" if m in names[0]), None)):
        raise NoAnswerError(f"{path} has its fields apart by {mark!r}; expected commas")
    return names


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True

"""The columns of a recording: time, coordinates, velocities, and their units."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ...trajectories import QuantityName, headings_of, measures_angle, si_factor
from ..faults import UsageError
from .channels import Channel, channel_of

KIND_NOTES = {"number": "", "clock": " (times)", "text": " (text)", "empty": " (empty)"}
"""What follows the name of an ignored column, by the kind of its cells."""


@dataclass(frozen=True)
class Columns:
    """The role of each column of a recording.

    `velocities` is empty if velocities are estimated from the coordinates. `units` maps names of columns to units; a
    column without one is in SI units. `gap` is the longest interval in seconds that is not a gap, as for
    `Trajectories`. `parameters` are constant in each trajectory and differ between them; they are never converted.
    `observations` are columns that are not coordinates, but other views of the state. `controls` are signals that drive
    the motion, such as motor torques or voltages; they are never converted. `tracked` are coordinates that are angles,
    each with the columns of its points, which are never converted: x and y of a point on a circle, or those of a joint
    and of a point linked to it. `None`: the user has not said whether there are any.
    """

    time: str
    coordinates: tuple[str, ...]
    velocities: tuple[str, ...]
    trajectory: str | None
    units: dict[str, str]
    angles: tuple[str, ...]
    gap: float | None = None
    parameters: tuple[str, ...] = ()
    observations: dict[str, Channel] = field(default_factory=dict)
    controls: tuple[str, ...] = ()
    tracked: dict[str, tuple[str, ...]] | None = None

    def __post_init__(self) -> None:
        """**Raises:** `UsageError` if one column is given two roles, or for the columns of a tracked coordinate."""
        for name, points in (self.tracked or {}).items():
            if len(points) not in (2, 4) or len(set(points)) < len(points):
                raise UsageError(
                    f"`tracked` has the columns {', '.join(points)} for {name!r}; expected x and y of a point that "
                    f"moves on a circle, or x and y of a joint, then x and y of a point linked to it"
                )
        names = [self.time, *self.positions, *self.velocities, *self.parameters, *self.observations]
        names += [*self.controls, *(self.tracked or {})]
        names += [] if self.trajectory is None else [self.trajectory]
        for name in names:
            if (count := names.count(name)) > 1:
                raise UsageError(f"column {name!r} is named {count} times; expected one role for each column")

    @staticmethod
    def of(settings: dict[str, Any]) -> "Columns":
        """Rebuild columns from their `settings`, read back from JSON."""
        read: dict[str, Any] = {name: tuple(settings[name]) for name in ("coordinates", "velocities", "angles")}
        read |= {name: tuple(settings.get(name, ())) for name in ("parameters", "controls")}  # none in earlier versions
        if settings.get("gap") is not None:
            read["gap"] = float(settings["gap"])
        seen = settings.get("observations", {})
        read["observations"] = {name: channel_of(name, sees, read["coordinates"], {}) for name, sees in seen.items()}
        if settings.get("tracked") is not None:
            read["tracked"] = {name: tuple(points) for name, points in settings["tracked"].items()}
        given = Columns(**settings | read)
        names = [given.time, *given.coordinates, *given.velocities, *given.angles, *given.parameters]
        names += [*given.controls, *given.units, *given.units.values(), *given.points]
        if not all(isinstance(name, str) for name in names):
            raise ValueError(f"the names and units of columns are {names}; expected strings")
        if unknown := set(given.tracked or ()) - set(given.coordinates):
            raise ValueError(f"`tracked` names {', '.join(unknown)}; expected coordinates")
        if not given.coordinates or len(given.velocities) not in (0, given.dof):
            raise ValueError(
                f"there are {given.dof} coordinates and {len(given.velocities)} velocities; "
                f"expected {given.dof} velocities or none"
            )
        if given.gap is not None and not given.gap > 0:
            raise ValueError(f"`gap` is {given.gap}; expected a positive number")
        return given

    @property
    def settings(self) -> dict[str, Any]:
        """The fields as JSON can hold them: an infinite gap is `"inf"`."""
        seen = {name: str(channel) for name, channel in self.observations.items()}
        return asdict(self) | {"gap": "inf" if self.gap == math.inf else self.gap, "observations": seen}

    @property
    def dof(self) -> int:
        """Number of degrees of freedom."""
        return len(self.coordinates)

    @property
    def periodic(self) -> tuple[int, ...]:
        """Indices of the coordinates that are angles."""
        return tuple(self.coordinates.index(name) for name in self.angles)

    @property
    def points(self) -> tuple[str, ...]:
        """The columns of the points of tracked coordinates, each once."""
        return tuple(dict.fromkeys(point for points in (self.tracked or {}).values() for point in points))

    @property
    def positions(self) -> tuple[str, ...]:
        """The columns that give the coordinates: those of coordinates, then the other columns of points."""
        own = [name for name in self.coordinates if name not in (self.tracked or {})]
        return tuple(dict.fromkeys((*own, *self.points)))

    @property
    def rates(self) -> tuple[str, ...]:
        """Names of the velocities. An estimated velocity is named `NAME_dot` after its coordinate."""
        return self.velocities or tuple(f"{name}_dot" for name in self.coordinates)

    @property
    def state_units(self) -> dict[str, str]:
        """Units of time, coordinates and velocities. An estimated velocity has its coordinate's, per second."""
        known = {name: unit for name, unit in self.units.items() if name in (self.time, *self.coordinates, *self.rates)}
        for q, rate in zip(self.coordinates, self.rates, strict=True):
            if q in known and not self.velocities:
                known[rate] = f"{known[q]}/s"
        return known

    @property
    def converted_units(self) -> dict[str, str]:
        """The units of the columns that are converted to SI with the states: time, coordinates and velocities."""
        points = (name for name in self.points if name not in self.coordinates)
        others = (*self.parameters, *self.observations, *self.controls, *points)
        return {name: unit for name, unit in self.units.items() if name not in others}

    @property
    def differing(self) -> str:
        """The beginning of a sentence: which parameters differ between the runs."""
        several = len(self.parameters) > 1
        return f"{' and '.join(self.parameters)} {'differ' if several else 'differs'} between the runs"

    @property
    def used(self) -> tuple[str, ...]:
        """Names of all columns with a role."""
        label = () if self.trajectory is None else (self.trajectory,)
        others = (*self.parameters, *self.observations, *self.controls)
        return (self.time, *self.positions, *self.velocities, *others, *label)

    @property
    def time_factor(self) -> float:
        """Factor from the recorded unit of time to seconds."""
        return si_factor(self.units[self.time], "time") if self.time in self.units else 1.0

    @property
    def state_factors(self) -> np.ndarray:
        """Factors from recorded units to SI units, shape `(2 dof,)`."""
        units = self.state_units
        kinds: dict[QuantityName, tuple[str, ...]] = {"position": self.coordinates, "velocity": self.rates}

        def factor(name: str, kind: QuantityName) -> float:
            return si_factor(units[name], kind) if name in units else 1.0

        return np.array([factor(name, kind) for kind, names in kinds.items() for name in names])

    def labels(self, index: int) -> tuple[str, str]:
        """Axis labels of a coordinate and its velocity, with SI units if these are known."""
        q, rate = self.coordinates[index], self.rates[index]
        unit = "rad" if q in self.angles else ""
        if q in self.units:
            unit = "rad" if measures_angle(self.units[q]) else "m"
        return (f"{q} [{unit}]", f"{rate} [{unit}/s]") if unit else (q, rate)


def of_another_file(path: Path, columns: Columns) -> Columns:
    """The columns of another recording with the same names. Its headings override the units. Observations are left out.

    **Raises:** `UsageError` for a parameter or a control in another unit.
    """
    headings = {heading.name: heading.unit for heading in headings_of(path)}
    own = {
        name: headings[name] for name in (columns.time, *columns.positions, *columns.velocities) if headings.get(name)
    }
    for name in (*columns.parameters, *columns.controls):
        own_unit, unit = headings.get(name), columns.units.get(name)
        if own_unit and unit and own_unit != unit:
            kind = "controls" if name in columns.controls else "parameters"
            raise UsageError(f"{path}: {name!r} is in {own_unit}; expected {unit}, since {kind} are not converted")
    units = {name: unit for name, unit in (columns.units | own).items() if name not in columns.observations}
    return replace(columns, units=units, observations={})


def roles(path: Path | None, columns: Columns) -> str:
    """Text that names the columns, their units, and the columns of the file that are ignored."""

    def listed(names: Sequence[str]) -> str:
        said = (f"{name} [{columns.units[name]}]" if name in columns.units else name for name in names)
        return ", ".join(f"{text}{_angle_note(name, columns)}" for text, name in zip(said, names, strict=True))

    parts = [f"time {listed([columns.time])}", f"coordinates {listed(columns.coordinates)}"]
    if columns.velocities:
        parts.append(f"velocities {listed(columns.velocities)}")
    if columns.trajectory is not None:
        parts.append(f"trajectories by {columns.trajectory}")
    if columns.parameters:
        parts.append(f"parameters {listed(columns.parameters)}")
    if columns.controls:
        parts.append(f"controls {listed(columns.controls)}")
    if columns.observations:
        seen = (f"{listed([name])} ({channel.title})" for name, channel in columns.observations.items())
        parts.append(f"observations {', '.join(seen)}")
    headings = [] if path is None else headings_of(path)
    ignored = [f"{h.name}{KIND_NOTES[h.kind]}" for h in headings if h.name not in columns.used]
    return "; ".join(parts + ([f"ignored: {', '.join(ignored)}"] if ignored else []))


def _angle_note(name: str, columns: Columns) -> str:
    """What follows the name of an angle; empty for other columns."""
    points = (columns.tracked or {}).get(name, ())
    if points:
        seen = ", ".join(points) if len(points) == 2 else f"the line {', '.join(points[:2])} to {', '.join(points[2:])}"
        return f" (angle of {seen})"
    return " (angle)" * (name in columns.angles)

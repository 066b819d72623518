"""Coordinates that may be angles: what their names, jumps and ranges say."""

from collections.abc import Sequence
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np

from ...trajectories import Trajectories
from ..remark import Remark, counted
from .columns import Columns
from .words import is_named_as_angle, is_named_as_steps

MAX_TURNS_IN_RADIANS = 3
"""An angle that covers more turns than this in one trajectory, read as radians, is probably in degrees."""
A_STEP = "0.09 deg"
"""What a remark gives as an example: the step of an encoder with 4000 of them."""
MAX_DOF_OF_SUBSETS = 2
"""Up to so many degrees of freedom, each set of coordinates may be the angles. Of more, all may be, or none."""


class Angles(NamedTuple):
    """The angles among coordinates of which nothing says whether they are angles.

    `unit`: theirs, such as "rad", "deg" or "0.09 deg", the step of an encoder. `is_usual`: whether names or jumps
    suggest them.
    """

    names: tuple[str, ...]
    unit: str = "rad"
    is_usual: bool = True

    @property
    def options(self) -> dict[str, Any]:
        """The options that declare them."""
        units = {} if self.unit == "rad" else {"units": dict.fromkeys(self.names, self.unit)}
        return {"angles": list(self.names)} | units

    def __str__(self) -> str:
        if not self.names:
            return "no coordinate is an angle"
        are = "is an angle" if len(self.names) == 1 else "are angles"
        words = {"rad": "radians", "deg": "degrees"}
        return f"{', '.join(self.names)} {are} in {words.get(self.unit, f'steps of {self.unit}')}"


def possible_angles(motion: Trajectories, columns: Columns, open: Sequence[str], *, in_si: bool) -> list[Angles]:
    """What may be angles, the most usual first.

    **Arguments:**

    - `open`: the coordinates of which nothing says whether they are angles. The others are kept as they are.
    - `in_si`: whether they are in SI units, so that no angle is in degrees.
    """
    jumps = ((name, remark.options) for remark in lost_turns(motion, columns) for name in remark.options["angles"])
    jumping = {name: options.get("units", {}).get(name, "rad") for name, options in jumps if name in open}
    usual = {name for name in open if name in jumping or is_named_as_angle(name)}
    sizes = range(len(open) + 1) if len(open) <= MAX_DOF_OF_SUBSETS else (0, len(open))
    subsets = {frozenset(names) for size in sizes for names in combinations(open, size)} | {frozenset(usual)}
    found = []
    for subset in subsets:
        names = tuple(name for name in open if name in subset)
        if not set(jumping) <= subset:
            continue
        turns = {jumping[name] for name in names if name in jumping}
        is_usual, large = subset == usual, bool(names) and in_degrees(motion, columns, names)
        whole = is_usual or len(subset) == len(open)
        units = turns or ({"rad"} if in_si or not large else {"deg", "rad"} if whole else {"deg"})
        found += [Angles(names, unit, is_usual) for unit in sorted(units)]
    mixed = len(open)
    return sorted(found, key=lambda one: (not one.is_usual, 0 < len(one.names) < mixed, len(one.names), one.names))


def in_degrees(motion: Trajectories, columns: Columns, names: Sequence[str]) -> bool:
    """Whether one of these coordinates covers many turns in radians, so that it is probably in degrees."""
    at = [columns.coordinates.index(name) for name in names]
    return bool(max(np.ptp(y[:, i]) for _, y in motion for i in at) > MAX_TURNS_IN_RADIANS * 2 * np.pi)


def lost_turns(trajectories: Trajectories, columns: Columns, open: Sequence[str] = ()) -> list[Remark]:
    """Remarks on coordinates that jump by 2 pi or 360, but are not declared as angles, and are not `open`."""
    found, trajectories = [], trajectories.split_at_gaps()
    for name in (name for name in columns.coordinates if name not in (*columns.angles, *open)):
        steps = [np.diff(y[:, columns.coordinates.index(name)]) for _, y in trajectories]
        for turn, unit in ((2 * np.pi, "rad"), (360.0, "deg")):
            remark = Remark(f"{name}: jumps by a turn; declare it an angle (", Angles((name,), unit).options, ")")
            found += counted(remark, jumps_by(turn, steps), trajectories)
    return found


def jumps_by(turn: float, steps: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Which steps of a coordinate, in some runs, are jumps by a turn. If many are large, none is."""
    sizes = [np.abs(step) for step in steps]
    every = np.concatenate(sizes)
    is_slow = every.size > 0 and np.quantile(every, 0.9) < turn / 6
    return [is_slow & (np.abs(size - turn) < turn / 6) for size in sizes]


def undeclared_angles(trajectories: Trajectories, columns: Columns, open: Sequence[str]) -> list[Remark]:
    """Remarks on coordinates that have the name of an angle, if nothing says whether they are one."""
    found = []
    for name in filter(is_named_as_angle, open):
        options = Angles((name,), "deg" if in_degrees(trajectories, columns, [name]) else "rad").options
        found.append(Remark(f"{name}: has the name of an angle, but is not declared as one (", options, ")"))
    return found


def steps_of_sensors(columns: Columns) -> list[Remark]:
    """Remarks on coordinates that seem to be in steps of a sensor, of which nothing says whether they are angles."""
    named = (name for name in columns.coordinates if name not in (*columns.units, *columns.angles))
    return [
        Remark(
            f"{name}: seems to count steps of a sensor; if it is an angle, give their size (",
            {"units": {name: A_STEP}},
            ")",
        )
        for name in filter(is_named_as_steps, named)
    ]

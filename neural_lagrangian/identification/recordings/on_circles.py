"""Coordinates that are x and y of points on circles, such as the bob of a pendulum: they are not independent."""

from collections.abc import Iterator
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np

from ...trajectories import Trajectories
from ..remark import Remark
from .circles import circle_through
from .columns import Columns

MAX_SAMPLES = 2000
"""Largest number of samples that are compared with circles, to bound the run time."""
MAX_MISFIT, MAX_MISFIT_TURNING = 0.03, 0.01
"""Largest RMS distance from a circle, as a share of its radius: of motion that turns back, and of motion that does not.
An orbit about a mass at a focus is a circle within 1 %, unless its speed varies by more than `MIN_SPEED_VARIATION`.
"""
MAX_MISFIT_OF_LINE = 0.5
"""Largest RMS distance from a circle, as a share of that from a line: else the curve is not seen."""
MIN_ARC = np.deg2rad(20)
"""Smallest arc, in radians."""
MIN_SPEED_VARIATION = 0.2
"""Smallest standard deviation of the angular speed, as a share of its mean: else it may be a circular orbit."""


class Sampled(NamedTuple):
    """Samples of coordinates and velocities in SI units, shape `(sample, dof)`."""

    q: np.ndarray
    v: np.ndarray


def points_on_circles(motion: Trajectories, columns: Columns, *, in_memory: bool = False) -> list[Remark]:
    """A remark if pairs of coordinates move on circles, about a centre or at a constant distance from another pair.

    They have one degree of freedom each, so no Lagrangian of both coordinates follows from their motion. Nothing is
    said if the user has said which coordinates are tracked.

    **Arguments:**

    - `motion`: smoothed, if it has noise. `in_memory`: whether it is not a file, which takes no `tracked` coordinates.
    """
    if columns.tracked is not None or columns.dof < 2:
        return []
    rows = motion.ys[motion.mask]
    states = Sampled(*np.split(rows[:: -(-len(rows) // MAX_SAMPLES)], 2, axis=1))
    free = [i for i in range(columns.dof) if i not in columns.periodic]
    found = list(_circles(states, free))
    if not found:
        return []
    named = [[columns.coordinates[i] for i in points] for points in found]
    lines = [
        f"{', '.join(points)} lie on a circle"
        if len(points) == 2
        else f"{', '.join(points[2:])} are at a constant distance from {', '.join(points[:2])}"
        for points in named
    ]
    both = "both are independent (an empty `tracked`)"
    before = f"{' and '.join(lines)}. Motion on a curve does not determine a Lagrangian of two coordinates: "
    if in_memory:
        return [Remark(f"{before}use the angle as the coordinate, or declare that {both}")]
    names = ["theta"] if len(named) == 1 else [f"theta{k}" for k in range(1, len(named) + 1)]
    options: dict[str, Any] = {"tracked": dict(zip(names, named, strict=True))}
    seen = {name for points in named for name in points}
    if others := [name for name in columns.coordinates if name not in seen]:
        options = {"coordinates": others} | options
    return [Remark(f"{before}declare the angle (", options, f"), or that {both}")]


def _circles(states: Sampled, free: list[int]) -> Iterator[tuple[int, ...]]:
    """Indices of the coordinates of points: x, y on a circle about a centre, or those of a joint and of a point."""
    left, joints = list(free), []
    for pair in combinations(free, 2):
        if set(pair) <= set(left) and _is_on_circle(*(part[:, pair] for part in states)):
            left = [i for i in left if i not in pair]
            joints.append(pair)
            yield pair
    while joints:
        joint = joints.pop()
        for pair in combinations(left, 2):
            if set(pair) <= set(left) and _is_linked(*(part[:, pair] - part[:, joint] for part in states)):
                left = [i for i in left if i not in pair]
                joints.append(pair)
                yield (*joint, *pair)


def _is_on_circle(x: np.ndarray, v: np.ndarray) -> bool:
    """Whether points move to and fro on a circle, which fits them better than a line does."""
    circle = circle_through(x)
    width = np.linalg.svd(x - x.mean(axis=0), compute_uv=False)[-1] / np.sqrt(len(x))
    bent = circle.misfit < MAX_MISFIT_OF_LINE * width
    return bool(bent) and _turns(x - circle.centre, v, circle.misfit / circle.radius)


def _is_linked(line: np.ndarray, rate: np.ndarray) -> bool:
    """Whether a line has a constant length, and turns to and fro."""
    lengths = np.linalg.norm(line, axis=1)
    return bool(lengths.all()) and _turns(line, rate, lengths.std() / lengths.mean())


def _turns(line: np.ndarray, rate: np.ndarray, misfit: float) -> bool:
    """Whether a line of constant length within `misfit` turns unevenly, by more than a short arc."""
    if not misfit < MAX_MISFIT:
        return False
    speed = (line[:, 0] * rate[:, 1] - line[:, 1] * rate[:, 0]) / np.sum(line**2, axis=1)
    back = np.quantile(speed, 0.1) < 0 < np.quantile(speed, 0.9)
    towards = line.mean(axis=0)
    angle = np.arctan2(towards[0] * line[:, 1] - towards[1] * line[:, 0], line @ towards)
    uneven = np.abs(speed).std() > MIN_SPEED_VARIATION * np.abs(speed).mean()
    return bool(np.ptp(angle) > MIN_ARC and uneven and (back or misfit < MAX_MISFIT_TURNING))

"""Tracked coordinates: angles of points in a plane, such as the bob of a pendulum in a video."""

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ...trajectories import Trajectories
from ..faults import NoAnswerError, UsageError
from .circles import circle_through, usual
from .columns import Columns

MAX_MISFIT = 0.1
"""Largest RMS distance of points from their circle, and of a link from its length, as a share of it."""
MAX_RADIUS_ERROR = 0.05
"""Largest standard error of the radius of a circle, as a share of it."""


class Arm(NamedTuple):
    """The line from a centre or a joint to a point, and its rate of change, shape `(trajectory, time, 2)`.

    `said`: what was found, in words.
    """

    line: np.ndarray
    rate: np.ndarray
    said: str


def as_written(columns: Columns) -> dict[str, str]:
    """Units with which the points of tracked coordinates are read as they are written: only ratios matter."""
    return {name: "m" for name in columns.points if name not in columns.coordinates}


def with_angles(path: Path, read: Trajectories, columns: Columns) -> tuple[Trajectories, tuple[str, ...]]:
    r"""Motion with the tracked coordinates in place of their points, and a sentence on each.

    The angle of the line $(x, y)$ is $\theta = \operatorname{atan2}(x, s y)$: zero along $s y$, growing towards larger
    $x$. The sign $s$ is that of the mean of $y / |(x, y)|$ over all lines and samples of the file, so zero is where the
    points are on average, whether $y$ grows upwards or downwards.

    **Arguments:**

    - `read`: the motion of `columns.positions`. Its velocities are slopes.

    **Raises:** `UsageError` for different units in one tracked coordinate; `NoAnswerError` for points that are not on a
    circle, whose arc is too short, or that are not linked.
    """
    tracked = columns.tracked or {}
    if not tracked:
        return read, ()
    q, v = np.split(read.ys, 2, axis=2)
    values = {name: np.stack([q[..., i], v[..., i]]) for i, name in enumerate(columns.positions)}
    factors = dict(zip(columns.coordinates, columns.state_factors, strict=False))  # of the columns that were converted
    arms = {}
    for name, points in tracked.items():
        _check_units(path, name, points, columns)
        at = np.stack([values[point] / factors.get(point, 1.0) for point in points], axis=-1)
        arm_of = _about_centre if len(points) == 2 else _linked
        arms[name] = arm_of(path, name, at, read.mask, points)
    mean = np.mean([arm.line[read.mask, 1] / np.linalg.norm(arm.line[read.mask], axis=1) for arm in arms.values()])
    side = -1.0 if mean < 0 else 1.0
    for name, (line, rate, _) in arms.items():
        x, y = line[..., 0], side * line[..., 1]
        turning = rate[..., 0] * y - x * side * rate[..., 1]
        square = np.where(read.mask, x**2 + y**2, 1.0)
        values[name] = np.stack([np.arctan2(x, y), turning / square]) * read.mask
    ys = np.concatenate([np.stack([values[name][k] for name in columns.coordinates], axis=2) for k in (0, 1)], axis=2)
    towards = "larger" if side > 0 else "smaller"
    said = tuple(f"{arm.said}; zero is towards {towards} {tracked[name][-1]}" for name, arm in arms.items())
    return replace(read, ys=ys, names=columns.coordinates), said


def _about_centre(path: Path, name: str, at: np.ndarray, mask: np.ndarray, points: tuple[str, ...]) -> Arm:
    """The line from the centre of the circle to the point. `at`: point and velocity, `(2, trajectory, time, 2)`."""
    circle, seen = circle_through(at[0][mask]), ", ".join(points)
    if not circle.error <= MAX_RADIUS_ERROR * circle.radius:
        wide = points[int(np.argmax(np.ptp(at[0][mask], axis=0)))]
        raise NoAnswerError(
            f"{path}: the arc of {seen} is too short to find its centre (radius {circle.radius:.4g} ± "
            f"{circle.error:.2g}), and with it the angle {name!r}; name {wide!r} alone in `coordinates`, or record "
            f"larger swings"
        )
    if circle.misfit > MAX_MISFIT * circle.radius:
        raise NoAnswerError(
            f"{path}: {seen} do not lie on a circle: their distance from the best one is {circle.misfit:.3g} (RMS), "
            f"its radius {circle.radius:.3g}. {name!r} needs a point that moves about a fixed centre; for a moving "
            f"joint name its columns too, as in {name}=JOINT_X,JOINT_Y,{','.join(points)}"
        )
    about = ", ".join(f"{value:.5g}" for value in circle.centre)
    where = f"the centre ({about}) of a circle of radius {circle.radius:.5g} ± {circle.error:.1g}"
    lost = _lost(circle.outliers)
    said = f"{name}: angle of {seen} about {where}, from which they are {circle.misfit:.2g} away (RMS{lost})"
    return Arm(at[0] - circle.centre, at[1], said)


def _linked(path: Path, name: str, at: np.ndarray, mask: np.ndarray, points: tuple[str, ...]) -> Arm:
    """The line from the first point, a joint, to the second. `at`: points, velocities, `(2, trajectory, time, 4)`."""
    line, rate = at[..., 2:] - at[..., :2]
    lengths = np.linalg.norm(line[mask], axis=1)
    kept, ends = usual(lengths), f"{', '.join(points[:2])} and {', '.join(points[2:])}"
    length, spread, lost = lengths[kept].mean(), lengths[kept].std(), _lost(int((~kept).sum()))
    if not lengths.all():
        raise NoAnswerError(
            f"{path}: {ends} are the same point in {(lengths == 0).sum()} rows, where {name!r} has no value; leave "
            f"the cells of lost points empty"
        )
    if spread > MAX_MISFIT * length:
        raise NoAnswerError(
            f"{path}: the distance between {ends} is {length:.3g} ± {spread:.3g}, so no rigid link joins them, and "
            f"{name!r} is not the angle of one; name the columns of its two ends"
        )
    line_of = f"the line from {', '.join(points[:2])} to {', '.join(points[2:])}"
    said = f"{name}: angle of {line_of}, of length {length:.5g} ± {spread:.2g}{lost}"
    return Arm(line, rate, said)


def _lost(count: int) -> str:
    """What is said of outliers: these rows stay in the recording."""
    return f", without {count} point{'s' * (count > 1)} far away" if count else ""


def _check_units(path: Path, name: str, points: tuple[str, ...], columns: Columns) -> None:
    """**Raises:** `UsageError` unless all columns of a tracked coordinate have the same unit."""
    units = {point: columns.units.get(point) for point in points}
    if len(set(units.values())) > 1:
        said = ", ".join(f"{point} in {unit or 'no known unit'}" for point, unit in units.items())
        raise UsageError(f"{path}: the points of {name!r} are {said}; expected one unit: they are never converted")

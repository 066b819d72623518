"""Which columns are coordinates and velocities, if nobody says: their names, units and values tell."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from ..faults import UsageError
from ..remark import Remark
from .angles import jumps_by
from .declared import Declared
from .free_columns import MIN_ROWS, Column, free_columns
from .recording import compared_with_integral
from .words import kind_of_name, without_marks_of_treatment, words_of

MAX_FACTOR, MAX_SHAPE_ERROR, DEGREES = 1.25, 0.35, 180 / np.pi
"""A velocity is that of a coordinate if their ratio is one, or a radian in degrees, up to the first factor, and if its
integral differs from the coordinate by less than the second share.
"""
MAX_FACTOR_OF_OTHERS, MAX_ERROR_OF_OTHERS = 1.05, 0.1
"""The same for a column without the name or the unit of a velocity."""
SAME, SAME_TREATED = 1e-4, 0.1
"""Two columns show the same if, up to scale and origin, they differ by less than this share; the second one for columns
whose names differ by a unit or by how they were treated.
"""
BESIDE = re.compile(r"[\W_]+[A-Za-z]$|[\W\d_]+")
"""What tells columns of runs apart that stand side by side."""
RUN = re.compile(r"run|trial|test|take|set")
"""Words in names of such columns."""
FEW = 3
"""A column of so few whole numbers is a mark, not a coordinate."""
MIN_JITTER = 1.4
"""Mean square of the steps of noise from row to row, in units of its variance: it is two for white noise."""
SIDE_BY_SIDE = "if runs stand side by side, write them below each other, with a column that numbers them; else"
"""What to do about runs that are columns."""
MAX_COORDINATES = 6
"""Most columns that are all coordinates."""


def with_found_roles(path: Path, declared: Declared) -> Declared:
    """The declaration with coordinates and velocities, for a file of which neither `dof` nor `coordinates` is known.

    A column is a velocity if its integral is another column. Other clocks, and columns that are constant, count the
    rows, are derivatives of velocities or show the same as another one are left out. If times begin again where a
    column changes, it names the trajectories.

    **Raises:** `UsageError` if they are not clear. `DataFileError` for a damaged file.
    """
    time, t, clocks, trajectory, columns, parts = free_columns(path, declared)
    declared = replace(declared, time=time, trajectory=trajectory)
    if not columns or not parts:
        return replace(declared, dof=1)  # refused where columns are counted, or where times do not increase
    if other := [name for name in clocks if _stand_beside(name, time)]:
        raise _unclear(path, f"{time!r} and {other[0]!r} are both times: {SIDE_BY_SIDE}")
    columns = [one for one in columns if one.name not in clocks and not _is_no_motion(one.values, parts)]
    coordinates, velocities = _motion(path, t, columns, parts)
    found = [velocities[name] for name in coordinates if name in velocities]
    whole = len(found) == len(coordinates) and declared.velocities is None
    named = found if whole else list(declared.velocities or ())
    return replace(declared, coordinates=coordinates, velocities=named)


def roles_remark(declared: Declared) -> Remark:
    """What was found of the roles of columns."""
    options: dict[str, Any] = {"time": declared.time}
    options |= {"coordinates": list(declared.coordinates)} if declared.coordinates else {}
    options |= {"tracked": declared.tracked} if declared.tracked else {}
    options |= {"velocities": list(declared.velocities)} if declared.velocities else {}
    options |= {"trajectory": declared.trajectory} if declared.trajectory is not None else {}
    return Remark("roles from names, units and values: ", options)


def _unclear(path: Path, why: str) -> UsageError:
    return UsageError(
        f"{path}: neither `dof` nor `coordinates` is given, and {why} give `dof`, the number of degrees of freedom, "
        f"or `coordinates`, the names of their columns"
    )


def _is_no_motion(x: np.ndarray, parts: Sequence[slice]) -> bool:
    """Whether a column is empty, constant, a mark, or grows by the same amount from row to row."""
    values = x[np.isfinite(x)]
    if not (len(values) and np.ptp(values) > 0):
        return True
    even = bool(np.ptp(_steps(x, parts)) <= 1e-9 * np.abs(values).max())
    return even or (len(np.unique(values)) <= FEW and bool((values % 1 == 0).all()))


def _is_noise(x: np.ndarray, parts: Sequence[slice]) -> bool:
    """Whether a column jitters without a motion, as a fixed point in a video."""
    return bool(np.mean(_steps(x, parts) ** 2) > MIN_JITTER * np.var(x[np.isfinite(x)]))


def _steps(x: np.ndarray, parts: Sequence[slice]) -> np.ndarray:
    """The changes of a column from row to row inside the parts; a zero if there is none."""
    steps = np.concatenate([np.zeros(1), *(np.diff(x[part]) for part in parts)])
    found = steps[1:][np.isfinite(steps[1:])]
    return found if len(found) else steps[:1]


def _motion(
    path: Path, t: np.ndarray, columns: Sequence[Column], parts: Sequence[slice]
) -> tuple[list[str], dict[str, str]]:
    """The names of the coordinates, and of their velocities by coordinate.

    **Raises:** `UsageError` if they are not clear.
    """
    columns = [one._replace(values=_without_jumps(one.values)) for one in columns]
    columns = [one for k, one in enumerate(columns) if not any(_same(one, other) for other in columns[:k])]
    if columns and all(_is_rate(one) for one in columns):
        raise _unclear(
            path,
            "all columns without a role look like velocities or accelerations: record a coordinate too, or learn from "
            "sensors alone in Python (`neural_lagrangian.observation`); else",
        )
    origin = {one.name: _origin(path, one, t, columns, parts) for one in columns}
    coordinates, velocities = [], {}
    for one in columns:
        integral, said = origin[one.name], kind_of_name(one.name)
        if integral is not None:
            velocities.setdefault(integral, one.name)  # an acceleration is that of a velocity
        elif one.quantity == "acceleration" or said == "other":
            continue
        elif one.quantity == "velocity" or (one.quantity is None and said == "velocity"):
            raise _unclear(
                path,
                f"{one.name!r} looks like a velocity, but is the rate of change of no column: if it is "
                "a sensor, name it in `observations`, and",
            )
        elif one.odd_unit or one.quantity == "time" or (one.quantity is None and said in ("control", "control, maybe")):
            raise _unclear(
                path, f"{one.name!r} looks like no coordinate: if it drives the motion, name it in `controls`, and"
            )
        elif not _is_noise(one.values, parts):
            coordinates.append(one.name)
    for one, other in combinations(coordinates, 2):
        if _stand_beside(one, other) and any(map(RUN.fullmatch, words_of(one))):
            raise _unclear(path, f"{one!r} and {other!r} seem to be two runs: {SIDE_BY_SIDE}")
    if not 0 < len(coordinates) <= MAX_COORDINATES:
        found = ", ".join(map(repr, coordinates)) or "no column"
        raise _unclear(path, f"{found} would be the coordinates:")
    return coordinates, velocities


def _is_rate(one: Column) -> bool:
    """Whether a column is a velocity or an acceleration by its unit, or, without one, by its name."""
    named = one.quantity is None and kind_of_name(one.name) in ("velocity", "other")
    return one.quantity in ("velocity", "acceleration") or named


def _without_jumps(x: np.ndarray) -> np.ndarray:
    """A column without jumps by a turn, in radians or degrees."""
    there = np.isfinite(x)
    for turn in (2 * np.pi, 360.0):
        if jumps_by(turn, [np.diff(x[there])])[0].any():
            x = x.copy()
            x[there] = np.unwrap(x[there], period=turn)
    return x


def _same(one: Column, other: Column) -> bool:
    """Whether two columns show the same, up to scale and origin."""
    both = np.isfinite(one.values) & np.isfinite(other.values)
    a, b = (
        (values[both] - values[both].mean() for values in (one.values, other.values)) if both.any() else ([0.0], [0.0])
    )
    treated = without_marks_of_treatment(one.name) == without_marks_of_treatment(other.name)
    most = SAME_TREATED if treated else SAME
    return bool(np.linalg.norm(a - b * (np.dot(a, b) / max(np.dot(b, b), 1e-300))) < most * np.linalg.norm(a))


def _origin(path: Path, one: Column, t: np.ndarray, columns: Sequence[Column], parts: Sequence[slice]) -> str | None:
    """The column whose rate of change a column is; `None` if there is none.

    **Raises:** `UsageError` if values do not tell which of two columns is the rate of change of the other.
    """
    found: list[tuple[float, Column]] = []
    told = one.quantity == "velocity" or kind_of_name(one.name) == "velocity"
    if not told and kind_of_name(one.name) == "coordinate":
        return None
    most, apart_most = (MAX_FACTOR, MAX_SHAPE_ERROR) if told else (MAX_FACTOR_OF_OTHERS, MAX_ERROR_OF_OTHERS)
    for other in columns:
        pairs = list(_pairs(t, other.values, one.values, parts))
        if other is one or _alike(one.name, other.name) or one.quantity == "position" or not pairs:
            continue
        factor, apart = compared_with_integral(pairs)
        units = one.quantity is not None and other.quantity is not None
        near = [
            abs(np.log(factor / ratio)) for ratio in ((1.0,) if units else (1.0, DEGREES, 1 / DEGREES)) if factor > 0
        ]
        if near and min(near) < np.log(most) and apart < apart_most:
            found.append((apart, other))
    if not found:
        return None
    _, origin = min(found, key=lambda pair: pair[0])
    if not told and _is_origin_too(one, origin, t, parts):
        raise _unclear(
            path,
            f"{one.name!r} is the rate of change of {origin.name!r}, and the reverse, so either may be a velocity, or "
            "both are coordinates of a circular motion:",
        )
    return origin.name


def _is_origin_too(one: Column, other: Column, t: np.ndarray, parts: Sequence[slice]) -> bool:
    """Whether a column is, up to its sign, the rate of change of its own rate of change, as at an angular frequency of
    one.
    """
    factor, apart = compared_with_integral(list(_pairs(t, one.values, other.values, parts)))
    return bool(abs(np.log(max(abs(factor), 1e-300))) < np.log(MAX_FACTOR) and apart < MAX_ERROR_OF_OTHERS)


def _pairs(
    t: np.ndarray, q: np.ndarray, v: np.ndarray, parts: Sequence[slice]
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Times, coordinates and velocities of each part, where both are there."""
    for part in parts:
        both = np.isfinite(q[part]) & np.isfinite(v[part])
        if both.sum() >= MIN_ROWS:
            yield t[part][both], q[part][both], v[part][both]


def _alike(one: str, other: str) -> bool:
    """Whether two names differ by a number or an axis only, such as `q1` and `q2`, or `x` and `y`."""
    first, second = (re.sub(r"^[xyz](?![a-z])|[xyz]?\d*$", "", name.lower()) for name in (one, other))
    return first == second


def _stand_beside(one: str, other: str) -> bool:
    """Whether two names are the same but for numbers or a letter, as `Run 1: Time` and `Run 2: Time`."""
    return one != other and BESIDE.sub("", one) == BESIDE.sub("", other)

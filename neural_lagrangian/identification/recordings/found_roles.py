"""Which columns are coordinates and velocities, if nobody says: their names, units and values tell."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ...trajectories import Heading, QuantityName, headings_of, quantity_of, read_table, seconds_of, si_factor
from ..faults import UsageError
from ..remark import Remark
from .declared import Declared
from .recording import compared_with_integral
from .time_column import time_column
from .words import words_of

WORDS = {
    "velocity": r"omega|vel|velocity|velocities|speed|rate|gyro|gyroscope|dot|\w+dot|[vwg][xyz]?"
    r"|d(theta|phi|psi|alpha|angle|pos|[xyzqr])",
    "other": r"acc|accel|acceleration|a[xyz]|status|valid|temp|temperature|likelihood|confidence",
    "control": r"torque|tau|force|effort|voltage|volt|current|pwm|duty|command|cmd|setpoint|reference|ref",
    "coordinate": r"angle|theta|phi|psi|pos|position|displacement|distance|height|pitch|roll|yaw",
    "control, maybe": r"motor|input|control|u",
}
"""Words of names that are usual for velocities, for columns with no role, for controls, and for coordinates. The first
kind counts of which a name has a word.
"""
PIXELS = tuple(f"{a}{name}{b}" for name in ("px", "pix", "pixel", "pixels") for a, b in ("()", "[]"))
MAX_FACTOR, MAX_SHAPE_ERROR, DEGREES = 1.25, 0.35, 180 / np.pi
"""A velocity is that of a coordinate if their ratio is one, or a radian in degrees, up to the first factor, and if its
integral differs from the coordinate by less than the second share.
"""
MAX_FACTOR_OF_OTHERS, MAX_ERROR_OF_OTHERS = 1.05, 0.1
"""The same for a column without the name or the unit of a velocity."""
SAME = 1e-4
"""Two columns show the same if, up to scale and origin, they differ by less than this share."""
FEW = 3
"""A column of so few whole numbers is a mark, not a coordinate."""
MIN_JITTER = 1.4
"""Mean square of the steps of noise from row to row, in units of its variance: it is two for white noise."""
ROWS_OF_A_RUN = 20
"""A column that names trajectories changes after more rows than this on average."""
MAX_COORDINATES, MIN_ROWS, GAP_FACTOR = 6, 5, 7
"""Most columns that are all coordinates; least rows of a part; an interval longer than this many usual ones ends it."""


class Column(NamedTuple):
    """A column in SI units, as far as its unit is known.

    `quantity`: what its unit measures; `None` without a known unit. `odd_unit`: whether it has an unknown one.
    """

    name: str
    values: np.ndarray
    quantity: QuantityName | None
    odd_unit: bool


def with_found_roles(path: Path, declared: Declared) -> Declared:
    """The declaration with coordinates and velocities, for a file of which neither `dof` nor `coordinates` is known.

    A column is a velocity if its integral is another column. Columns that are constant, count the rows, are derivatives
    of velocities or show the same as another one are left out. If times begin again where a column changes, it names
    the trajectories.

    **Raises:** `UsageError` if they are not clear. `DataFileError` for a damaged file.
    """
    headings = {heading.name: heading for heading in headings_of(path)}
    time = time_column(path, list(headings.values()), declared.time, declared.labels)
    taken = declared.labels | {time}
    free = [heading for heading in headings.values() if heading.kind == "number" and not taken & heading.names]
    if not free:
        return replace(declared, time=time, dof=1)  # refused where columns are counted
    if declared.trajectory is None:
        others = [h for h in headings.values() if h.kind in ("number", "text") and h.name != time]
        declared = replace(declared, trajectory=_trajectory(path, headings[time], others))
        free = [h for h in free if h.name != declared.trajectory]
    t, columns, parts = _read(path, headings[time], free, declared)
    if len(t) < MIN_ROWS:
        return replace(declared, time=time, dof=1)  # refused where samples are counted
    columns = [one for one in columns if not _is_no_motion(one.values, parts)]
    coordinates, velocities = _motion(path, t, columns, parts)
    found = [velocities[name] for name in coordinates if name in velocities]
    whole = len(found) == len(coordinates) and declared.velocities is None
    named = found if whole else list(declared.velocities or ())
    return replace(declared, time=time, coordinates=coordinates, velocities=named)


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


def _read(
    path: Path, time: Heading, free: Sequence[Heading], declared: Declared
) -> tuple[np.ndarray, list[Column], list[slice]]:
    """The times, the other columns, and the parts of the rows between gaps and of one run each."""
    labels = [] if declared.trajectory is None else [declared.trajectory]
    table = read_table(path, [time.text, *(h.text for h in free)], labels, clock=time.text)
    unit = _unit(time, declared)
    t = seconds_of(table, time.text, path) * (1.0 if unit is None else si_factor(unit, "time"))
    step = np.diff(t)
    usual = np.median(step[step > 0]) if (step > 0).any() else 0.0
    ends = ~((step > 0) & (step <= GAP_FACTOR * usual))
    for name in labels:
        ends |= table.columns[name][1:] != table.columns[name][:-1]
    bounds = [0, *(np.flatnonzero(ends) + 1), len(t)]
    columns = []
    for heading in free:
        unit = _unit(heading, declared)
        quantity = None if unit is None else quantity_of(unit)
        factor = 1.0 if unit is None or quantity is None else si_factor(unit, quantity)
        odd = heading.unit is None and heading.text != heading.base and not heading.text.endswith(PIXELS)
        columns.append(Column(heading.name, factor * table.columns[heading.text], quantity, odd and unit is None))
    return t, columns, [slice(a, b) for a, b in pairwise(bounds) if b - a >= MIN_ROWS]


def _unit(heading: Heading, declared: Declared) -> str | None:
    """The unit of a column, as declared or in its heading."""
    said = (unit for name, unit in (declared.units or {}).items() if name in heading.names)
    return next(said, heading.unit)


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


def _trajectory(path: Path, time: Heading, others: Sequence[Heading]) -> str | None:
    """The column that changes where times begin again, and seldom otherwise; `None` if there is none."""
    table = read_table(path, [time.text], [h.text for h in others], clock=time.text)
    again = np.diff(seconds_of(table, time.text, path)) < 0
    if not again.any():
        return None
    for heading in others:
        x = table.columns[heading.text]
        changes = x[1:] != x[:-1]
        if changes[again].all() and changes.sum() * ROWS_OF_A_RUN < len(x):
            return heading.name
    return None


def _motion(
    path: Path, t: np.ndarray, columns: Sequence[Column], parts: Sequence[slice]
) -> tuple[list[str], dict[str, str]]:
    """The names of the coordinates, and of their velocities by coordinate.

    **Raises:** `UsageError` if they are not clear.
    """
    columns = [one._replace(values=_without_jumps(one.values)) for one in columns]
    columns = [one for k, one in enumerate(columns) if not any(_same(one, other) for other in columns[:k])]
    origin = {one.name: _origin(one, t, columns, parts) for one in columns}
    coordinates, velocities = [], {}
    for one in columns:
        integral, said = origin[one.name], _kind(one.name)
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
    if not 0 < len(coordinates) <= MAX_COORDINATES:
        found = ", ".join(map(repr, coordinates)) or "no column"
        raise _unclear(path, f"{found} would be the coordinates:")
    return coordinates, velocities


def _kind(name: str) -> str | None:
    """The kind of column for which its name is usual; `None` for another name."""
    words = words_of(name)
    kinds = (kind for kind, known in WORDS.items() if any(re.fullmatch(known, word) for word in words))
    return next(kinds, None)


def _without_jumps(x: np.ndarray) -> np.ndarray:
    """A column without jumps by a turn, in radians or degrees."""
    there = np.isfinite(x)
    step = np.abs(np.diff(x[there]))
    for turn in (2 * np.pi, 360.0):
        if len(step) and np.quantile(step, 0.9) < turn / 6 and (np.abs(step - turn) < turn / 6).any():
            x = x.copy()
            x[there] = np.unwrap(x[there], period=turn)
    return x


def _same(one: Column, other: Column) -> bool:
    """Whether two columns show the same, up to scale and origin."""
    both = np.isfinite(one.values) & np.isfinite(other.values)
    a, b = (
        (values[both] - values[both].mean() for values in (one.values, other.values)) if both.any() else ([0.0], [0.0])
    )
    return bool(np.linalg.norm(a - b * (np.dot(a, b) / max(np.dot(b, b), 1e-300))) < SAME * np.linalg.norm(a))


def _origin(one: Column, t: np.ndarray, columns: Sequence[Column], parts: Sequence[slice]) -> str | None:
    """The column whose rate of change a column is; `None` if there is none."""
    found = []
    told = one.quantity == "velocity" or _kind(one.name) == "velocity"
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
            found.append((apart, other.name))
    return min(found)[1] if found else None


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

"""The columns of a file to which nobody gives a role, and the parts of its rows without gaps."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ...trajectories import (
    Heading,
    QuantityName,
    find_heading,
    headings_of,
    quantity_of,
    read_table,
    runs_of,
    seconds_of,
    si_factor,
)
from .declared import Declared
from .lost_samples import far_from_others
from .time_column import is_time, time_column
from .units_in_names import unit_of

PIXELS = tuple(f"{a}{name}{b}" for name in ("px", "pix", "pixel", "pixels") for a, b in ("()", "[]"))
MIN_ROWS = 5
"""Least number of rows of a part."""
ROWS_OF_A_RUN = 20
"""A column that names trajectories changes after more rows than this on average."""


class Column(NamedTuple):
    """A column in SI units, as far as its unit is known.

    `quantity`: what its unit measures; `None` without a known unit. `odd_unit`: whether it has an unknown one.
    """

    name: str
    values: np.ndarray
    quantity: QuantityName | None
    odd_unit: bool


class FreeColumns(NamedTuple):
    """The columns of numbers without a role.

    `time`, `t`: name and values of the column of times. `clocks`: names of all columns that are called like times or in
    a unit of time. `trajectory`: name of the column that names the trajectories. `columns`: the others. `parts`: rows
    between gaps, of one trajectory each.
    """

    time: str
    t: np.ndarray
    clocks: list[str]
    trajectory: str | None
    columns: list[Column]
    parts: list[slice]


def free_columns(path: Path, declared: Declared) -> FreeColumns:
    """Read the columns. If times begin again where a column changes, this one names the trajectories.

    **Raises:** `DataFileError` for a damaged file.
    """
    headings = headings_of(path)
    time = headings[find_heading(headings, time_column(path, headings, declared.time, declared.labels), path)]
    taken = declared.labels | {time.name}
    free = [one for one in headings if not taken & one.names]
    numbers = [one for one in free if one.kind == "number"]
    texts = [one for one in free if one.kind == "text"]
    labels = [one.text for one in texts] if declared.trajectory is None else [declared.trajectory]
    table = read_table(path, [time.text, *(one.text for one in numbers)], labels, clock=time.text)
    unit = _unit(time, declared)
    t = seconds_of(table, time.text, path, None if unit is None else si_factor(unit, "time"))
    trajectory = declared.trajectory
    if trajectory is None:
        names = {one.name: table.columns[one.text] for one in (*numbers, *texts)}
        trajectory = next((name for name, x in names.items() if _names_runs(x, t)), None)
        changes = np.zeros(len(t) - 1, bool) if trajectory is None else _changes(names[trajectory])
    else:
        changes = _changes(table.columns[trajectory])
    columns = [_column(one, table.columns[one.text], declared) for one in numbers if one.name != trajectory]
    clocks = [one.name for one in headings if is_time(one)]
    return FreeColumns(time.name, t, clocks, trajectory, columns, list(_parts(t, changes, declared.gap)))


def _unit(heading: Heading, declared: Declared) -> str | None:
    """The unit of a column, as declared or in its heading."""
    said = (unit for name, unit in (declared.units or {}).items() if name in heading.names)
    return next(said, unit_of(heading))


def _column(heading: Heading, values: np.ndarray, declared: Declared) -> Column:
    unit = _unit(heading, declared)
    quantity = None if unit is None else quantity_of(unit)
    factor = 1.0 if unit is None or quantity is None else si_factor(unit, quantity)
    odd = heading.unit is None and heading.text != heading.base and not heading.text.endswith(PIXELS)
    values = np.where(far_from_others(values), np.nan, factor * values)
    return Column(heading.name, values, quantity, odd and unit is None)


def _changes(x: np.ndarray) -> np.ndarray:
    """Whether a column changes after each row but the last."""
    return x[1:] != x[:-1]


def _names_runs(x: np.ndarray, t: np.ndarray) -> bool:
    """Whether a column changes where times begin again, and seldom otherwise."""
    again, changes = np.diff(t) < 0, _changes(x)
    return bool(again.any() and changes[again].all() and changes.sum() * ROWS_OF_A_RUN < len(x))


def _parts(t: np.ndarray, changes: np.ndarray, gap: float | None) -> Iterator[slice]:
    """The rows in which times increase, no trajectory ends, and no gap is."""
    ends = np.flatnonzero(changes | ~(np.diff(t) > 0)) + 1
    for rows in np.split(np.arange(len(t)), ends):
        for _, part in runs_of(t[None, rows], np.array([len(rows)]), gap).slices():
            if part.stop - part.start >= MIN_ROWS:
                yield slice(rows[0] + part.start, rows[0] + part.stop)

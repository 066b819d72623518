"""Conversion of a time column to seconds: numbers, ISO 8601 dates, times of day."""

from os import PathLike

import numpy as np

from .errors import DataFileError
from .layout import MISSING
from .table import Table

DURATION, IN_SECONDS = r"^(\d+(?:\.\d+)?(?:e-?\d+)?) (sec|min|hr)$", {"sec": 1.0, "min": 60.0, "hr": 3600.0}
"""A duration as MATLAB writes it, and its units."""
UNIX_TIMES = 1e9, 4.2e9
"""Seconds from 1970 to 2001 and to 2103. Nothing but a clock shows such numbers of milli-, micro- or nanoseconds."""


def seconds_of(table: Table, name: str, path: str | PathLike[str] | None, factor: float | None = None) -> np.ndarray:
    """A time column in seconds, in double precision. Dates and times of day become seconds from the first.

    **Arguments:** `factor`: seconds in the unit of numbers. `None`: the unit is not known; it is the second, unless the
    numbers are so large that they are milli-, micro- or nanoseconds since 1970.

    **Raises:** `DataFileError` at the first cell that is not a time.
    """
    column = table.columns[name]
    if column.dtype.kind in "fiu":
        column = column.astype(np.float64, copy=False)
        return column * (_unit_of_clock(column) if factor is None else factor)
    import pandas  # imported here because it takes half a second

    if column.dtype.kind in "Mm":
        found, empty = column.astype(f"{column.dtype.kind}8[ns]"), np.isnat(column)
    else:
        text = pandas.Series(column, dtype=object).astype(str).str.strip().str.replace(",", ".")
        text = text.str.replace(r"^(\d\d)\.(\d\d)\.(\d{4})", r"\3-\2-\1", regex=True)  # day first, as always with dots
        empty = text.isin(MISSING).to_numpy() | pandas.isna(column)
        text = text.where(~empty)
        found = pandas.to_datetime(text, format="ISO8601", utc=True, errors="coerce").to_numpy("M8[ns]")
        if np.isnat(found).all():
            parts = text.str.extract(DURATION)
            if parts[0].notna().any():
                found = pandas.to_timedelta(parts[0].astype(float) * parts[1].map(IN_SECONDS), unit="s")
            else:
                text = text.str.replace(r"^(\d+:\d\d(\.\d+)?)$", r"00:\1", regex=True)  # minutes and seconds
                found = pandas.to_timedelta(text, errors="coerce")
            found = found.to_numpy("m8[ns]")
    wrong = np.isnat(found) & ~empty
    if wrong.any():
        index = int(np.argmax(wrong))
        raise DataFileError(
            f"{str(column[index])!r} is not a time; expected a number, a date such as 2026-03-01T14:00:00.5 or a time "
            f"of day such as 14:00:00.5",
            path=path,
            row=table.row_number(index),
            column=name,
            counted=table.counted,
        )
    seconds = np.full(len(found), np.nan)
    if not empty.all():
        since = found[~empty] - found[~empty][0]
        seconds[~empty] = since.astype(np.int64) / 1e9
    return seconds


def _unit_of_clock(numbers: np.ndarray) -> float:
    """Seconds in the unit of times that nobody gives."""
    known = numbers[np.isfinite(numbers)]  # the first ones may come before the clock was set
    least, most = np.quantile(known, [0.1, 1.0]) if known.size else (0.0, 0.0)
    return next(
        (unit for unit in (1e-3, 1e-6, 1e-9) if UNIX_TIMES[0] < unit * least <= unit * most < UNIX_TIMES[1]), 1.0
    )

"""Reading of spreadsheets: the first sheet of Excel and OpenDocument files."""

import datetime
from pathlib import Path
from typing import Any

import numpy as np

from .claims import check_sheets
from .errors import DataFileError
from .headings import Heading
from .layout import MISSING, NUMBER, sheet_layout
from .optional import optional
from .table import Table, Wanted

HEAD_ROWS = 200
"""Number of rows at the top of a sheet that are searched for the column names."""


def sheet_headings(path: Path) -> list[Heading]:
    """The headings of the columns, in order.

    **Raises:** as `read_sheet`.
    """
    return _layout(path, _cells(path))[0]


def read_sheet(path: Path, wanted: Wanted) -> Table:
    """Read the wanted columns of the first sheet.

    **Raises:** `DataFileError` at the first cell that is not a number in a numeric column, or if the file is not a
    spreadsheet. `ImportError` if the package for spreadsheets is not installed.
    """
    cells = _cells(path)
    headings, first = _layout(path, cells)
    rows = cells[first:]
    while len(rows) and not any(map(_text, rows[-1])):
        rows = rows[:-1]
    columns = {}
    for i in wanted.columns:
        name, column = headings[i].text, rows[:, i]
        if i in wanted.numbers and i not in wanted.clocks:
            column = np.array([_number(path, name, cell, first + 1 + k) for k, cell in enumerate(column)], np.float64)
        else:
            column = np.array([_text(cell) for cell in column], object)
        columns[name] = column
    return Table(columns, first + 1, "row")


def _cells(path: Path) -> np.ndarray:
    """All cells of the first sheet, shape `(row, column)`."""
    optional("python_calamine", "Spreadsheet")
    import pandas  # imported here because it takes half a second

    with path.open("rb") as file:
        try:
            check_sheets(path)
            return pandas.read_excel(file, header=None, dtype=object, engine="calamine").to_numpy()
        except (DataFileError, MemoryError):
            raise
        except Exception as error:  # errors of the reader, of zipfile and of others
            raise DataFileError(f"the file is damaged or of another format: {error}", path=path) from error


def _layout(path: Path, cells: np.ndarray) -> tuple[list[Heading], int]:
    found = sheet_layout([[_text(cell) for cell in row] for row in cells[:HEAD_ROWS]])
    if found is None:
        fault = "the first sheet has no line of names with rows of numbers below; expected one, such as t, theta"
        raise DataFileError(fault, path=path)
    return found


def _number(path: Path, name: str, cell: Any, row: int) -> float:
    if isinstance(cell, (int, float)) and not isinstance(cell, bool):
        return float(cell)
    text = _text(cell)
    if text in MISSING:
        return np.nan
    if NUMBER.fullmatch(text):
        return float(text.replace(",", "."))
    raise DataFileError(f"{text!r} is not a number; expected one", path=path, row=row, column=name)


def _text(cell: Any) -> str:
    if cell is None or (isinstance(cell, float) and np.isnan(cell)):
        return ""
    if isinstance(cell, (datetime.datetime, datetime.date, datetime.time)):
        return cell.isoformat()
    return str(cell).strip()

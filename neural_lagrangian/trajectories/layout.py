"""Detection of the layout of a text file: encoding, lines before the table, names, units, delimiter, decimal mark."""

import codecs
import csv
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from .errors import DataFileError
from .headings import CellKind, Heading, heading_of
from .units import known_unit

HEAD_BYTES = 1 << 16
"""Number of bytes at the beginning of a file that are used to detect its layout."""
COMMENT_MARKS = ("#", "%", "//", "!", '"#', "'#")
"""Lines that begin with one of these are comments."""
DELIMITERS = ("\t", ";", ",", "|", None)
"""Possible delimiters of columns. `None` means any number of blanks."""
MISSING = ("", "nan", "NaN", "NAN", "-nan", "NA", "N/A", "n/a", "#N/A", "null", "NULL", "None", "-", "--")
"""Cells without a value."""
WORD_BYTES = re.compile(rb"[\x80-\xff]{3}")
"""Three non-ASCII bytes in a row: a word in a non-Latin alphabet. Single accents and degree signs do not match."""
NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?|[+-]?inf(inity)?", re.IGNORECASE)
DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+([eE][+-]?\d+)?")
CLOCK = re.compile(
    r"(\d{4}-\d\d-\d\d|\d\d\.\d\d\.\d{4})([T ]\d\d:.*)?|\d+:\d\d(:\d\d)?([.,]\d+)?|\d+([.,]\d+)?(e-?\d+)? (sec|min|hr)"
)
"""Dates, times of day, and durations with their unit, as MATLAB writes them."""
BLANK_SEPARATED = re.compile(r"[^\s\[({]+(?:\s*[\[({][^\])}]*[\])}])?")


class Layout(NamedTuple):
    """The layout of the table in a text file.

    - `encoding`: text encoding. `delimiter`: `None` means blanks. `decimal`: decimal mark.
    - `headings`: one for each column. `first_line`: number of the first line of data, counted from 1.
    - `returns`: whether lines end in a carriage return alone.
    """

    encoding: str
    delimiter: str | None
    decimal: str
    headings: list[Heading]
    first_line: int
    returns: bool = False


def layout_of(path: Path) -> Layout:
    """Detect the layout of a text file from its first lines.

    **Raises:** `DataFileError` if there is no line of names with rows of numbers below it.
    """
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
        whole = len(file.read(1)) == 0
    encoding = encoding_of(head)
    lines = head.decode(encoding, errors="replace").removeprefix("\ufeff").splitlines()
    if not whole and len(lines) > 1:
        lines.pop()  # the last line is incomplete
    found = [table for table in (_table(lines, delimiter) for delimiter in DELIMITERS) if table is not None]
    if not found:
        raise DataFileError(_why_none(lines), path=path)
    best = max(found, key=lambda table: table.rows)  # the first one if several have the same number of rows
    returns = b"\r" in head and b"\n" not in head
    return Layout(encoding, best.delimiter, best.decimal, best.headings, best.first_line, returns)


def encoding_of(head: bytes) -> str:
    """Detect the encoding of a text from its first bytes."""
    for mark, encoding in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF32_LE, "utf-32"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if head.startswith(mark):
            return encoding
    if head[1::2].count(0) > len(head) // 4:
        return "utf-16-le"
    if head[::2].count(0) > len(head) // 4:
        return "utf-16-be"
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)  # the last character may be incomplete
        return "utf-8"
    except UnicodeDecodeError:
        pass
    if WORD_BYTES.search(head):
        import charset_normalizer  # imported here because few files need it

        if (match := charset_normalizer.from_bytes(head).best()) is not None:
            return match.encoding
    return "cp1252"


class _Table(NamedTuple):
    delimiter: str | None
    decimal: str
    headings: list[Heading]
    first_line: int
    rows: int


def sheet_layout(rows: Sequence[Sequence[str]]) -> tuple[list[Heading], int] | None:
    """The headings of the table in rows of cells, and the number of rows before its data. `None` without a table."""
    kept = [(i, list(row)) for i, row in enumerate(rows) if any(row)]
    found = _names_and_units([], [row for _, row in kept], "\t")
    if found is None:
        return None
    names, units, first = found
    data = _rows_below([row for _, row in kept], found)
    return _headings(names, units, data), kept[first][0]


def _headings(names: Sequence[str], units: Sequence[str] | None, data: Sequence[Sequence[str]]) -> list[Heading]:
    kinds: list[CellKind] = [_kind([row[i] for row in data]) for i in range(len(names))]
    return [
        heading_of(name, kind, unit=None if units is None else units[i], solidus=True)
        for i, (name, kind) in enumerate(zip(names, kinds, strict=True))
    ]


def _table(lines: Sequence[str], delimiter: str | None) -> _Table | None:
    """The table in these lines for one delimiter, or `None` if there is none."""
    kept = [(number, line) for number, line in enumerate(lines, 1) if not is_comment(line) and line.strip()]
    rows = [fields_of(line, delimiter) for _, line in kept]
    found = _names_and_units([line for _, line in kept], rows, delimiter)
    if found is None and (commented := _commented_names(lines, kept, rows, delimiter)):
        found = commented, None, 0
    if found is None:
        return None
    names, units, first = found
    data = _rows_below(rows, found)
    cells = [cell for row in data for cell in row]
    commas = sum(bool(DECIMAL_COMMA.fullmatch(cell)) for cell in cells)
    points = sum("." in cell and bool(NUMBER.fullmatch(cell)) for cell in cells)
    headings = _headings(names, units, data)
    first_line = kept[first][0] if first < len(kept) else len(lines) + 1
    return _Table(delimiter, "," if commas and not points else ".", headings, first_line, len(data))


def _names_and_units(
    lines: Sequence[str], rows: Sequence[list[str]], delimiter: str | None
) -> tuple[list[str], list[str] | None, int] | None:
    """The column names, their units if a line below has them, and the number of the first row of data.

    If several lines may be names, the one with the most matching rows below counts.
    """
    found = list(_candidates(lines, rows, delimiter))
    return max(found, key=lambda table: len(_rows_below(rows, table)), default=None)


def _rows_below(rows: Sequence[list[str]], table: tuple[list[str], list[str] | None, int]) -> list[list[str]]:
    """The rows of data with as many fields as there are names. Empty fields at the end do not count."""
    names, _, first = table
    width = len(names)
    wide = (row for row in rows[first:] if len(row) >= width and not any(row[width:]))
    return [row[:width] for row in wide if is_data(row)]


def _candidates(
    lines: Sequence[str], rows: Sequence[list[str]], delimiter: str | None
) -> Iterator[tuple[list[str], list[str] | None, int]]:
    for i, row in enumerate(rows):
        names = BLANK_SEPARATED.findall(lines[i]) if delimiter is None else row
        names = without_empty_tail(names)
        if len(names) < 2 or not all(is_word(name) for name in names if name) or sum(map(bool, names)) < 2:
            continue
        after = rows[i + 1 : i + 4]
        units = after[0] if after and _are_units(after[0]) and len(after[0]) <= len(names) else None
        below = after[1:] if units is not None else after
        if not below or not is_data(below[0]) or (len(below) > 1 and not is_data(below[1])):
            continue
        if len(without_empty_tail(below[0])) > len(names) and delimiter is None:
            continue
        units = None if units is None else units + [""] * (len(names) - len(units))
        yield _qualified(names, rows[:i]), units, i + 1 + (units is not None)


def _qualified(names: Sequence[str], above: Sequence[list[str]]) -> list[str]:
    """The names, those that occur several times with the words above them, as in a file with points of several bodies.

    An empty cell above means the same word as to its left.
    """
    found = list(names)
    for row in reversed(above):
        again = [found.count(name) > 1 for name in found]
        words = without_empty_tail(row)
        if (
            not any(again)
            or len(words) < 2
            or len(words) > len(found)
            or not all(is_word(word) for word in words if word)
        ):
            break
        filled, last = [], ""
        for word in [*words, *[""] * (len(found) - len(words))]:
            filled.append(last := word or last)
        pairs = zip(found, filled, again, strict=True)
        found = [f"{word}_{name}" if repeated and word else name for name, word, repeated in pairs]
    return found


def _commented_names(
    lines: Sequence[str], kept: Sequence[tuple[int, str]], rows: Sequence[list[str]], delimiter: str | None
) -> list[str] | None:
    """The column names in the last comment before the data, as `numpy.savetxt` writes them."""
    if not kept or not is_data(rows[0]) or len(rows[0]) < 2:
        return None
    above = [line for line in lines[: kept[0][0] - 1] if is_comment(line)]
    if not above:
        return None
    text = above[-1].strip().strip("\"'").lstrip("#%/! ")
    names = BLANK_SEPARATED.findall(text) if delimiter is None else fields_of(text, delimiter)
    names = without_empty_tail(names)
    fits = len(names) == len(without_empty_tail(rows[0])) and all(map(is_word, names))
    return names if fits else None


def _why_none(lines: Sequence[str]) -> str:
    kept = [line for line in lines if line.strip() and not is_comment(line)]
    if not kept:
        return "the file is empty and has no rows; expected a line of names, then one sample on each line"
    if is_data(fields_of(kept[0], ",")) or any(is_data(row) and len(row) > 1 for row in _splits(kept[0])):
        return "the file has no line of names; add one as the first line, such as t,theta"
    return "the file has no rows of numbers below a line of names; expected at least one"


def _splits(line: str) -> list[list[str]]:
    return [fields_of(line, delimiter) for delimiter in DELIMITERS]


def fields_of(line: str, delimiter: str | None) -> list[str]:
    """The fields of one line, stripped of blanks."""
    if delimiter is None:
        return line.split()
    try:
        return [field.strip() for field in next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), [])]
    except csv.Error:
        return []


def is_comment(line: str) -> bool:
    """Whether a line is a comment."""
    return line.lstrip().startswith(COMMENT_MARKS)


def is_data(row: Sequence[str]) -> bool:
    """Whether a row contains a number or a time."""
    return len(row) > 1 and any(NUMBER.fullmatch(cell) or CLOCK.fullmatch(cell) for cell in row)


def is_word(cell: str) -> bool:
    """Whether a cell may be a name: it is not a number, a time or a missing value."""
    return not (cell in MISSING or NUMBER.fullmatch(cell) or CLOCK.fullmatch(cell))


def without_empty_tail(row: Sequence[str]) -> list[str]:
    """A row without empty fields at its end. (Some programs end each line with a delimiter.)"""
    last = max((i for i, cell in enumerate(row) if cell), default=-1)
    return list(row[: last + 1])


def _are_units(row: Sequence[str]) -> bool:
    """Whether a row below the names contains units: at least half of the words are known units, and no number."""
    cells = [cell.strip(" ()[]{}<>") for cell in row]
    known = sum(known_unit(cell) is not None for cell in cells)
    words = sum(bool(cell) for cell in cells)
    return known > 0 and 2 * known >= words and not is_data(row)


def _kind(cells: Sequence[str]) -> CellKind:
    known = [cell for cell in cells if cell not in MISSING]
    if not known:
        return "empty"
    if 2 * sum(bool(NUMBER.fullmatch(cell)) for cell in known) > len(known):
        return "number"
    return "clock" if 2 * sum(bool(CLOCK.fullmatch(cell)) for cell in known) > len(known) else "text"

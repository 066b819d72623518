"""Reading of text files: pandas parses them; after an error, the file is searched line by line for its place."""

import contextlib
import csv
import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from .errors import DataFileError
from .headings import Heading
from .layout import COMMENT_MARKS, MISSING, NUMBER, Layout, fields_of, is_comment, layout_of, without_empty_tail
from .table import Table, Wanted

ROWS_AT_A_TIME = 1 << 16
"""Number of rows, or bytes, handled in one block."""
PLAIN_ENCODINGS = ("utf-8", "utf-8-sig", "cp1252")
"""Encodings in which ASCII characters are single bytes, and these bytes occur in no other characters."""


def text_headings(path: Path) -> list[Heading]:
    """The headings of the columns, in order.

    **Raises:** `DataFileError` if there are none.
    """
    return layout_of(path).headings


def read_text(path: Path, wanted: Wanted) -> Table:
    """Read the wanted columns of a text file.

    **Raises:** `DataFileError` at the first line that is not a row of the table.
    """
    layout = layout_of(path)
    with _opened(path, layout) as file:
        lines = _count(file, layout)
    if lines.rows < 1:
        raise DataFileError("the file has no rows below a header; expected at least one", path=path)
    layout, frame = _parsed_somehow(path, layout, lines, wanted)
    columns: dict[str, np.ndarray] = {}
    for number in wanted.columns:
        columns[layout.headings[number].text] = frame[number].to_numpy()
    numbers = [columns[layout.headings[number].text] for number in wanted.numbers]
    blanks = layout.delimiter is None and any(np.isnan(column).any() for column in numbers if column.dtype == float)
    even = lines.delimiters is None or lines.delimiters == lines.rows * (len(layout.headings) - 1)
    if len(frame) != lines.rows or blanks or not even:
        _locate_fault(path, layout, wanted)
        if len(frame) != lines.rows:
            raise DataFileError("a field spans several lines; expected one line for each row", path=path)
    return Table(columns, layout.first_line, "line", lines.comments)


class _Lines(NamedTuple):
    """Number of rows, number of delimiters in them (`None` for blanks), and line numbers of comments between them."""

    rows: int
    delimiters: int | None
    comments: tuple[int, ...]


def _opened(path: Path, layout: Layout) -> io.BufferedReader | io.BytesIO:
    """Open the file. Unusual encodings and line ends are converted to UTF-8 and newlines."""
    if layout.encoding in PLAIN_ENCODINGS and not layout.returns:
        return path.open("rb")
    text = path.read_bytes().decode(layout.encoding, errors="replace")
    return io.BytesIO((text.replace("\r", "\n") if layout.returns else text).encode())


def _as_opened(layout: Layout) -> str:
    return layout.encoding if layout.encoding in PLAIN_ENCODINGS and not layout.returns else "utf-8"


def _count(file: io.BufferedReader | io.BytesIO, layout: Layout) -> _Lines:
    """Count the lines of data. Blank lines at the end of the file do not count."""
    for _ in range(layout.first_line - 1):
        file.readline()
    newlines = delimiters = blank = 0
    mark = None if layout.delimiter is None else layout.delimiter.encode()
    comments, last = [], b"\n"
    marks = tuple(text.encode() for text in COMMENT_MARKS)
    for block in iter(lambda: file.read(ROWS_AT_A_TIME) + file.readline(), b""):  # whole lines
        delimiters += 0 if mark is None else block.count(mark)
        if block.startswith(marks) or any(b"\n" + text in block for text in marks):
            for i, line in enumerate(block.split(b"\n")):
                if line.startswith(marks):
                    comments.append(layout.first_line + newlines + i)
                    delimiters -= 0 if mark is None else line.count(mark)
        newlines += block.count(b"\n")
        tail = block.rstrip(b"\r\n")
        blank = block[len(tail) :].count(b"\n") + (blank if not tail else 0)
        last = block[-1:]
    lines = newlines - blank + (1 if last != b"\n" or blank else 0)
    return _Lines(lines - len(comments), None if mark is None else delimiters, tuple(comments))


def _parsed_somehow(path: Path, layout: Layout, lines: _Lines, wanted: Wanted) -> tuple[Layout, Any]:
    """A data frame of the wanted columns, and the layout with the decimal mark that was used.

    **Raises:** `DataFileError` at the first line that is not a row.
    """
    try:
        return layout, _parsed(path, layout, lines, wanted)
    except ValueError as error:  # pandas does not give the place
        if layout.decimal == "." and layout.delimiter != ",":  # the first lines may contain only whole numbers
            with contextlib.suppress(ValueError):
                commas = layout._replace(decimal=",")
                return commas, _parsed(path, commas, lines, wanted)
        _locate_fault(path, layout, wanted)
        raise DataFileError(f"the file cannot be read as a table: {error}", path=path) from error


def _parsed(path: Path, layout: Layout, lines: _Lines, wanted: Wanted) -> Any:
    """A data frame of the wanted columns, by column number."""
    import pandas  # imported here because it takes half a second

    types: Any = dict.fromkeys((*wanted.clocks, *wanted.labels), object)
    types |= dict.fromkeys((numbers := [i for i in wanted.numbers if i not in wanted.clocks]), np.float64)
    skipped = [*range(layout.first_line - 1), *(line - 1 for line in lines.comments)]
    with _opened(path, layout) as file:
        return pandas.read_csv(
            file,
            sep=r"\s+" if layout.delimiter is None else layout.delimiter,
            decimal=layout.decimal,
            header=None,
            names=range(len(layout.headings)),
            index_col=False,
            usecols=list(wanted.columns),
            dtype=types,
            skiprows=skipped if lines.comments else layout.first_line - 1,
            skip_blank_lines=False,
            skipinitialspace=True,
            keep_default_na=False,
            na_values=dict.fromkeys(numbers, MISSING),
            encoding=_as_opened(layout),
            encoding_errors="replace",
            nrows=lines.rows,
        )


def _locate_fault(path: Path, layout: Layout, wanted: Wanted) -> None:
    """Raise `DataFileError` at the first line that is not a row of the table, if there is one."""
    numbers = [(layout.headings[i].text, i) for i in wanted.numbers if i not in wanted.clocks]
    width, blank = len(layout.headings), 0

    def fault(message: str, line: int, column: str | None = None) -> DataFileError:
        return DataFileError(message, path=path, row=line, column=column, counted="line")

    with _opened(path, layout) as file:
        text = io.TextIOWrapper(file, encoding=_as_opened(layout), errors="replace", newline="")
        rows = _rows(text, layout)
        try:
            for line, fields in rows:
                if not any(fields):
                    blank = blank or line
                    continue
                if blank:
                    raise fault("is blank; expected a row: delete the line, or write empty cells", blank)
                if len(fields) < width or any(fields[width:]):
                    found = len(fields if len(fields) < width else without_empty_tail(fields))
                    message = f"has {found} fields; expected {width}, as the header: {_mended(layout)}"
                    raise fault(message, line)
                for name, i in numbers:
                    if not _is_number(fields[i], layout.decimal):
                        found = f"{fields[i].strip()!r} is not a number; expected one{_hint(fields[i], layout)}"
                        raise fault(found, line, name)
        except csv.Error as error:
            raise fault(f"cannot be read as CSV: {error}", getattr(error, "line", layout.first_line)) from error


def _rows(text: Iterable[str], layout: Layout) -> Iterator[tuple[int, list[str]]]:
    """The line numbers and fields of the lines of data. Blank lines have no fields."""
    lines = iter(text)
    for _ in range(layout.first_line - 1):
        next(lines, None)
    kept = (line for line in lines)
    if layout.delimiter is None:
        for number, line in enumerate(kept, layout.first_line):
            if not is_comment(line):
                yield number, fields_of(line, None)
        return
    reader = csv.reader(kept, delimiter=layout.delimiter, skipinitialspace=True)
    while True:
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            error.line = reader.line_num + layout.first_line - 1  # pyright: ignore[reportAttributeAccessIssue]
            raise
        if not (fields and is_comment(fields[0])):
            yield reader.line_num + layout.first_line - 1, fields


def _is_number(text: str, decimal: str) -> bool:
    text = text.strip()
    return text in MISSING or bool(NUMBER.fullmatch(text) and ("." if decimal == "," else ",") not in text)


def _hint(text: str, layout: Layout) -> str:
    if layout.decimal == "." and "," in text:
        return "; other numbers in this file have decimal points"
    if layout.decimal == "," and "." in text:
        return "; other numbers in this file have decimal commas"
    return "; if the sample is missing, leave the cell empty"


def _mended(layout: Layout) -> str:
    names = {None: "blanks", "\t": "tabs"}
    apart = names.get(layout.delimiter, repr(layout.delimiter))
    return f"fields are separated by {apart}; put a field that contains {apart} in quotes"


def write_csv(file: BinaryIO, columns: dict[str, np.ndarray]) -> None:
    """Write a CSV file. Each number has the shortest text that gives the same number when read."""
    text = io.TextIOWrapper(file, encoding="utf-8", newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    rows = len(next(iter(columns.values())))
    for start in range(0, rows, ROWS_AT_A_TIME):
        writer.writerows(zip(*(c[start : start + ROWS_AT_A_TIME].tolist() for c in columns.values()), strict=True))
    text.detach()

"""Tables and lines for a terminal."""

import sys
from collections.abc import Sequence
from typing import Any


def say(topic: str, text: str) -> None:
    """A line on a topic; further lines of the text stand below it."""
    for i, line in enumerate(text.splitlines()):
        _write(f"{topic if i == 0 else '':13s}{line}", sys.stdout)


def note(text: str) -> None:
    """A line beside what was asked for."""
    _write(f"note: {text}", sys.stderr)


def _write(line: str, stream: Any) -> None:
    """A line, whatever names are in it: characters that the stream cannot encode are escaped."""
    encoding = stream.encoding or "utf-8"
    print(line.encode(encoding, "backslashreplace").decode(encoding), file=stream, flush=True)


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Rows of a table, its columns wide enough: the first to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]

    def line(row: Sequence[str]) -> str:
        cells = [
            cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        ]
        return "  ".join(cells)

    return "\n".join(map(line, rows))

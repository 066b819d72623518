"""Format tables and lines as plain text."""

from collections.abc import Iterable, Iterator, Sequence
from textwrap import wrap

MAX_WIDTH = 60
"""Largest width of the first column of a table."""


def stated(topic: str, text: str) -> str:
    """Write a text behind its topic. Further lines are indented below the first."""
    return "\n".join(f"{topic if i == 0 else '':13s}{line}" for i, line in enumerate(text.splitlines()))


def stated_all(facts: Iterable[tuple[str, str]]) -> str:
    """Write several texts behind their topics, one below the other."""
    return "\n".join(stated(topic, text) for topic, text in facts)


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Align the columns of a table: the first one to the left, the others to the right. Long first cells are broken
    into several lines.
    """
    broken = [wrap(first, MAX_WIDTH, subsequent_indent="  ") or [""] for first, *_ in rows]
    wide = max(len(line) for lines in broken for line in lines)
    widths = [max(map(len, column)) for column in zip(*(row[1:] for row in rows), strict=True)]

    def lines(broken: Sequence[str], others: Sequence[str]) -> Iterator[str]:
        cells = [cell.rjust(width) for cell, width in zip(others, widths, strict=True)]
        yield "  ".join([broken[0].ljust(wide), *cells])
        yield from broken[1:]

    return "\n".join(line for first, row in zip(broken, rows, strict=True) for line in lines(first, row[1:]))

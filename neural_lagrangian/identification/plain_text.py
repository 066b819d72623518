"""Format tables and lines as plain text."""

from collections.abc import Iterable, Sequence


def stated(topic: str, text: str) -> str:
    """Write a text behind its topic. Further lines are indented below the first."""
    return "\n".join(f"{topic if i == 0 else '':13s}{line}" for i, line in enumerate(text.splitlines()))


def stated_all(facts: Iterable[tuple[str, str]]) -> str:
    """Write several texts behind their topics, one below the other."""
    return "\n".join(stated(topic, text) for topic, text in facts)


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Align the columns of a table: the first one to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]

    def line(row: Sequence[str]) -> str:
        cells = [
            cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        ]
        return "  ".join(cells)

    return "\n".join(map(line, rows))

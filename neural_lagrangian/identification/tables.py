"""Tables and lines of plain text."""

from collections.abc import Iterable, Sequence


def stated(topic: str, text: str) -> str:
    """A text on a topic; its further lines stand below the first."""
    return "\n".join(f"{topic if i == 0 else '':13s}{line}" for i, line in enumerate(text.splitlines()))


def stated_all(facts: Iterable[tuple[str, str]]) -> str:
    """Texts on their topics, one below the other."""
    return "\n".join(stated(topic, text) for topic, text in facts)


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Rows of a table, its columns wide enough: the first to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]

    def line(row: Sequence[str]) -> str:
        cells = [
            cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        ]
        return "  ".join(cells)

    return "\n".join(map(line, rows))

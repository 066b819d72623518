"""The table as Markdown."""

from collections.abc import Iterable, Mapping

from .rows import Row
from .runs import Run

HEAD = ("", "what", "ours", "published", "ours / published", "goal", "", "seeds", "from")


def table(rows: Iterable[Row], runs: Mapping[str, Run]) -> str:
    """A line for each row, and below it how long the examples took and with what."""
    lines = [_line(HEAD), _line(["---"] * len(HEAD))]
    notes = []
    for row in rows:
        ours = _figure(row, runs)
        met = None if ours is None else row.met(ours)
        mark = {True: "met", False: "missed", None: ""}[met]
        if row.note and met is False:
            notes.append(row.note)
            mark += f" [{len(notes)}]"
        ratio = f"{ours / row.published:.2g}" if ours is not None and isinstance(row.published, float) else ""
        goal = "" if row.goal is None else f"{'at least' if row.least else 'at most'} {row.goal:.3g}"
        of = f"`{row.example}`" if row.example else f"[{row.benchmark}](benchmarks/{row.benchmark}.md)"
        published = f"{row.published:.3g}" if isinstance(row.published, float) else row.published
        shown = "not run" if ours is None else f"{ours:.3g}"
        lines.append(_line((row.target, row.what, shown, published, ratio, goal, mark, str(row.seeds), of)))
    text = "\n".join(lines) + "\n"
    if notes:
        text += "\n" + "\n".join(f"[{i}] {note}" + "\n" for i, note in enumerate(notes, 1))
    return text + "\n" + times(rows, runs)


def times(rows: Iterable[Row], runs: Mapping[str, Run]) -> str:
    """Wall times of the examples, and the versions that they ran with."""
    names = sorted({row.example for row in rows if row.example in runs})
    lines = [_line(("example", "wall time", "versions")), _line(["---"] * 3)]
    for name in names:
        run = runs[name]
        versions = ", ".join(f"{package} {number}" for package, number in run.versions.items())
        failed = f"; ended in {run.failed}" if run.failed else ""
        lines.append(_line((f"`{name}`", f"{run.seconds:.0f} s{failed}", versions)))
    return "\n".join(lines) + "\n"


def _figure(row: Row, runs: Mapping[str, Run]) -> float | None:
    if row.benchmark:
        return row.of_benchmark()
    run = runs.get(row.example)
    return None if run is None else run.figures.get(row.figure)


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"

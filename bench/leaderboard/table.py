"""The table as Markdown."""

from collections.abc import Iterable, Mapping, Sequence

from .rows import Row
from .runs import Run

HEAD = ("what", "ours", "published", "ours / published", "goal", "measured by")

TIMES = "Wall times of the examples include compilation. They ran on a shared machine with two cores.\n"


def table(sources: Mapping[str, str], rows: Sequence[Row], runs: Mapping[str, Run]) -> str:
    """A table for each source, the reasons for missed goals, and the wall times and versions of the examples."""
    parts, notes = [], []
    for target, source in sources.items():
        lines = [_line(HEAD), _line(["---"] * len(HEAD))]
        lines += [_row(row, _figure(row, runs), notes) for row in rows if row.target == target]
        parts.append(f"## {target}. {source}\n\n" + "\n".join(lines) + "\n")
    parts += [f"[{i}] {note}\n" for i, note in enumerate(notes, 1)]
    return "\n".join([*parts, "## Wall times\n", TIMES, times(rows, runs)])


def _row(row: Row, ours: float | None, notes: list[str]) -> str:
    """A line of the table. The reason for a missed goal is added to the notes."""
    met = None if ours is None else row.met(ours)
    goal = "" if row.goal is None else f"{'at least' if row.least else 'at most'} {row.goal:.3g}"
    goal += {True: ", met", False: ", missed", None: ""}[met]
    if row.note and met is False:
        if row.note not in notes:
            notes.append(row.note)
        goal += f" [{notes.index(row.note) + 1}]"
    ratio = f"{ours / row.published:.2g}" if ours is not None and isinstance(row.published, float) else ""
    of = f"`{row.example}`" if row.example else f"[{row.benchmark}](benchmarks/{row.benchmark}.md)"
    published = f"{row.published:.3g}" if isinstance(row.published, float) else row.published
    what = row.what if row.seeds == 1 else f"{row.what}, {row.seeds} seeds"
    return _line((what, "not run" if ours is None else f"{ours:.3g}", published, ratio, goal, of))


def times(rows: Iterable[Row], runs: Mapping[str, Run]) -> str:
    """A table of the wall times of the examples and of the package versions that they ran with."""
    names = sorted({row.example for row in rows if row.example in runs})
    lines = [_line(("example", "wall time", "versions")), _line(["---"] * 3)]
    versions = ""
    for name in names:
        run, before = runs[name], versions
        versions = ", ".join(f"{package} {number}" for package, number in run.versions.items())
        failed = f"; ended in {run.failed}" if run.failed else ""
        same = "the same" if versions == before else versions
        lines.append(_line((f"`{name}`", f"{run.seconds:.0f} s{failed}", same)))
    return "\n".join(lines) + "\n"


def _figure(row: Row, runs: Mapping[str, Run]) -> float | None:
    if row.benchmark:
        return row.of_benchmark()
    run = runs.get(row.example)
    return None if run is None else run.figures.get(row.figure)


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"

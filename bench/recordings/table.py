"""The page of results: who is found, refused and missed, by system and by fault."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from .faults import FAULTS
from .run import FOUND, MAX_RATIO, MISSED, RIGHTLY, WRONG
from .systems import SYSTEMS

HEAD = """# Recordings gym

`python -m bench.recordings` makes recordings of known systems with faults of real ones, and gives them to `identify`,
with {steps} gradient steps of the network at most. The oracle is the true family, started from the true constants, and
fitted by the same package to the same data. Both predict motion that the recording does not hold, over one period from
exact states. The network is trained only if no known system leaves nothing but noise. This page is made of {cases}
cases: {pairs} of {all} pairs of a system and a fault, with up to {seeds} recordings of each. Which coordinates are
angles is declared, except in `nothing declared`.

- **found**: the best candidate is the true family with its friction, or it errs at most {ratio} times as much as the
  oracle.
- **rightly refused**: no answer, or one with the warning that something is missing or that its friction is undecided,
  where the oracle errs by more than a tenth of the spread, or where no oracle exists.
- **missed**: the same where the oracle solves the case.
- **wrong and confident**: another answer without this warning.
- **right**: found, or rightly refused. **ratio**: error over the oracle's, median. **close**: share of the cases in
  which it is at most {ratio}. **coverage**: of the 90 % bands on held-out motion, mean.
  **seconds**: processor time, median.
"""
RESULTS = (FOUND, RIGHTLY, MISSED, WRONG)


def written(rows: list[dict[str, Any]]) -> str:
    """The page as Markdown."""
    steps = max((row["steps"] for row in rows), default=0)
    pairs = [(row["system"], row["fault"]) for row in rows]
    counts = {"cases": len(rows), "pairs": len(set(pairs)), "all": len(SYSTEMS) * len(FAULTS)}
    counts["seeds"] = max(map(pairs.count, pairs), default=0)
    parts = [HEAD.format(steps=steps, ratio=MAX_RATIO, **counts)]
    for title, key in (("fault", "fault"), ("system", "system")):
        names = dict.fromkeys(row[key] for row in rows)
        lines = [_line(name, [row for row in rows if row[key] == name]) for name in names]
        head = f"| {title} | cases | {' | '.join(RESULTS)} | right | ratio | close | coverage | seconds |"
        parts.append("\n".join([head, "| --- " * 11 + "|", *lines, _line("all", rows)]))
    found = [row for row in rows if row["verdict"] == FOUND]
    doubted = sum(bool(row.get("undecided")) for row in found)
    parts.append(f"Of {len(found)} answers that are found, {doubted} say that their friction is undecided.")
    wrong = [row for row in rows if row["verdict"] == WRONG]
    if wrong:
        named = (f"- {row['system']}, {row['fault']}: {row['said']}, ratio {_text(row['ratio'])}" for row in wrong)
        parts.append("\n".join(["Wrong and confident:", "", *named]))
    return "\n\n".join(part.rstrip() for part in parts) + "\n"


def _line(name: str, rows: list[dict[str, Any]]) -> str:
    counts = [sum(row["verdict"] == result for row in rows) for result in RESULTS]
    right = (counts[0] + counts[1]) / max(len(rows), 1)
    ratios = [row["ratio"] for row in rows if row.get("ratio") is not None and (row["oracle"] or np.inf) < 0.1]
    good = f"{np.mean(np.array(ratios) <= MAX_RATIO):.0%}" if ratios else "-"
    ratio, coverage, seconds = (
        _mean(function, values)
        for function, values in (
            (np.median, ratios),
            (np.mean, (row.get("coverage") for row in rows)),
            (np.median, (row.get("seconds") for row in rows)),
        )
    )
    cells = (name, len(rows), *counts, f"{right:.0%}", ratio, good, coverage, seconds)
    return f"| {' | '.join(map(str, cells))} |"


def _mean(function: Any, values: Iterable[float | None]) -> str:
    known = [value for value in values if value is not None]
    return _text(function(known)) if known else "-"


def _text(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"

"""The page of results: who is found, refused and missed, by system and by fault."""

from collections.abc import Iterable
from typing import Any

import numpy as np

HEAD = """# Recordings gym

`python -m bench.recordings` makes recordings of known systems with faults of real ones, and gives them to `identify`.
The oracle is the true family, fitted by the same package to the same data.

- **found**: the best candidate is the true family with its friction, or a formula that errs at most 1.5 times as
  much as the oracle.
- **refused**: no formula, or a message that says why.
- **wrong, confident**: another answer, and the network is said to predict.
- **ratio**: error of prediction over the oracle's, median. **coverage**: of the 90 % bands on held-out motion, mean.
"""


def written(rows: list[dict[str, Any]]) -> str:
    """The page as Markdown."""
    parts = [HEAD]
    for title, key in (("fault", "fault"), ("system", "system")):
        names = dict.fromkeys(row[key] for row in rows)
        lines = [_line(name, [row for row in rows if row[key] == name]) for name in names]
        head = f"| {title} | cases | found | refused | wrong | confident | ratio | coverage | seconds |"
        parts.append("\n".join([head, "| --- " * 9 + "|", *lines, _line("all", rows)]))
    return "\n\n".join(part.rstrip() for part in parts) + "\n"


def _line(name: str, rows: list[dict[str, Any]]) -> str:
    counts = [sum(row["verdict"] == verdict for row in rows) for verdict in ("found", "refused", "wrong")]
    confident = sum(bool(row.get("confident")) for row in rows)
    ratio, coverage, seconds = (
        _mean(function, (row.get(key) for row in rows))
        for key, function in (("ratio", np.median), ("coverage", np.mean), ("seconds", np.median))
    )
    return f"| {name} | {len(rows)} | {' | '.join(map(str, counts))} | {confident} | {ratio} | {coverage} | {seconds} |"


def _mean(function: Any, values: Iterable[float | None]) -> str:
    known = [value for value in values if value is not None]
    return f"{function(known):.3g}" if known else "-"

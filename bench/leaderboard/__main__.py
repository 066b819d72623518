"""Run examples, keep their figures, make the table: `python -m bench.leaderboard [--quick] [example ...]`."""

import argparse
import math
import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from .rows import read_rows
from .runs import load, run_notebook, run_script, save, stored_notebook
from .table import table

DOCS = Path(__file__).parents[2] / "docs"
QUICK = """# Leaderboard, quick settings

This table has the rows of [the leaderboard](leaderboard.md), from runs with quick settings
(`nox -s leaderboard -- --quick`). It shows that every example runs, from the motion to the table. Do not compare
these figures with published results:

- Networks are trained from one random seed, for about a twentieth of the steps. There are fewer systems and models.
- Goals are those of the full settings.
- Examples run in parallel with little compiler optimisation, so their wall times mean little.

"""
FULL = """# Leaderboard

This table compares published results with those of this package, in full settings.

- **ours**: a notebook in `examples/` or a benchmark measured the figure. The last column names it. A notebook prints
  each figure as a line `name: value`; `bench/leaderboard/targets.toml` says which name belongs to which row.
- **published**: the figure in the source, or in words what the source shows. "A picture" means that the source has only
  a plot. "A question" means that it asks for the result. Some rows have no published result.
- **goal**: a bound that this project chose. A number in brackets refers to a note below the tables.

`nox -s leaderboard` runs all notebooks and makes this page. `nox -s leaderboard -- --table` makes it from the stored
figures.

"""


def main() -> None:
    """Run what is asked for; tell of each example as it ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("examples", nargs="*", help="run these alone; the figures of the others are kept")
    parser.add_argument("--quick", action="store_true", help="shorter settings, a table of its own")
    parser.add_argument("--stored", action="store_true", help="read the notebooks as they are, execute none")
    parser.add_argument("--table", action="store_true", help="run nothing, make the table anew")
    asked = parser.parse_args()
    sources, rows = read_rows()
    known = list(dict.fromkeys(row.example for row in rows if row.example))
    if unknown := set(asked.examples) - set(known):
        parser.error(f"examples {sorted(unknown)}: expected some of {known}")
    name = "leaderboard_quick" if asked.quick else "leaderboard"
    kept = DOCS / f"{name}.json"
    runs = load(kept)
    how = stored_notebook if asked.stored else run_notebook
    if asked.quick:
        how = partial(run_script, size="quick")
    examples = [] if asked.table else asked.examples or known
    # The longest begin first, so that all cores have work to the end.
    examples = sorted(examples, key=lambda name: -runs[name].seconds if name in runs else -math.inf)
    with ThreadPoolExecutor(os.cpu_count() if asked.quick else 1) as pool:
        for example, run in zip(examples, pool.map(how, examples), strict=True):
            runs[example] = run
            save(kept, runs)
            print(f"{example:32s}{run.seconds:7.0f} s  {run.failed or f'{len(run.figures)} figures'}", flush=True)
    text = (QUICK if asked.quick else FULL) + table(sources, rows, runs)
    (DOCS / f"{name}.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()

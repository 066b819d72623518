"""The rows of the table, `targets.toml`, and the figures that they take from examples and from benchmarks."""

import json
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
BENCHMARKS = FOLDER.parents[1] / "docs" / "benchmarks"


@dataclass(frozen=True)
class Row:
    """One published result.

    - `target`: the letter of the source. `what`: what was measured, with its unit.
    - `example`, `figure`: the example that measures it, and the name that it prints before the figure. Or
      `benchmark`, `where`, `column`, `over`: the table of a benchmark, what its row holds, and the column that counts,
      divided by that of another row if `over` holds what that is.
    - `published`: the figure of the source, or what it says in words. `goal`: what ours is to reach.
    - `least`: whether more is better. `seeds`: of the figure. `note`: where the goal is missed, the reason.
    """

    target: str
    what: str
    example: str = ""
    figure: str = ""
    benchmark: str = ""
    where: dict[str, Any] = field(default_factory=dict)
    column: str = "seconds"
    over: dict[str, Any] = field(default_factory=dict)
    published: float | str = ""
    goal: float | None = None
    least: bool = False
    seeds: int = 1
    note: str = ""

    def __post_init__(self):
        if bool(self.example) == bool(self.benchmark):
            raise ValueError(f"row {self.what!r} has example {self.example!r} and benchmark {self.benchmark!r}; one of")

    def met(self, ours: float) -> bool | None:
        """Whether the goal is reached, if there is one."""
        if self.goal is None:
            return None
        return ours >= self.goal if self.least else ours <= self.goal

    def of_benchmark(self) -> float:
        """The figure, from the table of the benchmark."""
        rows = json.loads((BENCHMARKS / f"{self.benchmark}.json").read_text())
        value = _one(rows, self.where, self.what)[self.column]
        return value / _one(rows, self.where | self.over, self.what)[self.column] if self.over else value


def read_rows() -> tuple[dict[str, str], list[Row]]:
    """The sources by letter, and all rows, in the order of the file."""
    targets = tomllib.loads((FOLDER / "targets.toml").read_text())
    return targets["source"], [Row(**row) for row in targets["row"]]


def _one(rows: list[dict[str, Any]], where: dict[str, Any], what: str) -> dict[str, Any]:
    found = [row for row in rows if all(row.get(name) == value for name, value in where.items())]
    if len(found) != 1:
        raise ValueError(f"row {what!r}: {len(found)} rows of the benchmark have {where}; expected one")
    return found[0]

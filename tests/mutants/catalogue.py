"""The catalogue of faults in `faults/*.toml`: each is one wrong expression, with the tests that must notice it."""

import tomllib
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PACKAGE = "neural_lagrangian"


class Fault(NamedTuple):
    """One wrong expression in one file.

    `old` occurs exactly once in `file`, a path inside the package. At least one of `tests` fails if `new` stands there;
    they are node ids of pytest without the folder `tests/`.
    """

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    def mutated(self, text: str) -> str:
        """The content of the file with the fault. Raises `ValueError` if the fault no longer fits the file."""
        if (count := text.count(self.old)) != 1:
            raise ValueError(f"{self.file}: {self.old!r} occurs {count} times; expected once. Mend {self.name!r}")
        return text.replace(self.old, self.new)


def catalogue() -> list[Fault]:
    """All faults, in the order of the files."""
    faults = []
    for path in sorted((Path(__file__).parent / "faults").glob("*.toml")):
        for entry in tomllib.loads(path.read_text(encoding="utf-8"))["fault"]:
            faults.append(Fault(**entry | {"tests": tuple(entry["tests"])}))
    return faults


def sampled(faults: list[Fault], count: int) -> list[Fault]:
    """`count` faults, evenly from all, so that every folder has its share."""
    return [faults[(2 * k + 1) * len(faults) // (2 * count)] for k in range(min(count, len(faults)))]

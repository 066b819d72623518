"""The options of `identify` that do not describe the recording."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, get_args

from .._checks import positive_integer
from .choices import Structure
from .families import Family
from .faults import UsageError
from .remark import Remark

SEED_LIMIT = 2**63
"""Seeds are below this number and not below its negative: JAX stores a seed in 64 bits."""

Tell = Callable[[str, str | Remark], None]
"""Function `tell(topic, text)` that gets the messages of `identify`, such as `print`. A remark has the topic "note"."""


class Wanted(NamedTuple):
    """The options of `identify` that do not describe the recording."""

    structure: str
    friction: bool
    steps: int | None
    minutes: float | None
    seed: int
    float32: bool
    folder: Path | None
    resume: bool
    command: str | None
    candidates: tuple[Family, ...]
    tell: Tell | None

    def check(self) -> None:
        """**Raises:** `ValueError` for an impossible value; `UsageError` for `resume` without a folder."""
        if self.structure not in get_args(Structure):
            known = ", ".join(map(repr, get_args(Structure)))
            raise ValueError(f"`structure` is {self.structure!r}; expected one of {known}")
        if self.steps is not None:
            positive_integer("steps", self.steps)
        if self.minutes is not None and not self.minutes > 0:
            raise ValueError(f"`minutes` is {self.minutes}; expected a positive number")
        if not isinstance(self.seed, int) or not -SEED_LIMIT <= self.seed < SEED_LIMIT:
            raise ValueError(f"`seed` is {self.seed!r}; expected an integer of at most 63 bits and a sign")
        for one in self.candidates:
            if not isinstance(one, Family):
                raise ValueError(f"`candidates` has {one!r}; expected a `Family`")
        if self.resume and self.folder is None:
            raise UsageError("`resume` is True, but `folder` is None; give the folder of the interrupted call")

    def said(self, topic: str, text: str | Remark) -> None:
        """Pass a message to `tell`, if it is given."""
        if self.tell is not None:
            self.tell(topic, text)

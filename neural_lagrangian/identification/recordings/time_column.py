"""Which column of a recording holds the times."""

import re
from collections.abc import Container, Sequence
from pathlib import Path

from ...trajectories import Heading, find_heading, quantity_of
from .units_in_names import unit_of
from .words import words_of

USUAL_WORD = re.compile(
    r"times?|timestamps?|stamp|([mun]|nano|micro|milli)?sec(ond)?s?|elapsed|zeit|temps|tiempo|clock"
)
"""Words that are usual in names of times."""
OTHER_WORDS = {"step", "steps", "index", "count", "number", "run"}
"""Words in names of columns that count something."""
LETTER = re.compile(r"t[\W_\d]*((s|ms|us|ns)\W*)?")
"""A letter that is usual for times, with a number or a unit."""


def time_column(path: Path, headings: Sequence[Heading], named: str | None, others: Container[str]) -> str:
    """The name of the column of times: the one that is `named`, else the first one with the usual name, with a usual
    word in its name, or in a unit of time, else the first column of numbers or dates.

    **Arguments:** `others`: columns with another role.
    """
    if named is not None:
        return headings[find_heading(headings, named, path)].name
    free = [heading for heading in headings if not any(name in others for name in heading.names)]
    readable = [heading for heading in free if heading.kind in ("number", "clock")]
    times = [heading for heading in free if is_time(heading) and (heading.kind == "text" or heading in readable)]
    return (sorted(times, key=_rank) or readable or list(headings))[0].name


def is_time(heading: Heading) -> bool:
    """Whether a column is called like a time or is in a unit of time."""
    return _rank(heading) < 3


def _rank(heading: Heading) -> int:
    """How usual a heading is for times: 0 for the name `t` or `time`, 3 for that of another column."""
    name, words, unit = heading.name, words_of(heading.name), unit_of(heading)
    is_word = any(map(USUAL_WORD.fullmatch, words)) and OTHER_WORDS.isdisjoint(words)
    if name == "t" or (is_word and len(words) == 1):
        return 0
    if is_word or LETTER.fullmatch(name):
        return 1
    in_time = unit is not None and quantity_of(unit) == "time"
    return 2 if (in_time and heading.kind != "text") or name == "T" else 3

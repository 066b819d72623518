"""Which column of a recording holds the times."""

import re
from collections.abc import Container, Sequence
from pathlib import Path

from ...trajectories import Heading, find_heading, quantity_of
from .units_in_names import unit_of
from .words import words_of

USUAL_WORD = re.compile(r"times?|timestamps?|stamp|seconds?|secs?|elapsed|zeit|temps|tiempo|clock")
"""Words that are usual in names of times."""


def time_column(path: Path, headings: Sequence[Heading], named: str | None, others: Container[str]) -> str:
    """The name of the column of times: the one that is `named`, else the first column of numbers or dates that is
    called like a time or is in a unit of time, else the first one.

    **Arguments:** `others`: columns with another role.
    """
    if named is not None:
        return headings[find_heading(headings, named, path)].name
    free = [
        heading
        for heading in headings
        if heading.kind in ("number", "clock") and not any(name in others for name in heading.names)
    ]
    return ([*filter(is_time, free)] or free or list(headings))[0].name


def is_time(heading: Heading) -> bool:
    """Whether a column is called like a time or is in a unit of time."""
    called = heading.name.lower() == "t" or any(map(USUAL_WORD.fullmatch, words_of(heading.name)))
    unit = unit_of(heading)
    return called or (unit is not None and quantity_of(unit) == "time")

"""Which column of a recording holds the times."""

import re
from collections.abc import Container, Sequence
from pathlib import Path

from ...trajectories import Heading, find_heading, quantity_of

TIME_NAME = re.compile(r"t|times?|timestamps?|seconds?|secs?|elapsed|zeit|temps|tiempo|clock", re.IGNORECASE)
"""Names that are usual for times."""


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
    called = [h for h in free if TIME_NAME.fullmatch(h.name) or (h.unit is not None and quantity_of(h.unit) == "time")]
    return (called or free or list(headings))[0].name

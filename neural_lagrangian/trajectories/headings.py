"""What the heading of a column says: a name, and a unit such as in `x (cm)`, `theta [deg]` or `t / s`."""

import re
from collections.abc import Sequence
from os import PathLike
from typing import Literal, NamedTuple

from .errors import DataFileError
from .units import known_unit

_BRACKETS = re.compile(r"(.*\S)\s*(?:\(([^()]*)\)|\[([^\[\]]*)\]|\{([^{}]*)\}|<([^<>]*)>)")
_SOLIDUS = re.compile(r"([^/]*\S)\s*/\s*(\S+)")

CellKind = Literal["number", "clock", "text", "empty"]


class Heading(NamedTuple):
    """`text`: the heading as it is written. `base`: what stands before the unit. `unit`: as `trajectories.units` writes
    it, `None` where there is none that is known. `kind`: what the first rows of the column hold; a clock is dates or
    times of day.
    """

    text: str
    base: str
    unit: str | None
    kind: CellKind

    @property
    def name(self) -> str:
        """The base where the rest is a known unit, the whole text elsewhere."""
        return self.base if self.unit is not None else self.text


def heading_of(text: str, kind: CellKind = "number", *, unit: str | None = None, solidus: bool = False) -> Heading:
    """The heading that a text is.

    **Arguments:**

    - `kind`: what the column holds.
    - `unit`: of a line of units below the names, in brackets or not.
    - `solidus`: whether `t / s` is read as `t` in seconds.
    """
    if unit is not None and (known := known_unit(unit.strip(" ()[]{}<>"))) is not None:
        return Heading(text, text, known, kind)
    if match := _BRACKETS.fullmatch(text):
        return Heading(text, match[1], known_unit(next((part for part in match.groups()[1:] if part), "")), kind)
    if solidus and (match := _SOLIDUS.fullmatch(text)) and (known := known_unit(match[2])):
        return Heading(text, match[1], known, kind)
    return Heading(text, text, None, kind)


def find_heading(headings: Sequence[Heading], wanted: str, path: str | PathLike[str] | None) -> int:
    """The number of the column that is wanted: by its heading as written, or by what stands before its unit.

    **Raises:** `DataFileError` if there is none such, or more than one.
    """
    for part in ("text", "base"):
        found = [i for i, heading in enumerate(headings) if getattr(heading, part) == wanted]
        if len(found) == 1:
            return found[0]
        if found:
            break
    fault = "appears more than once" if found else "is absent"
    names = ", ".join(repr(heading.text) for heading in headings)
    raise DataFileError(f"{fault}; the file has {names}", path=path, column=wanted)

"""Column headings: name and unit, as in `x (cm)`, `theta [deg]` or `t / s`."""

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
    """The heading of a column.

    - `text`: the heading as written. `base`: the part before the unit.
    - `unit`: the unit in the spelling of `trajectories.units`, or `None` if there is no known unit.
    - `kind`: type of the values in the first rows. "clock" means dates or times of day.
    """

    text: str
    base: str
    unit: str | None
    kind: CellKind

    @property
    def name(self) -> str:
        """The heading without its unit, if the unit is known, else the whole text."""
        return self.base if self.unit is not None else self.text

    @property
    def names(self) -> set[str]:
        """What the column may be called."""
        return {self.text, self.base}


def heading_of(text: str, kind: CellKind = "number", *, unit: str | None = None, solidus: bool = False) -> Heading:
    """Parse a heading.

    **Arguments:**

    - `kind`: type of the values in the column.
    - `unit`: unit from a line of units below the names, with or without brackets.
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
    """Find a column by its whole heading, or by its heading without the unit. Returns its number.

    **Raises:** `DataFileError` if no column, or more than one, matches.
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

"""Units in the names of columns, such as `time_ms`, `angleDeg` or `omega_rad_s`."""

import re

from ...trajectories import Heading, known_unit, quantity_of
from .words import kind_of_name

TOKEN = re.compile(r"[A-Z]?[a-z]+\d*|[A-Z]+\d*")
CLOCKS = {"millis": "ms", "micros": "us", "milliseconds": "ms", "microseconds": "us", "nanoseconds": "ns", "ms": "ms"}
"""Names that are a unit of time by themselves; Arduino calls its clocks so."""
UNITS = ("ms", "us", "ns", "msec", "usec", "nsec", *CLOCKS, "mm", "cm", "km", "rad", "radians", "deg", "degrees", "rpm")
"""Units at the end of names. Others, such as `m`, `s` or `min`, are SI already, or likely to mean something else."""
OVER_TIME = {"s": "/s", "sec": "/s", "second": "/s", "s2": "/s^2"}
"""What follows the unit of a coordinate in that of a rate of change, as in `rad_s` or `rad_per_s`."""
MEASURED = ("time", "position", "velocity", "acceleration")
"""Quantities of which names may end in a unit."""


def unit_of(heading: Heading, measured: str | None = None) -> str | None:
    """The unit in a heading: in brackets, in a line of units, or, without these, at the end of the name.

    **Arguments:** `measured`: the quantity of the column, if it is known. Then a unit of another quantity at the end of
    the name means something else.
    """
    if heading.unit is not None or heading.text != heading.base:
        return heading.unit
    unit = unit_in_name(heading.name)
    return unit if unit is None or measured not in MEASURED or quantity_of(unit) == measured else None


def unit_in_name(name: str) -> str | None:
    """The unit at the end of a name; `None` if there is none. An angle at the end of the name of a velocity, as in
    `omega_deg`, is one per second.
    """
    words = [word.lower() for word in TOKEN.findall(name)]
    unit = _unit_at_end(words)
    if unit is not None and quantity_of(unit) == "position" and kind_of_name(name) == "velocity":
        return f"{unit}/s"
    return unit


def _unit_at_end(words: list[str]) -> str | None:
    if len(words) == 1:
        return CLOCKS.get(words[0])
    if words[-1:] == ["dps"]:
        return "deg/s"
    over = OVER_TIME.get(words[-1], "") if words else ""
    words = words[: -1 - (words[-2] == "per")] if over else words
    if len(words) < 2 or words[-1] not in (*UNITS, *(["m"] if over else [])):
        return None
    return known_unit(CLOCKS.get(words[-1], words[-1]) + over)

"""Units in the names of columns, such as `time_ms`, `angleDeg` or `omega_rad_s`."""

import re

from ...trajectories import Heading, known_unit, quantity_of
from .words import kind_of_name

TOKEN = re.compile(r"[A-Z]?[a-z]+\d*|[A-Z]+\d*")
ALONE = {"millis": "ms", "micros": "us", "milliseconds": "ms", "microseconds": "us", "nanoseconds": "ns", "ms": "ms"}
ALONE |= {"rpm": "rpm", "dps": "deg/s"}
"""Names that are a unit by themselves; Arduino calls its clocks so."""
UNITS = ("ms", "us", "ns", "msec", "usec", "nsec", *ALONE, "mm", "cm", "km", "rad", "radians", "deg", "degrees")
"""Units at the end of names. Others, such as `m` or `s`, are SI already, or likely to mean something else."""
OF_TIMES = re.compile(r"(?i)(t|.*time)[\W_]*(min|minutes|h|hr|hours)")
"""Names of times with a unit that means something else in other names."""
OVER_TIME = {"s": "/s", "sec": "/s", "second": "/s", "s2": "/s^2"}
"""What follows the unit of a coordinate in that of a rate of change, as in `rad_s` or `rad_per_s`."""
MULTIPLE = re.compile(r".*?[A-Za-z][\W_]+(\d+(?:\.\d+)?)([A-Za-z]+)")
"""A unit with a number, as in `time_0.1ms`."""
MEASURED = ("time", "position", "velocity", "acceleration")
"""Quantities of which names may end in a unit."""


def unit_of(heading: Heading, measured: str | None = None) -> str | None:
    """The unit in a heading: in brackets, in a line of units, or, without these, at the end of the name.

    **Arguments:** `measured`: the quantity of the column, if it is known. Then a unit of another quantity at the end of
    the name means something else.
    """
    has_brackets = heading.text != heading.base and heading.text[len(heading.base) :].strip(" ()[]{}<>")
    if heading.unit is not None or has_brackets:
        return heading.unit
    unit = unit_in_name(heading.base)
    return unit if unit is None or measured not in MEASURED or quantity_of(unit) == measured else None


def unit_in_name(name: str) -> str | None:
    """The unit at the end of a name; `None` if there is none. An angle at the end of the name of a velocity, as in
    `omega_deg`, is one per second, and `ms` metres per second.
    """
    if times := OF_TIMES.fullmatch(name):
        return known_unit(times[2].lower())
    name = re.sub(r"(?<![A-Za-z])([mun])S$", r"\1s", name)
    many = MULTIPLE.fullmatch(name)
    if many and many[2].lower() in UNITS:
        return known_unit(f"{many[1]} {ALONE.get(many[2].lower(), many[2].lower())}")
    unit = _unit_at_end([word.lower() for word in TOKEN.findall(name)])
    if unit is None or kind_of_name(name) != "velocity":
        return unit
    return "m/s" if unit == "ms" else f"{unit}/s" if quantity_of(unit) == "position" else unit


def _unit_at_end(words: list[str]) -> str | None:
    if len(words) == 1:
        return ALONE.get(words[0])
    over = OVER_TIME.get(words[-1], "") if words else ""
    words = words[: -1 - (words[-2] == "per")] if over else words
    if len(words) < 2 or words[-1] not in (*UNITS, *(["m"] if over else [])):
        return None
    return known_unit(ALONE.get(words[-1], words[-1]) + over)

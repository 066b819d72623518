"""Known units of recordings, and their conversion to SI."""

import math
import re
from typing import Literal

from .errors import DataFileError

QuantityName = Literal["time", "position", "velocity", "acceleration", "control", "reading"]

TIME = {
    "s": 1.0,
    "ms": 1e-3,
    "us": 1e-6,
    "µs": 1e-6,
    "ns": 1e-9,
    "min": 60.0,
    "h": 3600.0,
    "d": 86_400.0,
    "yr": 365.25 * 86_400.0,
}
"""Known units of time, in seconds. The year is the Julian year."""

ANGLE = {"rad": 1.0, "mrad": 1e-3, "deg": math.pi / 180, "turn": 2 * math.pi}
"""Known units of angle, in radians."""

LENGTH = {
    "m": 1.0,
    "um": 1e-6,
    "µm": 1e-6,
    "mm": 1e-3,
    "cm": 1e-2,
    "km": 1e3,
    "in": 0.0254,
    "ft": 0.3048,
    "au": 149_597_870_700.0,
}
"""Known units of length, in metres."""

_BASES = ANGLE | LENGTH
_SPELLINGS = {
    "s": ("sec", "secs", "second", "seconds", "sekunde", "sekunden"),
    "ms": ("msec", "millisecond", "milliseconds"),
    "us": ("usec", "microsecond", "microseconds", "\u03bcs"),
    "ns": ("nsec", "nanosecond", "nanoseconds"),
    "min": ("minute", "minutes"),
    "h": ("hr", "hour", "hours"),
    "d": ("day", "days"),
    "yr": ("year", "years"),
    "deg": ("\u00b0", "\u00ba", "\u00e2\u00b0", "degree", "degrees"),  # the third: UTF-8 read as a Western encoding
    "rad": ("radian", "radians"),
    "mrad": ("milliradian", "milliradians"),
    "turn": ("turns", "rev", "revs", "revolution", "revolutions"),
    "m": ("metre", "metres", "meter", "meters"),
    "um": ("micron", "microns", "micrometre", "micrometres", "micrometer", "micrometers", "\u03bcm"),
    "mm": ("millimetre", "millimetres", "millimeter", "millimeters"),
    "cm": ("centimetre", "centimetres", "centimeter", "centimeters"),
    "km": ("kilometre", "kilometres", "kilometer", "kilometers"),
    "in": ("inch", "inches"),
    "ft": ("foot", "feet"),
}
_MEANT = {spelling: unit for unit, spellings in _SPELLINGS.items() for spelling in spellings}
_MEANT |= {unit: unit for unit in (*TIME, *_BASES) if len(unit) > 2}  # in capitals, as RAD: it can be nothing else
_RECIPROCAL = re.compile(r"([^\s*·./]+)[\s*·.]+([^\s*·./\d^-]+)\^?\(?-([12])\)?")
_SUPERSCRIPTS = str.maketrans({"\u00b2": "2", "\u00b9": "1", "\u207b": "-", "\u2212": "-", "\u22c5": "·"})
_KINDS: tuple[QuantityName, ...] = ("position", "velocity", "acceleration")
_MULTIPLE = re.compile(r"(\d+\.?\d*(?:[eE][+-]?\d+)?)(?:/(\d+\.?\d*))?[\s*·]+(\D.*)")
_QUOTIENT = re.compile(r"([^/]+)(?:/([^/\d^]+)(\^?2)?)?")


def si_factor(unit: str, quantity: QuantityName) -> float:
    """The factor that converts a number in `unit` to SI: seconds, metres or radians, and their quotients.

    Velocities are written as `deg/s`, accelerations as `deg/s^2` (or `deg/s2`). Other common spellings are known too:
    `°`, `degrees`, `sec`, `m s^-1`, `m/s²`, `rev/min`.

    A number before the unit multiplies it: `0.09 deg` for the steps of an encoder, `1/30 s` for the images of a video.

    A `reading` of a sensor may have a unit of any of these quantities.

    **Raises:** `DataFileError` for an unknown unit, or a unit of another quantity than `quantity`.
    """
    kind, factor = _parse(unit)
    if quantity not in (kind, "reading"):
        raise DataFileError(f"{unit!r} is a unit of {kind}; expected one of {quantity}")
    return factor


def quantity_of(unit: str) -> QuantityName:
    """What a known unit measures: a time, a position, a velocity or an acceleration.

    **Raises:** `DataFileError` for an unknown unit.
    """
    return _parse(unit)[0]


def measures_angle(unit: str) -> bool:
    """Whether a unit of position, velocity or acceleration is based on angles (not on lengths)."""
    unit = _canonical(unit)
    unit = match[3] if (match := _MULTIPLE.fullmatch(unit)) else unit
    return unit == "rpm" or unit.partition("/")[0] in ANGLE


def known_unit(text: str) -> str | None:
    """The unit in a text, in the spelling of this module, or `None` if it is unknown.

    **Example:** `known_unit("°/sec")` is `"deg/s"`, `known_unit("m s^-2")` is `"m/s^2"`.
    """
    try:
        _parse(text)
    except DataFileError:
        return None
    return _canonical(text)


def _canonical(text: str) -> str:
    """A unit in the spelling of this module, if it is known."""
    text = text.strip().translate(_SUPERSCRIPTS)
    if match := _MULTIPLE.fullmatch(text):
        return f"{match[1]}{f'/{match[2]}' if match[2] else ''} {_canonical(match[3])}"
    if text.casefold() in ("rpm", "r/min", "rev/min", "u/min", "1/min"):
        return "rpm"
    if match := _RECIPROCAL.fullmatch(text):
        text = f"{match[1]}/{match[2]}" + ("^2" if match[3] == "2" else "")
    base, solidus, time = (part.strip() for part in text.partition("/"))
    square = re.fullmatch(r"([^\d^]+)\^?2", time)
    time, power = (square[1], "^2") if square else (time, "")
    base, time = (_MEANT.get(part.casefold(), part) if part not in TIME | _BASES else part for part in (base, time))
    return f"{base}{solidus}{time}{power}"


def _parse(unit: str) -> tuple[QuantityName, float]:
    meant = _canonical(unit)
    if many := _MULTIPLE.fullmatch(meant):
        (quantity, factor), over = _parse(many[3]), float(many[2] or 1)
        if not (float(many[1]) > 0 and over > 0):
            raise DataFileError(f"{unit!r} is not a known unit; expected a positive number before it")
        return quantity, factor * float(many[1]) / over
    match = _QUOTIENT.fullmatch("turn/min" if meant == "rpm" else meant)
    base, time, square = match.groups() if match else (unit, None, None)
    if base in TIME and time is None:
        return "time", TIME[base]
    if base not in _BASES or time not in (None, *TIME):
        raise DataFileError(
            f"{unit!r} is not a known unit; expected {', '.join(TIME)} for times; {', '.join(_BASES)} for positions; "
            f"these per time, as in deg/s, for velocities, or rpm; per squared time, as in deg/s^2, for accelerations"
        )
    power = 0 if time is None else 2 if square else 1
    return _KINDS[power], _BASES[base] / (TIME[time] ** power if time else 1.0)

"""Units in which recordings come, and the SI values they stand for."""

import math
import re
from typing import Literal

Quantity = Literal["time", "position", "velocity", "acceleration", "control"]

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
"""Seconds; the year is Julian."""

ANGLE = {"rad": 1.0, "mrad": 1e-3, "deg": math.pi / 180, "turn": 2 * math.pi}
"""Radians."""

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
"""Metres."""

_BASES = ANGLE | LENGTH
_KINDS: tuple[Quantity, ...] = ("position", "velocity", "acceleration")
_QUOTIENT = re.compile(r"([^/]+)(?:/([^/\d^]+)(\^?2)?)?")


def si_factor(unit: str, quantity: Quantity) -> float:
    """What a number in `unit` is multiplied by to be in SI: seconds, metres or radians, and their quotients.

    Velocities are written `deg/s`, accelerations `deg/s^2` (or `deg/s2`).

    **Raises:** `ValueError` for a unit that is not known, or that measures something else than `quantity`.
    """
    kind, factor = _parse(unit)
    if kind != quantity:
        raise ValueError(f"{unit!r} is a unit of {kind}; expected one of {quantity}")
    return factor


def measures_angle(unit: str) -> bool:
    """Whether a unit of position, velocity or acceleration is one of angles, rather than of lengths."""
    return unit == "rpm" or unit.partition("/")[0] in ANGLE


def _parse(unit: str) -> tuple[Quantity, float]:
    match = _QUOTIENT.fullmatch("turn/min" if unit == "rpm" else unit)
    base, time, square = match.groups() if match else (unit, None, None)
    if base in TIME and time is None:
        return "time", TIME[base]
    if base not in _BASES or time not in (None, *TIME):
        raise ValueError(
            f"{unit!r} is not a known unit; expected {', '.join(TIME)} for times; {', '.join(_BASES)} for positions; "
            f"those per time, as in deg/s, for velocities, or rpm; per squared time, as in deg/s^2, for accelerations"
        )
    power = 0 if time is None else 2 if square else 1
    return _KINDS[power], _BASES[base] / (TIME[time] ** power if time else 1.0)

"""The SI values of units, from their definitions."""

import math

import pytest

from neural_lagrangian.trajectories.units import ANGLE, LENGTH, TIME, known_unit, measures_angle, si_factor

INCH = 0.0254  # by the international agreement of 1959
DAY = 24 * 60 * 60
DEFINITIONS = {
    "time": {
        "s": 1,
        "ms": 1 / 1000,
        "us": 1 / 1000**2,
        "µs": 1 / 1000**2,
        "ns": 1 / 1000**3,
        "min": 60,
        "h": 60 * 60,
        "d": DAY,
        "yr": 365.25 * DAY,  # Julian
    },
    "position": {
        "rad": 1,
        "mrad": 1 / 1000,
        "deg": math.pi / 180,
        "turn": 2 * math.pi,
        "m": 1,
        "um": 1 / 1000**2,
        "µm": 1 / 1000**2,
        "mm": 1 / 1000,
        "cm": 1 / 100,
        "km": 1000,
        "in": INCH,
        "ft": 12 * INCH,
        "au": 149_597_870_700,  # resolution B2 of the IAU, 2012
    },
}


def test_units_are_what_the_conventions_say():
    assert {*DEFINITIONS["time"]} == {*TIME}
    assert {*DEFINITIONS["position"]} == {*ANGLE, *LENGTH}
    for quantity, units in DEFINITIONS.items():
        for unit, value in units.items():
            assert si_factor(unit, quantity) == pytest.approx(value, rel=1e-15), unit
    for unit in DEFINITIONS["position"]:
        assert measures_angle(unit) == (unit in ("rad", "mrad", "deg", "turn"))


def test_velocities_are_per_time():
    assert si_factor("km/h", "velocity") == pytest.approx(1 / 3.6)
    assert si_factor("rpm", "velocity") == pytest.approx(2 * math.pi / 60)
    assert si_factor("au/yr", "velocity") == pytest.approx(4740.47, rel=1e-6)


def test_accelerations_are_per_squared_time():
    assert si_factor("m/min^2", "acceleration") == pytest.approx(1 / 3600)
    assert si_factor("deg/ms^2", "acceleration") == pytest.approx(math.pi / 180 * 1e6)


@pytest.mark.parametrize(
    ("unit", "quantity", "value"),
    [
        ("1/30 s", "time", 1 / 30),
        ("33.3 ms", "time", 0.0333),
        ("0.09 deg", "position", math.radians(0.09)),
        ("2.5e-4*m", "position", 2.5e-4),
        ("0.5 deg/s", "velocity", math.radians(0.5)),
    ],
)
def test_a_number_multiplies_a_unit(unit, quantity, value):
    """For the steps of an encoder and the images of a video."""
    assert si_factor(unit, quantity) == pytest.approx(value, rel=1e-15)
    assert si_factor(known_unit(unit), quantity) == si_factor(unit, quantity)
    assert measures_angle(unit) == ("deg" in unit)


@pytest.mark.parametrize("unit", ["0 s", "1/0 s", "-1 s", "1.5.2 m", "2 3 m", "3"])
def test_other_numbers_are_no_units(unit):
    assert known_unit(unit) is None

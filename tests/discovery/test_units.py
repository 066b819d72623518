r"""No answer depends on units: of coordinates, of time, of the Lagrangian, nor on where the clock was started.

Each case gives its answer as numbers in units of the laboratory, whatever units it was computed in. Units change by
powers of ten between 1e-9 and 1e9.
"""

import functools
import inspect
import warnings

import numpy as np
import pytest

from neural_lagrangian import discovery
from neural_lagrangian.discovery import LagrangianFamily, fit_coefficients

from ..helpers import DOUBLE, slow
from .unit_cases import CASES, LONG
from .units import LARGEST, Units

LARGE = 10.0**LARGEST
CHANGES = {
    "nanometres": Units(lengths=(LARGE, LARGE)),
    "one coordinate of two": Units(lengths=(1 / LARGE, LARGE)),
    "years": Units(time=1 / LARGE),
    "nanoseconds": Units(time=LARGE),
    "heavy": Units(energy=LARGE),
    "light": Units(energy=1 / LARGE),
    "all": Units((LARGE ** (2 / 3), 1 / LARGE), LARGE, LARGE ** (-2 / 3)),
    "clock": Units(clock=2.0**20),
} | {f"drawn {seed}": Units.drawn(seed) for seed in range(10)}


ALWAYS = ("one coordinate of two", "all")


def every_case():
    for case in CASES | LONG:
        always = () if case in LONG else ALWAYS
        yield from ((case, name) if name in always else slow(case, name) for name in CHANGES)


@functools.cache
def in_the_laboratory(case):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", discovery.UndeterminedWarning)
        return (CASES | LONG)[case](Units())


@pytest.mark.parametrize(("case", "change"), list(every_case()))
def test_the_answer_is_the_same(case, change):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", discovery.UndeterminedWarning)
        there = (CASES | LONG)[case](CHANGES[change])
    here = in_the_laboratory(case)
    assert set(there) == set(here)
    for name, value in here.items():
        if isinstance(value, bool | str):
            assert there[name] == value, name
        else:
            assert there[name] == pytest.approx(value, rel=1e-4, abs=1e-8 if DOUBLE else 1e-5), name


def test_every_function_is_in_the_registry():
    functions = {name for name in discovery.__all__ if inspect.isfunction(getattr(discovery, name))}
    assert {name for name in functions if not any(name in case for case in CASES)} == set()


@pytest.mark.double
@pytest.mark.parametrize("tau", [slow(1.0), 5e6, slow(1e-9), slow(1e9)])
def test_a_slow_oscillator_and_a_fast_one(tau):
    """One coefficient from 1e-18 to 1e18, in a family that is not linear in its coefficients too."""
    t = np.linspace(0, 6, 121)
    rows = np.column_stack([np.cos(t), -np.sin(t) / tau])
    linear = LagrangianFamily(lambda t, q, v, *, k: 0.5 * v @ v - 0.5 * k * q @ q, dof=1, k="positive")
    fit = fit_coefficients(linear, t * tau, rows)
    assert fit.converged
    assert float(fit.coefficients["k"]) * tau**2 == pytest.approx(1, rel=1e-6)
    squared = LagrangianFamily(lambda t, q, v, *, w: 0.5 * v @ v - 0.5 * w**2 * q @ q, dof=1, w="positive")
    fit = fit_coefficients(squared, t * tau, rows)
    assert fit.converged
    assert float(fit.coefficients["w"]) * tau == pytest.approx(1, rel=1e-6)

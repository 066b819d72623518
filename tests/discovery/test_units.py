r"""No answer depends on units: of coordinates, of time, of the Lagrangian, nor on where the clock was started.

Each case is in the units of the laboratory and, the same, in others; units change by powers of ten between 1e-9 and
1e9. Not every function of discovery has its case yet.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.discovery import (
    LagrangianFamily,
    Library,
    compare_lagrangians,
    fit_coefficients,
    helmholtz_report,
)

from ..helpers import slow

pytestmark = pytest.mark.double


class Units(NamedTuple):
    """What numbers of the laboratory are multiplied by: lengths of either coordinate, times, the Lagrangian."""

    lengths: tuple[float, float] = (1.0, 1.0)
    time: float = 1.0
    energy: float = 1.0
    clock: float = 0.0

    def times(self, ts):
        return (np.asarray(ts) + self.clock) * self.time

    def rows(self, ys, dof):
        s = np.asarray(self.lengths[:dof])
        return np.asarray(ys) * np.concatenate([s, s / self.time])

    def accelerations(self, a, dof):
        return np.asarray(a) * np.asarray(self.lengths[:dof]) / self.time**2

    def lagrangian(self, L, dof):
        s = jnp.asarray(self.lengths[:dof])
        return lambda t, q, v: self.energy * L(t / self.time, q / s, v * self.time / s)


CHANGES = {
    "nanometres": Units(lengths=(1e9, 1e9)),
    "one coordinate of two": Units(lengths=(1e-9, 1e9)),
    "years": Units(time=1e-9),
    "nanoseconds": Units(time=1e9),
    "heavy": Units(energy=1e9),
    "light": Units(energy=1e-9),
    "all": Units((1e6, 1e-9), 1e9, 1e-6),
    "clock": Units(clock=2.0**20),
}
ALWAYS = ("one coordinate of two", "all")


def changes(*always):
    return [name if name in always else slow(name) for name in CHANGES]


def kinetic(t, q, v, *, m, k, c):
    return 0.5 * v[0] ** 2 + 0.5 * m * v[1] ** 2 - 0.5 * k * q[0] ** 2 - 1.5 * q[1] ** 2 - c * q[0] * q[1]


def coupled(units):
    family = LagrangianFamily(
        lambda t, q, v, **c: units.lagrangian(lambda t, q, v: kinetic(t, q, v, **c), 2)(t, q, v),
        dof=2,
        m="positive",
        k="non-negative",
        c="any",
    )
    return family


def coupled_in_its_own_units(units):
    """The family as a user in those units writes it, whose coefficients have units."""
    s = units.lengths
    one, three = units.energy * units.time**2 / s[0] ** 2, 1.5 * units.energy / s[1] ** 2
    family = LagrangianFamily(
        lambda t, q, v, *, m, k, c: (
            0.5 * one * v[0] ** 2 + 0.5 * m * v[1] ** 2 - 0.5 * k * q[0] ** 2 - three * q[1] ** 2 - c * q[0] * q[1]
        ),
        dof=2,
        m="positive",
        k="non-negative",
        c="any",
    )
    E = units.energy
    return family, {"m": E * units.time**2 / s[1] ** 2, "k": E / s[0] ** 2, "c": E / (s[0] * s[1])}


TRUTH = {"m": 2.0, "k": 4.0, "c": -0.7}
TS = np.linspace(0, 3, 61)


def coupled_motion(count=1, noise=0.0):
    model = coupled(Units()).model(TRUTH, stepsize_controller=nl.StepsPerSample(4), solver=nl.RK4())
    y0s = np.random.default_rng(0).normal(size=(count, 4))
    ys = np.asarray(jax.jit(jax.vmap(model, (None, 0)))(jnp.asarray(TS), jnp.asarray(y0s)))
    return ys + noise * np.random.default_rng(1).normal(size=ys.shape)


@pytest.mark.parametrize("change", changes(*ALWAYS))
def test_coefficients_turn_with_the_units(change):
    units = CHANGES[change]
    rows = coupled_motion(noise=1e-3)[0]
    fits = []
    for u in (Units(), units):
        family, per = coupled_in_its_own_units(u)
        fit = fit_coefficients(family, u.times(TS), u.rows(rows, 2))
        assert fit.converged
        fits.append({n: (float(fit.coefficients[n]) / per[n], float(fit.standard_errors[n]) / per[n]) for n in per})
    for name, (value, error) in fits[0].items():
        assert abs(value - TRUTH[name]) < 5 * error < 0.1
        np.testing.assert_allclose(fits[1][name], (value, error), rtol=1e-5)


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


STATES = np.random.default_rng(0).normal(size=(100, 4))


def alike(t, q, v):
    return kinetic(t, q, v, m=1.0, k=2.0, c=0.3)


def other(t, q, v):
    return kinetic(t, q, v, m=2.0, k=2.0, c=0.3)


def gauged(t, q, v):
    return 2 * alike(t, q, v) + 3 * q[0] ** 2 * v[0]


@pytest.mark.parametrize("name", changes(*ALWAYS))
def test_two_lagrangians_are_compared_the_same(name):
    units = CHANGES[name]
    for second, kind in ((other, "different"), (gauged, "gauge-equivalent")):
        here = compare_lagrangians(alike, second, jnp.asarray(STATES))
        there = compare_lagrangians(
            *(units.lagrangian(L, 2) for L in (alike, second)), jnp.asarray(units.rows(STATES, 2))
        )
        assert here.kind == there.kind == kind
        for field in ("gauge_residual", "acceleration_residual"):
            assert float(getattr(there, field)) == pytest.approx(float(getattr(here, field)), rel=1e-3, abs=1e-9)


@pytest.mark.parametrize("name", changes(*ALWAYS))
def test_a_damped_motion_has_the_same_damping(name):
    units = CHANGES[name]

    def reported(units):
        s = jnp.asarray(units.lengths)
        clock = units.time

        def field(t, q, v):
            x, w = q / s, v * clock / s
            a = -jnp.stack([2 * x[0] + 0.3 * x[1] + 0.2 * w[0], 3 * x[1] + 0.3 * x[0] + 0.2 * w[1]])
            return a * s / clock**2

        return helmholtz_report(field, Library.velocities(2, 2), jnp.asarray(units.rows(STATES, 2)))

    here, there = reported(Units()), reported(units)
    assert here.damping > 0.01
    assert there.damping == pytest.approx(here.damping, rel=1e-3)

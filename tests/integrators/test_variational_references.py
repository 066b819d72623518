"""Known figures of variational solvers: a damped oscillator, and dust spiralling into the sun."""

from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.integrators import RK4, Integration
from neural_lagrangian.systems import DampedOscillator, PoyntingRobertson

from ..helpers import slow

pytestmark = pytest.mark.double


@partial(jax.jit, static_argnums=(1, 4))
def rows(system, solver, ts, y0, substeps):
    return Integration(solver, stepsize_controller=nl.StepsPerSample(substeps)).rollout(system.term(y0), ts, y0)


def energies(system, ys):
    return np.asarray(jax.vmap(lambda y: system.energy(0.0, *jnp.split(y, 2)))(ys))


OSCILLATOR = DampedOscillator(1.0, 1.0, 1e-4)


@cache
def oscillator_errors(solver):
    """Fractional errors of the energy at every tenth of a second for 10 000 s, against the closed form."""
    ts = jnp.arange(100_001.0) * 0.1
    ys = rows(OSCILLATOR, solver, ts, jnp.asarray([1.0, 0.0]), 1)
    t, decay = np.asarray(ts), OSCILLATOR.damping / 2
    w = np.sqrt(1 - decay**2)
    q, v = np.cos(w * t) + decay / w * np.sin(w * t), -np.sin(w * t) / w
    return np.abs(energies(OSCILLATOR, ys) / (0.5 * np.exp(-2 * decay * t) * (q**2 + v**2)) - 1)


@pytest.mark.parametrize(("r", "error"), [(0, 2.5e-3), (1, 3.5e-7), (2, 2.3e-11)])
def test_energy_of_a_damped_oscillator(r, error):
    errors = oscillator_errors(nl.GalerkinGaussLobatto(r))
    assert np.max(errors) == pytest.approx(error, rel=0.1)
    assert np.max(errors[-30_000:]) < 1.1 * np.max(errors[:30_000])


def test_energy_error_of_runge_and_kutta_grows():
    errors = oscillator_errors(RK4())
    assert np.max(errors[-1000:]) > 50 * np.max(errors[:1000])


DUST = PoyntingRobertson()


def periapsis(dust, eccentricity=0.2):
    """The start of an orbit of semi-major axis 1 au."""
    pull = (1 - dust.radiation) * dust.pull
    return jnp.asarray([1 - eccentricity, 0.0, 0.0, jnp.sqrt(pull * (1 + eccentricity) / (1 - eccentricity))])


@cache
def dust(solver, years):
    """Rows every fifth of a year, by steps of a hundredth."""
    return rows(DUST, solver, jnp.arange(5.0 * years + 1) / 5, periapsis(DUST), 20)


def angular_momentum(ys):
    return np.asarray(ys[:, 0] * ys[:, 3] - ys[:, 1] * ys[:, 2])


def dust_error(solver, years):
    """Fractional errors of the energy against a method of order 10."""
    truth = energies(DUST, dust(nl.GalerkinGaussLobatto(4), years))
    return np.abs(energies(DUST, dust(solver, years)) / truth - 1)


DUST_ERRORS = [
    (nl.GalerkinGaussLobatto(0), 1.4e-3),
    (nl.GalerkinGaussLobatto(1), 6.0e-8),
    (nl.GalerkinGaussLobatto(2), 1.24e-11),  # published as 6.7e-11, most of it round-off
]


@pytest.mark.slow
@pytest.mark.parametrize(("solver", "error"), [*DUST_ERRORS, (RK4(), 4.7e-3)], ids=str)
def test_energy_of_dust_over_six_thousand_years(solver, error):
    assert np.max(dust_error(solver, 6000)) == pytest.approx(error, rel=0.1)


@pytest.mark.slow
def test_dust_has_come_nearer_after_six_thousand_years():
    ys = dust(nl.GalerkinGaussLobatto(4), 6000)
    E, L = energies(DUST, ys), angular_momentum(ys)
    assert E[-1] / E[0] == pytest.approx(1.1126917, abs=1e-7)
    assert L[-1] / L[0] - 1 == pytest.approx(-4.7717e-2, abs=1e-6)


@pytest.mark.parametrize(("solver", "error"), [slow(*DUST_ERRORS[0]), *DUST_ERRORS[1:]], ids=str)
def test_energy_of_dust_is_within_those_bounds_from_the_start(solver, error):
    assert error / 3 < np.max(dust_error(solver, 300)) < error


def test_runge_and_kutta_lose_the_dust():
    errors = dust_error(RK4(), 300)
    assert np.max(errors[-300:]) > 3 * np.max(errors[:300])


def test_angular_momentum_falls_at_the_rate_of_the_drag():
    r"""By $\beta \mu / c$ for each radian that the grain goes round."""
    ys = dust(nl.GalerkinGaussLobatto(2), 300)
    L, angle = angular_momentum(ys), np.unwrap(np.arctan2(ys[:, 1], ys[:, 0]))
    rate = DUST.radiation * DUST.pull / DUST.light_speed
    np.testing.assert_allclose(L - L[0], -rate * (angle - angle[0]), rtol=0, atol=1e-11)


def test_angular_momentum_is_conserved_without_drag():
    free = PoyntingRobertson(radiation=0.0)
    ys = rows(free, nl.GalerkinGaussLobatto(2), jnp.arange(301.0), periapsis(free), 100)
    L = angular_momentum(ys)
    assert np.max(np.abs(L / L[0] - 1)) < 1e-12
    runge_kutta = angular_momentum(rows(free, RK4(), jnp.arange(301.0), periapsis(free), 100))
    assert np.max(np.abs(runge_kutta / L[0] - 1)) > 1e-6

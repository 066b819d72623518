"""Which fields of accelerations are Lagrangian, and what acts where they are not."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.discovery import Library, helmholtz_report
from neural_lagrangian.systems import DampedOscillator

from ..helpers import slow
from .cases import CASES

pytestmark = pytest.mark.double
FLAT = Library.velocities(2, 2)


def random_states(dof, count=100, seed=0):
    return jnp.asarray(np.random.default_rng(seed).normal(size=(count, 2 * dof)))


def oscillator(damping=0.0, curl=0.0, field=0.0):
    """Two coupled oscillators of masses 1 and 3 with damping of the second, a positional curl, a magnetic field."""
    mass, K = jnp.array([1.0, 3.0]), jnp.array([[2.0, 0.5], [0.5, 1.0]])
    turn = jnp.array([[0.0, -1.0], [1.0, 0.0]])

    def acceleration(t, q, v):
        force = -K @ q - jnp.array([0.0, damping]) * v + curl * turn @ q + field * turn @ v
        return force / mass

    return acceleration


@pytest.mark.parametrize("name", [slow("spring pendulum"), "double pendulum", slow("charged particle")])
def test_the_conditions_hold_for_lagrangian_systems(name):
    case = CASES[name]
    states = jnp.asarray(case.motion().ys.reshape(-1, 4)[::20])
    report = helmholtz_report(case.system.acceleration, case.library, states)
    assert report.violation < 1e-3
    masses = jax.vmap(lambda y: nl.mass_matrix(case.system.lagrangian, 0.0, *jnp.split(y, 2)))(states)
    ratio = report.M / np.asarray(masses)[:, :1, :1]
    if name != "charged particle":
        np.testing.assert_allclose(ratio, ratio[0, 0, 0] * masses / masses[:, :1, :1], atol=1e-3 * abs(ratio).max())


def test_coupled_masses_are_found():
    """A coupling fixes the ratio of the masses, a magnetic field does not spoil it."""
    report = helmholtz_report(oscillator(field=0.4), FLAT, random_states(2))
    assert report.violation < 1e-6
    assert report.coefficients["v1^2"] / report.coefficients["v0^2"] == pytest.approx(3, rel=1e-5)
    assert report.coefficients["v0 v1"] == pytest.approx(0, abs=1e-6)


def test_damping_shows_and_where():
    report = helmholtz_report(oscillator(damping=0.3), FLAT, random_states(2))
    assert report.damping > 0.03
    D = report.D.mean(axis=0) / report.M.mean(axis=0)[0, 0]
    assert D[1, 1] > 10 * abs(D[0, 0])
    system = DampedOscillator(damping=0.2)
    report = helmholtz_report(system.acceleration, Library.velocities(1, 2), random_states(1))
    np.testing.assert_allclose(report.D[:, 0, 0] / report.M[:, 0, 0], 0.2, rtol=1e-6)
    v, a = 1.0, (1 + 0.2**2) ** 0.5  # of independent unit q and v, a = -q - 0.2 v
    assert report.dissipative_share == pytest.approx(0.2 * v / a, rel=0.2)
    assert "damping is" in str(report)


def test_curl_shows():
    """A swirl whose strength depends on the place is conservative for no constant mass matrix."""

    def swirl(strength):
        return lambda t, q, v: -q - 0.3 * q**3 + strength * jnp.dot(q, q) * jnp.stack([-q[1], q[0]])

    none, some = (helmholtz_report(swirl(c), FLAT, random_states(2)) for c in (0.0, 0.5))
    assert none.violation < 1e-6
    assert some.curl > 0.05
    assert some.damping < 1e-6


def test_a_linear_swirl_is_lagrangian_with_an_indefinite_mass():
    """q'' = -K q has L = (v M v - q M K q) / 2 for the symmetric M that makes M K symmetric."""
    report = helmholtz_report(oscillator(curl=2.0), FLAT, random_states(2))
    assert report.violation < 1e-6
    assert not report.definite
    assert helmholtz_report(oscillator(), FLAT, random_states(2)).definite


def test_a_motion_that_conserves_only_one_coordinate():
    """A singular mass matrix that does not see the damped one is no way out."""

    def acceleration(t, q, v):
        return -q - jnp.array([0.0, 0.5]) * v

    assert helmholtz_report(acceleration, FLAT, random_states(2)).damping > 0.1


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: helmholtz_report(oscillator(), Library.coordinates(2, 2), random_states(2)), "no term with a mass"),
        (lambda: helmholtz_report(oscillator(), FLAT, random_states(1)), "2 columns; expected 4"),
        (lambda: helmholtz_report(lambda t, q, v: q / 0.0, FLAT, random_states(2)), "not finite"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.mechanics.legendre import velocity_from_momentum
from neural_lagrangian.systems import DoublePendulum

from ..helpers import DOUBLE, DTYPE, LAGRANGIANS, double_pendulum, states

RTOL = 1e-11 if DOUBLE else 1e-4


def test_energy_of_the_double_pendulum_is_kinetic_plus_potential():
    t, q, v = states(2, 100)
    system = DoublePendulum((1.0, 1.4), (0.8, 1.1), 9.81)
    ours = jax.vmap(lambda *x: nl.energy(double_pendulum, *x))(t, q, v)
    np.testing.assert_allclose(ours, jax.vmap(system.energy)(t, q, v), rtol=RTOL, atol=RTOL)


@pytest.mark.parametrize("name", ["oscillator", "double_pendulum", "oscillators_5"])
def test_momentum_is_mass_times_velocity_for_natural_systems(name):
    lagrangian, dof = LAGRANGIANS[name]
    t, q, v = (x[0] for x in states(dof, 1))
    M = nl.mass_matrix(lagrangian, t, q, v)
    np.testing.assert_allclose(nl.momentum(lagrangian, t, q, v), M @ v, rtol=RTOL)
    np.testing.assert_allclose(M, M.T, rtol=RTOL, atol=RTOL)


def test_energy_ignores_gyroscopic_terms():
    """A term linear in the velocities changes the momentum, never the energy."""
    t, q, v = (x[0] for x in states(2, 1))

    def gauged(t, q, v):
        return double_pendulum(t, q, v) + jnp.sin(q[1]) * v[0]

    np.testing.assert_allclose(nl.energy(gauged, t, q, v), nl.energy(double_pendulum, t, q, v), rtol=RTOL)
    assert nl.momentum(gauged, t, q, v)[0] != nl.momentum(double_pendulum, t, q, v)[0]


@pytest.mark.parametrize("name", LAGRANGIANS)
def test_velocity_from_momentum_is_the_inverse_of_momentum(name):
    """Of the charged particle's quartic and gauged Lagrangian too."""
    lagrangian, dof = LAGRANGIANS[name]
    t, q, v = states(dof, 20)

    def there_and_back(t, q, v):
        return velocity_from_momentum(lagrangian, t, q, nl.momentum(lagrangian, t, q, v))

    np.testing.assert_allclose(jax.jit(jax.vmap(there_and_back))(t, q, v), v, rtol=RTOL, atol=RTOL)


@pytest.mark.double
def test_derivative_of_the_velocity_is_the_inverse_mass_matrix():
    lagrangian, dof = LAGRANGIANS["charged_particle"]
    t, q, v = (x[0] for x in states(dof, 1))
    p = nl.momentum(lagrangian, t, q, v)
    inverse = jax.jit(jax.jacrev(lambda p: velocity_from_momentum(lagrangian, t, q, p)))(p)
    np.testing.assert_allclose(inverse @ nl.mass_matrix(lagrangian, t, q, v), jnp.eye(dof), rtol=0, atol=1e-12)


def test_of_two_velocities_the_one_near_the_guess_is_found():
    """$p = v^3 - v$ is met three times at p = 0."""

    def double_well(t, q, v):
        return v[0] ** 4 / 4 - v[0] ** 2 / 2

    zero = jnp.zeros(1, DTYPE)
    near = jax.jit(lambda guess: velocity_from_momentum(double_well, 0.0, zero, zero, guess=guess))
    for v in (-1.0, 0.0, 1.0):
        np.testing.assert_allclose(near(jnp.full(1, v + 0.1, DTYPE)), [v], atol=RTOL)


def test_no_velocity_is_nan():
    """A singular mass matrix, and a momentum out of reach."""
    q = jnp.zeros(2, DTYPE)

    def light(t, q, v):
        return jnp.sum(jnp.sqrt(1 + v**2))

    for lagrangian, p in ((lambda t, q, v: v[0] ** 2, 1.0), (light, 1.5)):
        assert jnp.all(jnp.isnan(velocity_from_momentum(lagrangian, 0.0, q, jnp.full(2, p, DTYPE))))
    assert jnp.all(jnp.isfinite(velocity_from_momentum(light, 0.0, q, jnp.full(2, 0.5, DTYPE))))


@pytest.mark.bad_input
def test_a_guess_of_another_shape_is_named():
    with pytest.raises(ValueError, match="`guess` has shape"):
        velocity_from_momentum(double_pendulum, 0.0, jnp.zeros(2), jnp.zeros(2), guess=jnp.zeros(3))

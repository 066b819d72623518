"""The parts of a torque: each is what its name says, and they add up to the torque."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.mechanics import inverse_dynamics, torque_parts

from ..helpers import DOUBLE, DTYPE, LAGRANGIANS, double_pendulum, states

RTOL = 1e-10 if DOUBLE else 1e-3


def friction(t, q, v):
    return -0.3 * v * jnp.abs(v)


@pytest.mark.parametrize("name", ["double_pendulum", "charged_particle"])
def test_they_add_up(name):
    lagrangian, dof = LAGRANGIANS[name]
    t, q, v = (x[0] for x in states(dof, 1))
    a = jnp.arange(1.0, dof + 1, dtype=DTYPE)
    parts = jax.jit(lambda: torque_parts(lagrangian, t, q, v, a, force=friction))()
    total = inverse_dynamics(lagrangian, t, q, v, a, force=friction)
    np.testing.assert_allclose(sum(parts), total, rtol=RTOL, atol=RTOL)
    np.testing.assert_allclose(parts.inertial, nl.mass_matrix(lagrangian, t, q, v) @ a, rtol=RTOL, atol=RTOL)


def test_they_are_what_they_are_called():
    """Gravity is there at rest, Coriolis forces are quadratic in the velocities, friction is the force reversed."""
    t, q, v = (x[0] for x in states(2, 1))
    a = jnp.ones(2, DTYPE)
    parts, twice = (torque_parts(double_pendulum, t, q, k * v, a, force=friction) for k in (1, 2))
    slope = -jax.grad(double_pendulum, 1)(t, q, jnp.zeros(2, DTYPE))
    np.testing.assert_allclose(parts.gravity, slope, rtol=RTOL, atol=RTOL)
    np.testing.assert_allclose(twice.coriolis, 4 * parts.coriolis, rtol=RTOL, atol=RTOL)
    np.testing.assert_allclose(parts.force, -friction(t, q, v), rtol=RTOL)
    np.testing.assert_array_equal(twice.gravity, parts.gravity)
    assert np.max(np.abs(parts.coriolis)) > 1e-2

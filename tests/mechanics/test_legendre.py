import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl

from ..helpers import DOUBLE, LAGRANGIANS, double_pendulum, states

RTOL = 1e-11 if DOUBLE else 1e-4


def test_energy_of_the_double_pendulum_is_kinetic_plus_potential():
    t, q, v = states(2, 100)
    system = nl.systems.DoublePendulum((1.0, 1.4), (0.8, 1.1), 9.81)
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

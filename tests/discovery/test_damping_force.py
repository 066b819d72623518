"""The force of a damping matrix is -D v for every D that is positive semidefinite, in any units."""

import jax.numpy as jnp
import numpy as np
import pytest

from neural_lagrangian.discovery.found import damping_force

pytestmark = pytest.mark.double


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("unit", [1.0, 1e-9, 1e6])
def test_the_force_is_that_of_the_matrix(rank, unit):
    rng = np.random.default_rng(rank)
    half, scale = rng.normal(size=(3, rank)), np.array([1.0, unit, 1.0])
    D = half @ half.T * np.outer(scale, scale)
    force = damping_force(D, float)
    v = jnp.asarray(rng.normal(size=3) / scale)
    np.testing.assert_allclose(force.damping_matrix(v, v) / np.outer(scale, scale), half @ half.T, atol=1e-12)
    np.testing.assert_allclose(force(0.0, jnp.zeros(3), v) / scale, -D @ v / scale, atol=1e-12)


def test_what_drives_is_left_out():
    D = np.array([[2.0, 0.0], [0.0, -3.0]])
    np.testing.assert_allclose(damping_force(D, float).damping_matrix(jnp.zeros(2), jnp.zeros(2)), [[2, 0], [0, 0]])

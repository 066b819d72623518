"""Initial states are drawn from the sets that the systems describe."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from neural_lagrangian.systems import NBody
from neural_lagrangian.systems.sampling import box, orbits

COUNT = 2000


def test_a_box_is_filled_on_both_sides():
    drawn = np.asarray(box(jax.random.key(0), COUNT, [1.0, 0.1, 30.0])) / [1.0, 0.1, 30.0]
    np.testing.assert_allclose(drawn.min(axis=0), -1, atol=0.01)
    np.testing.assert_allclose(drawn.max(axis=0), 1, atol=0.01)
    np.testing.assert_allclose(drawn.mean(axis=0), 0, atol=5 / np.sqrt(3 * COUNT))  # five standard errors
    assert np.abs(np.corrcoef(drawn.T) - np.eye(3)).max() < 5 / np.sqrt(COUNT)


def test_orbits_have_the_elements_asked_for():
    """Semi-major axis within a fifth of the size, eccentricity up to the one given, counter-clockwise, any phase."""
    pull, size, most = 3.0, 2.0, 0.6
    x, y, u, w = np.asarray(orbits(jax.random.key(0), COUNT, pull, size=size, eccentricity=most)).T
    r, momentum = np.hypot(x, y), x * w - y * u
    axis = 1 / (2 / r - (u**2 + w**2) / pull)
    eccentricity = np.sqrt(np.maximum(1 - momentum**2 / (pull * axis), 0))
    assert np.all(momentum > 0)
    for found, low, high in ((axis / size, 0.8, 1.2), (eccentricity, 0.0, most)):
        np.testing.assert_allclose([found.min(), found.max()], [low, high], atol=0.02)
    anomaly = np.sign(x * u + y * w)  # outward or inward
    assert abs(anomaly.mean()) < 0.1
    assert abs(np.mean(x / r)) < 0.1


def test_bodies_stay_where_they_are_as_a_whole():
    system = NBody((1.0, 2.0, 0.5), gravity=1.3, dimension=3)
    for y in system.sample_states(jax.random.key(0), 5):
        conserved = system.invariants(0.0, *jnp.split(y, 2))
        for i in range(3):
            assert float(conserved[f"momentum_{i}"]) == pytest.approx(0, abs=1e-5)
            assert float(conserved[f"initial_center_{i}"]) == pytest.approx(0, abs=1e-5)

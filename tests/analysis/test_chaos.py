import jax
import jax.numpy as jnp
import numpy as np
import pytest

from neural_lagrangian import analysis
from neural_lagrangian.systems import DoublePendulum

pytestmark = pytest.mark.double


class Saddle(DoublePendulum):
    """q'' = 4 q in two coordinates: disturbances grow as exp(2 t)."""

    def acceleration(self, t, q, v):
        return 4 * q


@pytest.mark.slow
def test_of_a_saddle_and_of_a_regular_motion():
    ts = jnp.linspace(0.0, 6.0, 25)
    y0 = jnp.zeros(4)
    estimate = analysis.lyapunov_exponent(Saddle(), ts, y0, jax.random.key(0))
    np.testing.assert_allclose(jnp.diff(estimate.running * ts[1:])[-5:] / 0.25, 2.0, rtol=1e-6)
    np.testing.assert_allclose(estimate.time, 1 / estimate.exponent)
    regular = analysis.lyapunov_exponent(DoublePendulum(), ts, y0 + 0.01, jax.random.key(0))
    assert abs(regular.exponent) < 0.5


@pytest.mark.slow
def test_against_two_neighbouring_motions():
    """The growth of a small difference over a few seconds of chaos, in units of the root mean square of the motion."""
    system, ts = DoublePendulum(), jnp.linspace(0.0, 8.0, 41)
    y0 = jnp.asarray([2.0, 2.5, 0.0, 0.0])
    a = jnp.abs(system.acceleration(0.0, *jnp.split(y0, 2)))
    w = jax.random.normal(jax.random.key(3), (4,)) * jnp.concatenate([y0[:2] + a * ts[1] ** 2, a * ts[1]])
    near = analysis.rollouts(system, ts, jnp.stack([y0, y0 + 1e-8 * w]))
    apart = jnp.linalg.norm((near[1] - near[0]) / jnp.sqrt(jnp.mean(near[0, 1:] ** 2, axis=0))[None], axis=1)
    growth = jnp.log(apart[-1] / apart[0]) / 8.0
    estimate = analysis.lyapunov_exponent(system, ts, y0, jax.random.key(3))
    np.testing.assert_allclose(estimate.exponent, growth, rtol=1e-2)
    assert estimate.exponent > 0.5

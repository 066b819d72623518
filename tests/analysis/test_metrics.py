import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian import analysis

from ..helpers import DTYPE

TS = jnp.linspace(0.0, 10.0, 1001).astype(DTYPE)


def swings(amplitude=1.0, lag=0.0, frequency=2.0):
    q = amplitude * jnp.sin(frequency * TS - lag)
    return jnp.stack([q, amplitude * frequency * jnp.cos(frequency * TS - lag)], axis=1)[None]


def test_angle_rmse_wraps_and_counts_failures_as_pi():
    truth = swings()
    shifted = truth + jnp.asarray([2 * jnp.pi + 0.1, 0.0], DTYPE)[None, None]
    failed = truth.at[:, 700:].set(jnp.inf)
    np.testing.assert_allclose(analysis.angle_rmse(shifted, truth, TS, [5.0, 10.0]), 0.1, rtol=1e-3)
    np.testing.assert_allclose(analysis.angle_rmse(failed, truth, TS, [5.0, 10.0])[:, 0], [0.0, jnp.pi], rtol=1e-6)


def test_energy_error_is_the_largest_so_far():
    grown = swings() * jnp.where(TS < 6, 1.0, 1.1).astype(DTYPE)[None, :, None]
    error = analysis.energy_error(lambda t, q, v: 2 * q[0] ** 2 + 0.5 * v[0] ** 2, grown, TS, 2.0, at=[5.0, 10.0])
    np.testing.assert_allclose(error[:, 0], [0.0, 0.21], atol=1e-5)
    lost = grown.at[:, -1].set(jnp.nan)
    assert jnp.isinf(analysis.energy_error(lambda t, q, v: q[0], lost, TS, 1.0, at=[10.0]))


def test_valid_time_is_the_first_departure():
    drifting = swings() + jnp.stack([0.01 * TS, 0 * TS], axis=1)[None]
    assert float(analysis.valid_time(drifting, swings(), TS, tolerance=0.05)[0]) == pytest.approx(5.0, abs=0.02)
    assert float(analysis.valid_time(swings(), swings(), TS)[0]) == pytest.approx(10.0)
    assert float(analysis.valid_time(swings() * jnp.nan, swings(), TS)[0]) == 0.0


@pytest.mark.parametrize("degrees", [-20.0, 0.5, 10.0])
def test_phase_shift_is_that_of_a_shifted_sine(degrees):
    shift = analysis.phase_shift(swings(lag=-np.deg2rad(degrees)), swings(amplitude=0.7))
    assert float(shift[0, 0]) == pytest.approx(degrees, abs=0.05)


@pytest.mark.double
def test_perturbation_floor_starts_at_its_size_and_grows():
    system = nl.systems.DoublePendulum()
    ts = jnp.linspace(0.0, 5.0, 6)
    y0s = system.sample_states(jax.random.key(0), 2, limit=2.0)
    floor = analysis.perturbation_floor(system, ts, y0s, jax.random.key(1))
    distance = jnp.linalg.norm(floor - analysis.rollouts(system, ts, y0s), axis=-1)
    np.testing.assert_allclose(distance[:, 0], 1e-4, rtol=1e-6)
    assert jnp.all(distance.max(axis=1) > 1.5e-4)

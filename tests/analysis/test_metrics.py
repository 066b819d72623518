import jax
import jax.numpy as jnp
import numpy as np
import pytest

from neural_lagrangian import analysis
from neural_lagrangian.systems import DoublePendulum

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


def test_valid_time_is_the_first_departure():
    drifting = swings() + jnp.stack([0.01 * TS, 0 * TS], axis=1)[None]
    assert float(analysis.valid_time(drifting, swings(), TS, tolerance=0.05)[0]) == pytest.approx(5.0, abs=0.02)
    assert float(analysis.valid_time(swings(), swings(), TS)[0]) == pytest.approx(10.0)
    assert float(analysis.valid_time(swings() * jnp.nan, swings(), TS)[0]) == 0.0


@pytest.mark.double
def test_perturbation_floor_starts_at_its_size_and_grows():
    system = DoublePendulum()
    ts = jnp.linspace(0.0, 5.0, 6)
    y0s = system.sample_states(jax.random.key(0), 2, limit=2.0)
    floor = analysis.perturbation_floor(system, ts, y0s, jax.random.key(1))
    distance = jnp.linalg.norm(floor - analysis.rollouts(system, ts, y0s), axis=-1)
    np.testing.assert_allclose(distance[:, 0], 1e-4, rtol=1e-6)
    assert jnp.all(distance.max(axis=1) > 1.5e-4)


def test_relative_rollout_error_is_a_geometric_mean_over_time():
    truth = swings()
    np.testing.assert_allclose(analysis.relative_rollout_error(1.02 * truth, truth, TS), 0.02 / 2.02, rtol=1e-4)
    np.testing.assert_allclose(analysis.relative_rollout_error(jnp.nan * truth, truth, TS), 1.0)
    growing = truth * (1 + 1e-4 * jnp.exp(TS / 2)[None, :, None])
    expected = np.exp(np.mean(np.log(1e-4) + np.asarray(TS) / 2)) / 2
    np.testing.assert_allclose(analysis.relative_rollout_error(growing, truth, TS), expected, rtol=2e-2)


def test_a_summary_counts_failures_as_the_worst():
    summary = analysis.summarize(jnp.asarray([1.0, 2.0, 3.0, 4.0, jnp.nan]))
    assert (summary.median, summary.failures, summary.count) == (3.0, 1, 5)
    assert str(summary) == "3 (2 to 4; 5, 1 failed)"
    assert np.isinf(analysis.summarize([np.inf, np.inf, 1.0]).median)
    with pytest.raises(ValueError, match="`values` is empty"):
        analysis.summarize([])

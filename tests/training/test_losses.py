import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl

from ..helpers import DTYPE, small_network

TS = jnp.linspace(0.0, 0.4, 5).astype(DTYPE)


def test_trajectory_mse_is_zero_on_the_model_s_own_motion():
    model = nl.NeuralLagrangian(small_network())
    ys = model(TS, jnp.asarray([0.1, 0.2, 0.3, 0.4], DTYPE))
    np.testing.assert_allclose(nl.trajectory_mse(model, TS, ys), 0, atol=1e-12)
    shifted = ys.at[1:].add(0.5)
    assert float(nl.trajectory_mse(model, TS, shifted)) == pytest.approx(0.25, rel=1e-5)


def test_any_callable_is_a_rollout_model():
    ys = jnp.ones((5, 2), DTYPE)
    assert float(nl.trajectory_mse(lambda ts, y0: jnp.zeros((5, 2), DTYPE), TS, ys)) == 1.0


def test_acceleration_mse_is_the_mean_square():
    model = nl.NeuralODE(lambda y: y[2:] * 0)
    accelerations = jnp.asarray(np.arange(10.0).reshape(5, 2), DTYPE)
    ys = jnp.ones((5, 4), DTYPE)
    assert float(nl.acceleration_mse(model, TS, ys, accelerations)) == pytest.approx(np.mean(np.arange(10.0) ** 2))
    with pytest.raises(ValueError, match=r"`accelerations` has shape \(5, 1\); expected \(5, 2\)"):
        nl.acceleration_mse(model, TS, ys, accelerations[:, :1])

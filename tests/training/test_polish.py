import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.datasets import add_noise
from neural_lagrangian.integrators import RK4
from neural_lagrangian.lagrangians import ParametricLagrangian
from neural_lagrangian.systems import Pendulum
from neural_lagrangian.training import polish

from ..helpers import small_network
from .killed import data

pytestmark = [pytest.mark.double, pytest.mark.optax, pytest.mark.bad_input]


class Spring(eqx.Module):
    k: jax.Array
    rest: jax.Array

    def __call__(self, y):
        return -self.k * (y[:1] - self.rest)


def test_the_coefficients_of_a_formula_come_out_to_many_digits():
    start = nl.NeuralODE(Spring(jnp.asarray(0.7), jnp.asarray(0.2)), stepsize_controller=nl.StepsPerSample(2))
    result = polish(start, data(), steps=30)
    assert float(result.model.network.k) == pytest.approx(1.0, abs=1e-6)  # as near as the steps are
    assert float(result.model.network.rest) == pytest.approx(0.0, abs=1e-6)
    assert result.loss[-1] < 1e-10 * result.loss[0]
    assert result.model.integration == start.integration


def test_states_are_estimated_where_the_recorded_ones_are_noisy():
    """Eight oscillators with 5 % of noise, each one window: the beginnings come out, and not without."""
    clean = data()
    noisy = add_noise(clean, relative=0.05, key=jax.random.key(0))
    start = nl.NeuralODE(Spring(jnp.asarray(0.9), jnp.asarray(0.0)), stepsize_controller=nl.StepsPerSample(1))
    plain = polish(start, noisy, steps=30, horizon=30)
    result = polish(start, noisy, steps=30, horizon=30, states=noisy.ys)
    assert result.loss[-1] < 0.6 * plain.loss[-1]
    noise, left = (np.abs(ys[:, 0] - clean.ys[:, 0]).mean() for ys in (noisy.ys, result.states))
    assert left < 0.4 * noise
    np.testing.assert_array_equal(result.states[:, 1:], noisy.ys[:, 1:])  # this loss asks only where windows begin
    assert float(result.model.network.k) == pytest.approx(1.0, abs=0.02)  # three of its standard errors


@pytest.mark.slow
def test_a_network_gains_what_stochastic_steps_do_not():
    model = nl.fit(nl.NeuralODE(small_network(1, 8, out=1)), data(), steps=100, horizon=4, key=jax.random.key(0)).model
    result = polish(model, data(), steps=100, horizon=4)
    assert np.min(result.loss) < 0.1 * result.loss[0]
    assert len(result.loss) == 101
    again = polish(result.model, data(), steps=1, horizon=4)
    assert again.loss[0] == pytest.approx(np.min(result.loss), rel=1e-9)  # the best of them is returned


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"horizon": (2, 4)}, r"`horizon` is \(2, 4\); expected one number"),
        ({"windows": 0}, "`windows` is 0"),
        ({"steps": 0}, "`steps` is 0"),
    ],
)
def test_bad_options_are_named(keywords, message):
    with pytest.raises(ValueError, match=message):
        polish(nl.NeuralODE(Spring(jnp.asarray(0.7), jnp.asarray(0.2))), data(), **keywords)


def test_a_model_that_diverges_is_to_be_trained_first():
    lost = nl.NeuralODE(Spring(jnp.asarray(jnp.nan), jnp.asarray(0.2)))
    with pytest.raises(ValueError, match="the loss of `model` is not finite"):
        polish(lost, data(), steps=2)


def test_a_second_call_compiles_nothing():
    start = nl.NeuralODE(Spring(jnp.asarray(0.7), jnp.asarray(0.2)), stepsize_controller=nl.StepsPerSample(2))
    traces = []

    def counted(model, window):
        traces.append(len(window.ts))
        return nl.trajectory_mse(model, window)

    polish(start, data(), loss=counted, steps=2)
    once = len(traces)
    polish(start, data(), loss=counted, steps=2)
    assert once == len(traces)


@pytest.mark.double
def test_steps_of_a_training_go_by_time():
    """The true Lagrangian, on a recording with one interval of six among others of one: as right as elsewhere."""
    pendulum = Pendulum()
    every = np.arange(0.0, 4.0, 0.05)
    ts = np.delete(every, np.arange(31, 36))

    def loss_of_the_truth(ts):
        model = nl.NeuralLagrangian(ParametricLagrangian(scaled_truth(pendulum), dof=1, scale=1.0), RK4())
        motion = nl.simulate(pendulum, ts, jnp.asarray([[1.2, 0.5]]))
        return polish(model, motion, steps=1, horizon=8).loss[0]

    even, uneven = loss_of_the_truth(every), loss_of_the_truth(ts)
    assert uneven < 3 * even


def scaled_truth(system):
    return lambda t, q, v, *, scale: scale * system.lagrangian(t, q, v)

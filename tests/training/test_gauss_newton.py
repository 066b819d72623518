import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.training import acceleration_residual, gauss_newton, polish, trajectory_residual, weighted

from ..helpers import small_network
from .killed import data
from .test_polish import Spring

pytestmark = [pytest.mark.double, pytest.mark.optax, pytest.mark.bad_input]


def spring(k, rest=0.2):
    return nl.NeuralODE(Spring(jnp.asarray(k), jnp.asarray(rest)), stepsize_controller=nl.StepsPerSample(2))


def test_it_converges_quadratically_where_the_residual_vanishes():
    """Two coefficients from far off: some six steps, where a linear method would gain a digit a step at best."""
    residual = weighted(trajectory_residual, position=2.0)
    result = gauss_newton(spring(0.3), data(), residual=residual, steps=8, windows=32)
    assert float(result.model.network.k) == pytest.approx(1.0, abs=1e-6)  # as near as the steps are
    assert float(result.model.network.rest) == pytest.approx(0.0, abs=1e-6)
    assert result.loss.shape == (9,)
    assert np.all(np.diff(result.loss) <= 0)
    assert result.model.integration == spring(0.3).integration


def test_a_linear_residual_takes_one_undamped_step():
    """Accelerations are linear in stiffness and load, and least squares has a closed solution."""

    class Line(Spring):
        def __call__(self, y):
            return -self.k * y[:1] + self.rest

    motion = nl.simulate(nl.systems.HarmonicOscillator(), data().ts[0], data().ys[:, 0], accelerations=True)
    noisy = nl.Trajectories(
        motion.ts, motion.ys, accelerations=motion.accelerations + 0.1 * np.sin(37 * motion.ys[..., :1])
    )
    start = nl.NeuralODE(Line(jnp.asarray(0.3), jnp.asarray(0.2)))
    result = gauss_newton(start, noisy, residual=acceleration_residual, steps=12, horizon=0, windows=10_000)
    rows = noisy.ys.reshape(-1, 2)
    closed = np.linalg.lstsq(np.stack([-rows[:, 0], np.ones(len(rows))], 1), noisy.accelerations.ravel(), rcond=None)[0]
    assert float(result.model.network.k) == pytest.approx(closed[0], abs=1e-9)
    assert float(result.model.network.rest) == pytest.approx(closed[1], abs=1e-9)


@pytest.mark.slow
def test_a_network_comes_lower_than_by_first_derivatives():
    model = nl.fit(nl.NeuralODE(small_network(1, 8, out=1)), data(), steps=60, horizon=4, key=jax.random.key(0)).model
    settings = {"horizon": 4, "windows": 16, "steps": 20}
    result = gauss_newton(model, data(), **settings)
    assert result.loss[-1] < 0.5 * polish(model, data(), **settings).loss.min()
    again = gauss_newton(result.model, data(), **settings | {"steps": 1})
    assert again.loss[0] == pytest.approx(result.loss[-1], rel=1e-9)


def test_steps_that_diverge_are_not_taken():
    """Beyond a stiffness of some hundreds one step of Runge and Kutta a sample overflows."""

    class Exponential(Spring):
        def __call__(self, y):
            return -jnp.exp(jnp.exp(self.k)) * (y[:1] - self.rest)

    start = nl.NeuralODE(Exponential(jnp.asarray(-4.0), jnp.asarray(0.0)), stepsize_controller=nl.StepsPerSample(1))
    result = gauss_newton(start, data(), steps=20, windows=32)
    assert np.all(np.isfinite(result.loss))
    assert np.all(np.diff(result.loss) <= 0)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"horizon": (2, 4)}, r"`horizon` is \(2, 4\); expected one number"),
        ({"steps": 0}, "`steps` is 0; expected a positive integer"),
        ({"windows": 0}, "`windows` is 0; expected a positive integer"),
    ],
)
def test_bad_arguments_are_named(keywords, message):
    with pytest.raises(ValueError, match=message):
        gauss_newton(spring(0.7), data(), **keywords)


def test_what_it_cannot_do_is_said(monkeypatch):
    with pytest.raises(ValueError, match="not finite to begin with"):
        gauss_newton(spring(jnp.nan), data(), steps=1)
    monkeypatch.setattr(sys.modules[gauss_newton.__module__], "LARGEST", 1)
    with pytest.raises(ValueError, match="has 2 weights; expected at most 1, or `polish`"):
        gauss_newton(spring(0.7), data())

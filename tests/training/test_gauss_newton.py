import sys

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize

import neural_lagrangian as nl
from neural_lagrangian.systems import HarmonicOscillator
from neural_lagrangian.training import (
    acceleration_residual,
    gauss_newton,
    jacobians,
    polish,
    trajectory_residual,
    weighted,
)
from neural_lagrangian.trajectories import Windows

from ..helpers import slow, small_network
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

    motion = nl.simulate(HarmonicOscillator(), data().ts[0], data().ys[:, 0], accelerations=True)
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
    with pytest.raises(ValueError, match="the loss of `model` is not finite"):
        gauss_newton(spring(jnp.nan), data(), steps=1)
    monkeypatch.setattr(jacobians, "memory", lambda: 1)
    with pytest.raises(ValueError, match=r"has 2 weights, whose curvature needs .* GiB of memory; .* or `polish`"):
        gauss_newton(spring(0.7), data())


@pytest.mark.parametrize(
    ("residual", "message"),
    [
        (nl.trajectory_mse, "returns a single number, as a loss does; expected an array of differences"),
        (
            lambda *args: (trajectory_residual(*args), 0),
            "returns a tuple; expected one array of differences",
        ),
    ],
)
def test_what_is_no_residual_is_refused(residual, message):
    with pytest.raises(ValueError, match=message):
        gauss_newton(spring(0.7), data(), residual=residual)


def test_states_are_asked_for_in_vain_or_in_another_shape():
    with pytest.raises(ValueError, match="`states` are estimated, but a loss of accelerations does not"):
        gauss_newton(spring(0.7), data(), residual=acceleration_residual, states=data().ys)
    with pytest.raises(ValueError, match=r"`states` are estimated, but .* does not change with them"):
        gauss_newton(spring(0.7), data(), residual=lambda model, w: model(w.ts, w.ys[0]), states=data().ys)
    with pytest.raises(ValueError, match=r"`states` has shape \(7, 31, 2\); expected \(8, 31, 2\)"):
        gauss_newton(spring(0.7), data(), states=data().ys[1:])
    with pytest.raises(ValueError, match="`trajectories` is a tuple"):
        gauss_newton(spring(0.7), (data().ts, data().ys))


SMALL = {"horizon": 2, "windows": 5, "steps": 4}


def by_reverse_mode(monkeypatch):
    monkeypatch.setattr(sys.modules[gauss_newton.__module__], "forward_or_reverse", lambda *_: None)


@pytest.mark.parametrize("controller", [nl.StepsPerSample(1), slow(diffrax.PIDController(rtol=1e-9, atol=1e-9))])
def test_both_modes_take_the_same_steps(controller, monkeypatch):
    """Forward mode, that of few weights, goes through adaptive solves too."""
    start = nl.NeuralODE(Spring(jnp.asarray(0.3), jnp.asarray(0.2)), stepsize_controller=controller)
    forward = gauss_newton(start, data(), **SMALL)
    by_reverse_mode(monkeypatch)
    reverse = gauss_newton(start, data(), **SMALL)
    np.testing.assert_allclose(forward.loss, reverse.loss, rtol=1e-6, atol=1e-15)


@pytest.mark.parametrize(("width", "mode"), [(None, "forward"), (8, "reverse")])
def test_the_smaller_side_of_the_jacobian_decides(width, mode, monkeypatch):
    """Two weights or 49, and the four components of a window."""
    taken, real = [], jacobians.jax.jacfwd

    def noted(function, *rest, **keywords):
        taken.append("forward")
        return real(function, *rest, **keywords)

    monkeypatch.setattr(jacobians.jax, "jacfwd", noted)
    model = spring(0.3) if width is None else nl.NeuralODE(small_network(1, width, out=1))
    gauss_newton(model, data(), horizon=2, windows=3, steps=1)
    assert bool(taken) == (mode == "forward")


def test_a_network_of_thousands_of_weights_is_taken():
    """They are more than the 32 accelerations."""
    network = nl.MechanicalLagrangian.from_mlp(1, 32, key=jax.random.key(0))
    motion = nl.simulate(HarmonicOscillator(), data().ts[0], data().ys[:, 0], accelerations=True)
    result = gauss_newton(
        nl.NeuralLagrangian(network), motion, residual=acceleration_residual, steps=2, horizon=0, windows=32
    )
    assert sum(x.size for x in jax.tree.leaves(eqx.filter(network, eqx.is_inexact_array))) > 2000
    assert result.loss[-1] < result.loss[0]


def test_windows_that_are_taken_some_at_a_time_give_the_same(monkeypatch):
    whole = gauss_newton(spring(0.3), data(), states=data().ys, **SMALL)
    monkeypatch.setattr(jacobians, "MAX_WINDOWS_AT_ONCE", 2)  # and one is left over
    jax.clear_caches()
    parts = gauss_newton(spring(0.3), data(), states=data().ys, **SMALL)
    np.testing.assert_allclose(parts.loss, whole.loss, rtol=1e-9, atol=1e-15)


def test_estimated_states_are_those_of_least_squares_over_all():
    """SciPy has weights and states of all windows in one vector, and finds the same minimum."""
    noise = 0.05 * np.random.default_rng(0).normal(size=data().ys.shape)
    noisy = nl.Trajectories(data().ts, data().ys + noise)
    settings = {"horizon": 3, "windows": 4}
    found = gauss_newton(spring(0.5), noisy, states=noisy.ys, steps=20, **settings)
    assert found.states.shape == (4, 4, 2)
    windows = Windows(noisy, 3)
    batch = windows.gather(windows.evenly(4))
    ts, ys = batch.ts, batch.ys

    @jax.jit
    def residuals(x):
        model, starts = spring(x[0], x[1]), x[2:].reshape(4, 2)
        return (jax.vmap(model)(ts, starts) - ys).ravel()

    start = np.concatenate([[0.5, 0.2], np.asarray(ys[:, 0]).ravel()])
    expected = scipy.optimize.least_squares(residuals, start, xtol=1e-14, ftol=1e-14, gtol=1e-14)
    np.testing.assert_allclose(found.loss[-1], 2 * expected.cost / ys.size, rtol=1e-8)
    weights = [float(found.model.network.k), float(found.model.network.rest)]
    np.testing.assert_allclose(weights, expected.x[:2], rtol=1e-4)
    np.testing.assert_allclose(found.states[:, 0].ravel(), expected.x[2:], atol=1e-5)
    without = gauss_newton(spring(0.5), noisy, steps=20, **settings)  # negative control: noisy starts
    assert without.loss[-1] > 1.5 * found.loss[-1]


def test_a_unit_that_the_data_do_not_reach_does_not_stop_a_small_network():
    """Its curvature is nearly zero. Damped by that alone, it would run away at each step, and none would be taken."""
    ts, starts = jnp.arange(0, 4.0, 0.05), jnp.asarray([[1.5, 0.0], [0.5, 2.0]])
    motion = nl.simulate(nl.systems.Pendulum(), ts, starts)
    lagrangian = nl.MechanicalLagrangian.from_mlp(1, width=8, depth=1, mass="unit", key=jax.random.key(0))
    out_of_reach = eqx.tree_at(
        lambda one: one.potential.layers[0].bias, lagrangian, replace_fn=lambda b: b.at[0].set(-20)
    )
    model = nl.NeuralLagrangian.from_lagrangian(out_of_reach, dof=1, stepsize_controller=nl.StepsPerSample(1))
    result = gauss_newton(model, motion, horizon=10, windows=32, steps=15)
    assert result.loss[-1] < 1e-4 * result.loss[0]

"""A loss takes a model and one window; what does not count in a window has no part in it."""

import math
from dataclasses import replace
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian import training
from neural_lagrangian.integrators import VariationalMidpoint
from neural_lagrangian.mechanics import ControlForce, LinearDamping, Symmetry
from neural_lagrangian.models import with_control
from neural_lagrangian.trajectories import Window, Windows

from ..helpers import DTYPE, slow_but, small_network
from .killed import data

pytestmark = pytest.mark.optax
TS = jnp.linspace(0.0, 0.5, 6).astype(DTYPE)
KEY = jax.random.key(0)


def model(**keywords):
    force = LinearDamping(jnp.ones(2, DTYPE)) + ControlForce()
    return nl.NeuralLagrangian(small_network(), VariationalMidpoint(), force=force, **keywords)


def window(seed=0):
    rng = np.random.default_rng(seed)
    ys, a, us = (jnp.asarray(0.3 * rng.normal(size=(6, n)), DTYPE) for n in (4, 2, 2))
    return Window(TS, ys, accelerations=a, controls=us)


LOSSES = {
    "trajectory": nl.trajectory_mse,
    "absolute trajectory": training.trajectory_mae,
    "weighted": training.weighted(nl.trajectory_mse, velocity=0.0),
    "segments": training.multiple_shooting(1),
    "accelerations": training.acceleration_mse,
    "absolute accelerations": training.acceleration_mae,
    "equations": training.euler_lagrange_mse,
    "torques": training.torque_mse,
    "positions": training.discrete_euler_lagrange_mse,
    "symmetry": training.symmetry_penalty(Symmetry.rotation()),
    "force": training.force_penalty,
    "scale": training.scale_penalty,
}


@pytest.mark.parametrize("name", slow_but(LOSSES, "weighted", "equations", "positions"))
def test_rows_that_do_not_count_are_as_if_they_were_not_there(name):
    """The last two rows masked, whatever numbers they hold, against the window without them; gradients too."""
    whole, loss = window(), LOSSES[name]
    params, static = eqx.partition(model(), eqx.is_inexact_array)
    known = {field: getattr(whole, field) for field in ("ys", "accelerations", "controls")}
    short = Window(TS[:4], **{field: rows[:4] for field, rows in known.items()})

    @jax.jit
    def value_and_gradient(params, window):
        driven = with_control(eqx.combine(params, static), TS, whole.controls)
        return jax.value_and_grad(lambda p: loss(eqx.combine(p, driven), window))(params)

    mask = jnp.arange(6) < 4
    bad = replace(
        whole,
        mask=mask,
        **{field: jnp.where(mask[:, None], known[field], jnp.nan) for field in ("ys", "accelerations")},
    )
    expected, found = value_and_gradient(params, short), value_and_gradient(params, bad)
    eps = float(jnp.finfo(DTYPE).eps)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e4 * eps, atol=1e2 * eps), found, expected)
    different = value_and_gradient(params, replace(whole, mask=None))[0]
    assert abs(float(different) - float(expected[0])) > 1e-6 * abs(float(expected[0]))  # negative control


def test_a_loss_that_users_write_gets_all_that_the_motion_carries():
    """Through `fit`, its model is driven by the controls of the same window."""
    seen = []

    def loss(model, window):
        seen.append(window)
        u = model.force.terms[1].control(window.ts[2])
        return jnp.sum((u - window.controls[2]) ** 2) + 1.0

    rows = window()
    arrays = {name: np.asarray(getattr(rows, name))[None] for name in ("ys", "accelerations", "controls")}
    motion = nl.Trajectories(np.asarray(TS), arrays.pop("ys"), **arrays)
    settings = {"horizon": 3, "steps": 1, "batch_size": 4}
    result = nl.fit(model(), motion, loss=loss, key=KEY, **settings)
    np.testing.assert_allclose(result.history.loss, 1.0, atol=1e-12)
    assert {type(each) for each in seen} == {Window}
    assert seen[0].accelerations.shape == seen[0].controls.shape == (4, 2)
    assert seen[0].states is seen[0].mask is seen[0].parameters is None


def test_parameters_of_a_window_are_carried_through():
    """As numbers and integers, to the loss of each sample; those that are numbers have a derivative."""
    ys = jnp.ones((3, 2, 2), DTYPE)
    gains = jnp.asarray([1.0, 2.0, 3.0], DTYPE)
    batch = Window(jnp.zeros((3, 2), DTYPE), ys, parameters={"gain": gains, "kind": jnp.arange(3)})

    def loss(scale, window):
        return scale * window.parameters["gain"] * window.parameters["kind"].astype(DTYPE) * jnp.sum(window.ys)

    result = training.safe_gradient(loss, jnp.asarray(1.0, DTYPE), batch)
    assert float(result.gradient) == pytest.approx(4 * (0 + 2 + 6) / 3)
    np.testing.assert_allclose(result.by_sample.parameters["gain"], jnp.asarray([0.0, 4.0, 8.0]) / 3)
    assert result.by_sample.parameters["kind"] is None


class Old:
    def __call__(self, model, ts, ys):
        return jnp.mean(ys)


OLD = {
    "three": lambda model, ts, ys: jnp.mean(ys),
    "five": lambda model, ts, ys, accelerations, controls: jnp.mean(ys),
    "one": lambda model: jnp.zeros(()),
    "partial": partial(lambda scale, model, ts, ys: jnp.mean(ys), 1.0),
    "object": Old(),
}
USES = {
    "fit": lambda loss: nl.fit(nl.NeuralODE(small_network(1, 4, out=1)), data(), loss=loss, key=KEY),
    "polish": lambda loss: training.polish(nl.NeuralODE(small_network(1, 4, out=1)), data(), loss=loss),
    "gauss_newton": lambda loss: training.gauss_newton(nl.NeuralODE(small_network(1, 4, out=1)), data(), residual=loss),
    "weighted": lambda loss: training.weighted(loss)(lambda ts, y0: y0[None], Window(TS, jnp.ones((6, 2), DTYPE))),
    "penalized": lambda loss: training.penalized(nl.trajectory_mse, loss, 1.0)(
        lambda ts, y0: jnp.ones((6, 2), DTYPE), Window(TS, jnp.ones((6, 2), DTYPE))
    ),
}


@pytest.mark.bad_input
@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("name", OLD)
def test_a_function_of_other_arguments_is_told_what_a_loss_is(use, name):
    with pytest.raises(
        ValueError, match=r"cannot be called with \(model, window\); expected `def \w+\(model, window\)`"
    ):
        USES[use](OLD[name])


@pytest.mark.bad_input
def test_a_fault_inside_a_loss_stays_what_it_is():
    def loss(model, window):
        return math.sqrt(1, 2)

    with pytest.raises(TypeError, match="sqrt") as found:
        USES["fit"](loss)
    assert any("loss(model, window)" in note for note in found.value.__notes__)


def test_estimated_states_that_a_loss_does_not_look_at_are_named():
    def loss(model, window):
        return jnp.mean((model(window.ts, window.ys[0]) - window.ys) ** 2)

    network = nl.NeuralODE(small_network(1, 4, out=1))
    settings = {"steps": 1, "horizon": 2, "batch_size": 4, "key": KEY}
    with pytest.warns(UserWarning, match=r"still those that were recorded: does the loss start from `window.states`"):
        nl.fit(network, data(), loss=loss, rollouts=training.Rollouts(estimate_states=True), **settings)
    with pytest.warns(UserWarning, match=r"still those that were recorded"):
        training.polish(network, data(), loss=loss, horizon=2, windows=4, steps=1, states=data().ys)


def test_a_batch_of_windows_is_a_window():
    """One axis in front of every array; a loss maps over it."""
    batch = Windows(data(), 3).gather(jnp.arange(5))
    assert batch.ts.shape == (5, 4)

    def at_rest(ts, y0):
        return jnp.broadcast_to(y0, (len(ts), 2))

    each = [nl.trajectory_mse(at_rest, Window(*sample)) for sample in zip(batch.ts, batch.ys, strict=True)]
    found = jax.vmap(nl.trajectory_mse, (None, 0))(at_rest, batch)
    np.testing.assert_allclose(found, jnp.stack(each), rtol=1e-6)
    with pytest.raises(TypeError, match="positional"):
        Window(TS, TS, TS)


def test_recorded_controls_are_no_part_of_the_force_that_is_penalized():
    rows = window()
    driven = with_control(model(), TS, rows.controls)
    free = replace(rows, controls=None)
    assert float(training.force_penalty(driven, rows)) == float(training.force_penalty(model(), free))
    assert float(training.force_penalty(driven, free)) != float(training.force_penalty(model(), free))

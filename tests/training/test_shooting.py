"""Short rollouts that meet, and the true states estimated from noisy ones."""

from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import neural_lagrangian as nl
from neural_lagrangian.datasets import add_noise
from neural_lagrangian.training import (
    Rollouts,
    acceleration_mse,
    multiple_shooting,
    multiple_shooting_mse,
    trajectory_mae,
)
from neural_lagrangian.trajectories import Window, Windows

from ..helpers import DTYPE
from .killed import OPTIMIZER, data

pytestmark = [pytest.mark.optax, pytest.mark.bad_input]
MODEL = nl.NeuralODE(lambda y: -jnp.sin(y[:1]), stepsize_controller=nl.StepsPerSample(2))
ROLLOUT = eqx.filter_jit(MODEL)
STATES = Rollouts(estimate_states=True)
TS = jnp.linspace(0.0, 1.2, 13).astype(DTYPE)


def states():
    return ROLLOUT(TS, jnp.asarray([1.0, -0.5], DTYPE))


def close(a, b):
    np.testing.assert_allclose(a, b, rtol=1e-9 if jnp.float64 == DTYPE else 1e-3)


@pytest.mark.parametrize("segment", [1, 3, 12])
def test_it_is_zero_on_the_model_s_own_motion(segment):
    own = states()
    loss = jax.jit(multiple_shooting(segment, 2.0), static_argnums=0)
    assert loss(MODEL, Window(TS, own, states=own)) < (1e-20 if jnp.float64 == DTYPE else 1e-10)
    assert loss(MODEL, Window(TS, own)) < (1e-20 if jnp.float64 == DTYPE else 1e-10)
    assert loss(MODEL, Window(TS, own, states=own + 0.1)) > 1e-3


def test_it_is_the_misfit_and_the_gaps_as_stated():
    """By a loop over the segments."""
    rng = np.random.default_rng(0)
    ys, nodes = (jnp.asarray(states() + 0.1 * rng.normal(size=(13, 2)), DTYPE) for _ in range(2))
    misfit, gaps = [], []
    for k in range(0, 12, 4):
        predicted = ROLLOUT(TS[k : k + 5], nodes[k])
        misfit.append(predicted - ys[k : k + 5])
        gaps.append(predicted[-1] - nodes[k + 4])
    expected = np.mean(np.square(misfit)) + 3.0 * np.mean(np.square(gaps))
    close(multiple_shooting(4, 3.0)(MODEL, Window(TS, ys, states=nodes)), expected)
    steps = jnp.stack([ROLLOUT(TS[k : k + 2], ys[k])[1] - ys[k + 1] for k in range(12)])
    close(multiple_shooting_mse(MODEL, Window(TS, ys)), jnp.mean(steps**2))


def test_a_rollout_from_an_estimated_state_counts_its_first_row():
    own = states()
    moved = own.at[0].add(0.3)
    expected = jnp.mean((ROLLOUT(TS, moved[0]) - own) ** 2)
    close(nl.trajectory_mse(MODEL, Window(TS, own, states=moved)), expected)
    close(trajectory_mae(MODEL, Window(TS, own, states=moved)), jnp.mean(jnp.abs(ROLLOUT(TS, moved[0]) - own)))


class Stiffness(eqx.Module):
    k: jax.Array

    def __call__(self, y):
        return -self.k * y[:1]


@pytest.mark.slow
@pytest.mark.double
def test_estimated_states_are_nearer_the_truth_than_recorded_ones():
    clean = data()
    noisy = add_noise(clean, relative=0.05, key=jax.random.key(0))
    model = nl.NeuralODE(Stiffness(jnp.asarray(0.5)))
    settings = {"optimizer": OPTIMIZER, "steps": 300, "horizon": 6, "batch_size": 64, "key": jax.random.key(1)}
    result = nl.fit(model, noisy, loss=multiple_shooting(3), rollouts=STATES, **settings)
    assert float(result.model.vector_field(0.0, jnp.asarray([1.0, 0.0]))[1]) == pytest.approx(-1.0, abs=0.02)
    before, after = (np.sqrt(np.mean((ys - clean.ys) ** 2)) for ys in (noisy.ys, result.states))
    assert after < 0.6 * before
    assert nl.fit(model, noisy, **settings | {"steps": 1}).states is None


@pytest.mark.double
def test_the_gradient_in_the_states_is_that_of_the_loss():
    """One step of plain descent, against the sum over the windows of its batch."""
    noisy = add_noise(data(), relative=0.05, key=jax.random.key(0))
    model, key = nl.NeuralODE(Stiffness(jnp.asarray(0.5))), jax.random.key(1)
    settings = {
        "optimizer": optax.sgd(1.0),
        "steps": 1,
        "horizon": 6,
        "batch_size": 64,
        "loss": multiple_shooting(3),
    }
    moved = nl.fit(model, noisy, rollouts=STATES, key=key, **settings).states - noisy.ys
    windows = Windows(noisy, 6)
    indices = jax.random.randint(jax.random.fold_in(key, 0), (64,), 0, len(windows))
    stepped = nl.NeuralODE(model.network, stepsize_controller=nl.StepsPerSample(1))

    def total(all_states):
        rows = all_states[windows.rows(indices)]
        batch = replace(windows.gather(indices), states=rows)
        return jnp.mean(jax.vmap(settings["loss"], (None, 0))(stepped, batch))

    np.testing.assert_allclose(moved, -jax.jit(jax.grad(total))(jnp.asarray(noisy.ys)), rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: multiple_shooting(0), "`segment` is 0"),
        (lambda: multiple_shooting(2, -1.0), "`continuity` -1.0"),
        (
            lambda: multiple_shooting(5)(MODEL, Window(TS, states())),
            "`segment` is 5; expected a divisor of the horizon",
        ),
        (
            lambda: acceleration_mse(MODEL, Window(TS, states(), states=states())),
            "`states` are estimated, but a loss of accelerations does not look at them",
        ),
    ],
)
def test_bad_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()

"""How the rollouts of a model go is seen, and training allows the steps that they need."""

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.training.solves import MARGIN, reasons, solves_of, steps_to_allow

from ..helpers import DTYPE
from .killed import data

pytestmark = [pytest.mark.double, pytest.mark.optax]
WINDOWS = nl.trajectories.Windows(data(), 30)


class Spring(eqx.Module):
    """An oscillator, if its stiffness is constant; from q < 0 on it breaks where `breaking` says so."""

    k: jax.Array
    breaking: bool = eqx.field(static=True, default=False)

    def __call__(self, y):
        q = y[:1]
        return -self.k * jnp.where(q < 0, jnp.nan, q) if self.breaking else -self.k * q


def parts(**keywords):
    breaking = keywords.pop("breaking", False)
    model = nl.NeuralODE(Spring(jnp.asarray(1.0, DTYPE), breaking), **keywords)
    return eqx.partition(model, eqx.is_inexact_array)


def test_the_steps_are_those_of_the_longest_rollout():
    weights, static = parts()
    found = solves_of(weights, static, WINDOWS)
    model = eqx.combine(weights, static)
    ts, ys = WINDOWS.gather(jnp.arange(len(WINDOWS)))
    solve = eqx.filter_jit(lambda t, y: model.solve(t, y).stats["num_steps"])
    by_hand = [int(solve(t, y[0])) for t, y in zip(ts, ys, strict=True)]
    assert found == (max(by_hand), {})
    allowed = steps_to_allow(weights, static, WINDOWS, None)
    assert MARGIN * max(by_hand) <= allowed < 2 * MARGIN * max(by_hand)
    assert np.log2(allowed) % 1 == 0


def test_failures_are_counted_by_what_the_solver_says():
    count = len(WINDOWS)
    assert solves_of(*parts(max_steps=3), WINDOWS) == (0, {"max_steps_reached": count})
    assert reasons(*parts(max_steps=3), WINDOWS, None) == (
        f"Of {count} rollouts by the model as it is now {count} fail (max_steps_reached {count}). "
    )
    constant = {"stepsize_controller": diffrax.ConstantStepSize(), "dt0": 0.1}
    assert solves_of(*parts(breaking=True, **constant), WINDOWS).failures == {"not finite": count}
    assert reasons(*parts(), WINDOWS, None) == ""


def test_the_model_s_own_limit_holds():
    assert steps_to_allow(*parts(max_steps=20), WINDOWS, None) == 20
    assert steps_to_allow(*parts(max_steps=3), WINDOWS, None) == 3
    assert steps_to_allow(*parts(stepsize_controller=nl.StepsPerSample(1)), WINDOWS, None) is None

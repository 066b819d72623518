"""How the rollouts of a model go is seen, and training allows the steps that they need."""

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.training.solves import (
    ADVICE_ON_STEPS,
    FAILURES,
    STEPS_MARGIN,
    failures_of,
    in_words,
    reasons,
    solves_of,
    steps_to_allow,
)
from neural_lagrangian.trajectories import Windows

from ..helpers import DTYPE
from .killed import data

pytestmark = [pytest.mark.double, pytest.mark.optax]
WINDOWS = Windows(data(), 30)


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
    batch = WINDOWS.gather(jnp.arange(len(WINDOWS)))
    solve = eqx.filter_jit(lambda t, y: model.solve(t, y).stats["num_steps"])
    by_hand = [int(solve(t, y[0])) for t, y in zip(batch.ts, batch.ys, strict=True)]
    assert found == (max(by_hand), {})
    allowed = steps_to_allow(weights, static, WINDOWS, None)
    assert STEPS_MARGIN * max(by_hand) <= allowed < 2 * STEPS_MARGIN * max(by_hand)
    assert np.log2(allowed) % 1 == 0


def test_failures_are_counted_by_what_the_solver_says():
    count = len(WINDOWS)
    assert solves_of(*parts(max_steps=3), WINDOWS) == (0, {"max_steps_reached": count})
    assert reasons(*parts(max_steps=3), WINDOWS, None) == (
        f"In {count} rollouts of the present model, {count} need more than `max_steps` = 3 steps "
        f"(max_steps_reached). {ADVICE_ON_STEPS}. "
    )
    constant = {"stepsize_controller": diffrax.ConstantStepSize(), "dt0": 0.1}
    assert solves_of(*parts(breaking=True, **constant), WINDOWS).failures == {"not finite": count}
    assert reasons(*parts(), WINDOWS, None) == ""


def test_failures_of_single_rollouts_are_counted_too():
    batch = WINDOWS.gather(jnp.arange(len(WINDOWS)))
    short, long = (eqx.combine(*parts(max_steps=limit)) for limit in (3, 4096))
    assert failures_of(short, batch.ts, batch.ys[:, 0]) == {"max_steps_reached": len(WINDOWS)}
    assert failures_of(long, batch.ts, batch.ys[:, 0]) == {}
    nowhere = batch.ys[:, 0].at[0].set(jnp.nan)
    assert sum(failures_of(long, batch.ts, nowhere).values()) == 1


def test_every_failure_has_words():
    """Each result of diffrax that a solve can end with."""
    assert {name for name in FAILURES if not hasattr(diffrax.RESULTS, name)} == {"not finite"}
    text = in_words(dict.fromkeys(FAILURES, 2), max_steps=9)
    assert "`max_steps` = 9" in text
    assert "{" not in text
    assert in_words({"singular": 1}, 9) == "1 meets a singular matrix (singular)"


def test_the_model_s_own_limit_holds():
    assert steps_to_allow(*parts(max_steps=20), WINDOWS, None) == 20
    assert steps_to_allow(*parts(max_steps=3), WINDOWS, None) == 3
    assert steps_to_allow(*parts(stepsize_controller=nl.StepsPerSample(1)), WINDOWS, None) is None

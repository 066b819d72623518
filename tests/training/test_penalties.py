from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import neural_lagrangian as nl
from neural_lagrangian.mechanics import Symmetry
from neural_lagrangian.training import (
    acceleration_mse,
    force_penalty,
    gauge_penalty,
    penalized,
    scale_penalty,
    symmetry_penalty,
)
from neural_lagrangian.trajectories import Window

from ..helpers import DTYPE, central_difference, small_network, states

TS, Q, V = states(2, 40)
YS = jnp.concatenate([Q, V], axis=1)
WINDOW = Window(TS, YS)
TURN = symmetry_penalty(Symmetry.rotation())


class Weighted(eqx.Module):
    """A scaled Lagrangian and its force, as a model."""

    stiffness: jax.Array
    factor: float = 1.0
    damping: float = 0.4

    def lagrangian(self, t, q, v):
        return self.factor * (0.5 * jnp.dot(v, v) - 0.5 * jnp.dot(self.stiffness * q, q))

    def force(self, t, q, v):
        return -self.factor * self.damping * v


def oscillator(*stiffness, **keywords):
    return Weighted(jnp.asarray(stiffness, DTYPE), **keywords)


def test_a_symmetry_costs_nothing_and_its_lack_by_the_formula():
    assert float(TURN(oscillator(2.0, 2.0), WINDOW)) == pytest.approx(0, abs=1e-12)
    # R = -K q . xi = (k0 - k1) q0 q1, by hand.
    expected = np.mean(0.25 * np.asarray(Q[:, 0] * Q[:, 1]) ** 2)
    assert float(TURN(oscillator(2.0, 1.5), WINDOW)) == pytest.approx(expected, rel=1e-5)
    time = symmetry_penalty(Symmetry.time_translation())
    assert float(time(oscillator(2.0, 1.5), WINDOW)) == 0


def test_scale_and_gauge_cost_what_they_lack():
    scale = scale_penalty
    assert float(scale(oscillator(2.0, 1.5), WINDOW)) == pytest.approx(0, abs=1e-12)
    assert float(scale(oscillator(2.0, 1.5, factor=-3.0), WINDOW)) == pytest.approx(16.0, rel=1e-5)
    state = jnp.asarray([1.0, 0.0, 0.0, 2.0], DTYPE)  # p = (0, 2), L = 2 - 1
    gauge = gauge_penalty(state, jnp.asarray([0.0, 2.0]), 1.0)
    assert float(gauge(oscillator(2.0, 1.5), WINDOW)) == pytest.approx(0, abs=1e-10)
    assert float(gauge_penalty(state)(oscillator(2.0, 1.5), WINDOW)) == pytest.approx(5.0, rel=1e-5)


def test_force_is_weighed_by_the_mass():
    expected = np.mean(0.16 * np.asarray(V) ** 2)
    assert float(force_penalty(oscillator(2.0, 1.5), WINDOW)) == pytest.approx(expected, rel=1e-5)
    with pytest.raises(ValueError, match="`model` has the force None"):
        force_penalty(nl.NeuralLagrangian(small_network()), WINDOW)


@pytest.mark.parametrize("penalty", [TURN, force_penalty], ids=["symmetry", "force"])
def test_the_scale_of_the_lagrangian_cannot_be_traded_for_it(penalty):
    plain, scaled = (penalty(oscillator(2.0, 1.5, factor=c), WINDOW) for c in (1.0, -1e-3))
    assert float(plain) > 1e-3
    np.testing.assert_allclose(scaled, plain, rtol=1e-5)


def test_penalized_adds_up_and_passes_accelerations_on():
    model = nl.NeuralLagrangian(small_network(), force=lambda t, q, v: -0.1 * v)
    window = replace(WINDOW, accelerations=jnp.ones_like(Q))
    once = penalized(acceleration_mse, TURN, 0.5)
    twice = penalized(once, force_penalty, 2.0)
    parts = acceleration_mse(model, window), TURN(model, WINDOW), force_penalty(model, WINDOW)
    assert float(twice(model, window)) == pytest.approx(float(parts[0] + 0.5 * parts[1] + 2 * parts[2]), rel=1e-5)

    def unlike_any(model, window):
        return jnp.sum(window.ys)

    assert float(penalized(unlike_any, TURN, 0.0)(model, WINDOW)) == pytest.approx(float(jnp.sum(YS)), rel=1e-5)


def test_its_gradient_is_finite_and_right():
    loss = penalized(lambda model, window: jnp.zeros((), DTYPE), TURN, 1.0)
    params, static = eqx.partition(nl.NeuralLagrangian(small_network()), eqx.is_inexact_array)
    value = jax.jit(lambda p: loss(eqx.combine(p, static), WINDOW))
    gradient = jax.jit(jax.grad(value))(params)
    squared = sum(jnp.sum(x**2) for x in jax.tree.leaves(gradient))
    assert jnp.isfinite(squared)
    assert squared > 0
    step = 1e-2 if jnp.float32 == DTYPE else 1e-5
    h = step / float(jnp.sqrt(squared))
    slope = central_difference(value, params, gradient, h)
    assert float(slope) == pytest.approx(float(squared), rel=2e-2 if jnp.float32 == DTYPE else 1e-6)


@pytest.mark.optax
@pytest.mark.slow
def test_training_with_the_penalty_makes_the_lagrangian_more_symmetric():
    """On noisy accelerations of an isotropic oscillator, the same training with and without."""
    noise = np.random.default_rng(0).normal(size=Q.shape) * 0.1
    accelerations = np.asarray(-Q) + noise.astype(np.asarray(Q).dtype)
    data = nl.Trajectories(np.arange(40.0), YS[None], accelerations=accelerations[None])

    def trained(weight):
        loss = penalized(acceleration_mse, TURN, weight) if weight else acceleration_mse
        keywords = {"horizon": 0, "steps": 400, "batch_size": 32, "optimizer": optax.adam(1e-2)}
        return nl.fit(nl.NeuralLagrangian(small_network(2, 16)), data, loss=loss, key=jax.random.key(0), **keywords)

    without, with_penalty = trained(0.0), trained(1.0)
    elsewhere = jnp.concatenate(states(2, 100, seed=1)[1:], axis=1)
    times = jnp.zeros(100, DTYPE)
    costs = [float(TURN(r.model, Window(times, elsewhere))) for r in (without, with_penalty)]
    assert costs[1] < 0.3 * costs[0]
    assert with_penalty.history.failures.sum() == 0
    assert with_penalty.history.loss[-10:].mean() < 0.2 * with_penalty.history.loss[:10].mean()


@pytest.mark.bad_input
@pytest.mark.parametrize("weight", [-1.0, float("nan"), float("inf")])
def test_bad_weights_are_named(weight):
    with pytest.raises(ValueError, match="`weight` is"):
        penalized(acceleration_mse, TURN, weight)

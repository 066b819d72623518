"""Models driven by recorded controls."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.mechanics import ControlForce, LinearDamping, SampledControl
from neural_lagrangian.models import with_control
from neural_lagrangian.systems import CartPole
from neural_lagrangian.trajectories import Scaling

from ..helpers import DOUBLE, DTYPE

RTOL = 1e-8 if DOUBLE else 1e-4
TS = jnp.linspace(0.0, 1.0, 6, dtype=DTYPE)
US = jnp.asarray(np.random.default_rng(0).normal(size=(6, 1)), DTYPE)
Y0 = jnp.asarray([0.3, -0.2, 0.4, 0.5], DTYPE)
CART_POLE = CartPole()
TO_CART = [[1.0], [0.0]]


def lagrangian(t, q, v):
    return CART_POLE.lagrangian(t, q, v)


def model_with(force):
    return nl.NeuralLagrangian.from_lagrangian(lagrangian, dof=2, force=force, stepsize_controller=nl.StepsPerSample(1))


def test_the_control_takes_its_place_among_other_forces():
    damping = LinearDamping(jnp.asarray([0.3, 0.2], DTYPE))
    waiting = model_with(damping + ControlForce(TO_CART))
    ready = model_with(damping + ControlForce(TO_CART, SampledControl(TS, US)))
    driven = with_control(waiting, TS, US)
    assert eqx.tree_equal(driven, ready)
    rollout = eqx.filter_jit(lambda model: model(TS, Y0))
    assert float(jnp.max(jnp.abs(rollout(driven) - rollout(waiting)))) > 0.1
    # Driven again it forgets the first control.
    assert eqx.tree_equal(with_control(driven, TS, 2 * US), with_control(waiting, TS, 2 * US))


def test_samples_are_joined_as_before():
    held = model_with(ControlForce(TO_CART, SampledControl(TS, US, "hold")))
    assert with_control(held, TS, -US).force.control.kind == "hold"
    assert with_control(held, TS, -US, kind="linear").force.control.kind == "linear"


def test_samples_are_held_where_asked():
    waiting = model_with(ControlForce(TO_CART))
    expected = model_with(ControlForce(TO_CART, SampledControl(TS, US, "hold")))
    assert eqx.tree_equal(with_control(waiting, TS, US, kind="hold"), expected)
    scaled = nl.Scaled(waiting, Scaling([0.0, 0.0], [1.0, 1.0], 2.0))
    assert with_control(scaled, TS, US, kind="hold").model.force.control.kind == "hold"


def test_recordings_are_batched():
    waiting = model_with(ControlForce(TO_CART))
    batch = jnp.stack([US, -US, 0 * US])
    run = eqx.filter_jit(lambda u: with_control(waiting, TS, u)(TS, Y0))
    batched = eqx.filter_jit(jax.vmap(lambda u: with_control(waiting, TS, u)(TS, Y0)))(batch)
    np.testing.assert_allclose(batched, jnp.stack([run(u) for u in batch]), rtol=RTOL, atol=RTOL)
    np.testing.assert_allclose(batched[2], eqx.filter_jit(waiting)(TS, Y0), rtol=RTOL, atol=RTOL)


def test_a_scaled_model_takes_the_control_in_seconds():
    """Scaled units: Q~_i = s_i Q_i, so the inner matrix is s_i G_ij, and the inner times are t / tau."""
    scaling = Scaling([0.1, 0.0], [0.5, 2.0], 0.25)

    def inner_lagrangian(t, q, v):
        s, tau = jnp.asarray(scaling.q_scale, q.dtype), 0.25
        return lagrangian(t * tau, jnp.asarray(scaling.centre, q.dtype) + s * q, v * s / tau)

    controller = nl.StepsPerSample(1)
    inner = nl.NeuralLagrangian.from_lagrangian(
        inner_lagrangian, dof=2, force=ControlForce([[0.5], [0.0]]), stepsize_controller=controller
    )
    scaled = with_control(nl.Scaled(inner, scaling), TS, US)
    plain = with_control(model_with(ControlForce(TO_CART)), TS, US)
    np.testing.assert_allclose(eqx.filter_jit(scaled)(TS, Y0), eqx.filter_jit(plain)(TS, Y0), rtol=RTOL, atol=RTOL)


@pytest.mark.bad_input
def test_a_model_without_a_place_for_it_is_refused():
    two = ControlForce(TO_CART) + ControlForce(TO_CART)
    for model, count in ((model_with(None), 0), (model_with(two), 2), (nl.NeuralODE(lambda y: y[2:]), 0)):
        with pytest.raises(ValueError, match=f"`model` has {count} forces of the kind ControlForce; expected one"):
            with_control(model, TS, US)

from dataclasses import replace
from functools import cache

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.mechanics import ControlForce, LinearDamping
from neural_lagrangian.models import with_control
from neural_lagrangian.systems import CartPole
from neural_lagrangian.training import (
    acceleration_mae,
    acceleration_mse,
    euler_lagrange_mse,
    multiple_shooting,
    multiple_shooting_mse,
    torque_mse,
    torque_residual,
    trajectory_mae,
    weighted,
)
from neural_lagrangian.training.loss import evaluated
from neural_lagrangian.trajectories import Window

from ..helpers import DTYPE, small_network

TS = jnp.linspace(0.0, 0.4, 5).astype(DTYPE)


def test_trajectory_mse_is_zero_on_the_model_s_own_motion():
    model = nl.NeuralLagrangian(small_network())
    ys = model(TS, jnp.asarray([0.1, 0.2, 0.3, 0.4], DTYPE))
    np.testing.assert_allclose(nl.trajectory_mse(model, Window(TS, ys)), 0, atol=1e-12)
    shifted = ys.at[1:].add(0.5)
    assert float(nl.trajectory_mse(model, Window(TS, shifted))) == pytest.approx(0.25, rel=1e-5)
    assert float(trajectory_mae(model, Window(TS, shifted))) == pytest.approx(0.5, rel=1e-5)


def test_any_callable_is_a_rollout_model():
    ys = jnp.ones((5, 2), DTYPE)
    assert float(nl.trajectory_mse(lambda ts, y0: jnp.zeros((5, 2), DTYPE), Window(TS, ys))) == 1.0


def test_acceleration_mse_is_the_mean_square():
    """Of what the model's accelerations, -2 q here, are off by."""
    model = nl.NeuralODE(lambda y: -2 * y[:2])
    rng = np.random.default_rng(0)
    ys, accelerations = (jnp.asarray(rng.normal(size=(5, n)), DTYPE) for n in (4, 2))
    errors = -2 * np.asarray(ys[:, :2]) - np.asarray(accelerations)
    window = Window(TS, ys, accelerations=accelerations)
    assert float(acceleration_mse(model, window)) == pytest.approx(np.mean(errors**2), rel=1e-5)
    assert float(acceleration_mae(model, window)) == pytest.approx(np.mean(np.abs(errors)), rel=1e-5)
    with pytest.raises(ValueError, match=r"`accelerations` has shape \(5, 1\); expected \(5, 2\)"):
        acceleration_mse(model, Window(TS, ys, accelerations=accelerations[:, :1]))


def test_euler_lagrange_mse_is_the_error_of_acceleration_where_the_mass_is_one_and_the_same():
    rng = np.random.default_rng(0)
    ys, accelerations = (jnp.asarray(rng.normal(size=(5, n)), DTYPE) for n in (4, 2))

    def model(scale):
        return nl.NeuralLagrangian.from_lagrangian(
            lambda t, q, v: scale * (jnp.dot(v, v) - jnp.sum(q**4) + q[0] * v[1]), dof=2
        )

    @jax.jit
    def losses(scale):
        own = jax.vmap(lambda t, y: model(scale).vector_field(t, y)[2:])(TS, ys)
        of_equations = (euler_lagrange_mse(model(scale), Window(TS, ys, accelerations=a)) for a in (accelerations, own))
        return acceleration_mse(model(scale), Window(TS, ys, accelerations=accelerations)), *of_equations

    for scale in (1.0, -3.0):
        expected, found, of_its_own = losses(jnp.asarray(scale, DTYPE))
        assert float(found) == pytest.approx(float(expected), rel=1e-4)
        assert of_its_own < 1e-8
    with pytest.raises(ValueError, match="`accelerations` is None"):
        euler_lagrange_mse(model(1.0), Window(TS, ys))


class Arm:
    """Motion of a damped cart and pole under a known control, with all that is recorded of it."""

    us = jnp.asarray([[0.0], [2.0], [-1.0], [0.5], [0.0]], DTYPE)
    system = CartPole()
    damping = LinearDamping(jnp.asarray([0.3, 0.2], DTYPE))

    @classmethod
    def model(cls, force=None, scale=1.0):
        force = cls.damping + ControlForce([[1.0], [0.0]]) if force is None else force
        return nl.NeuralLagrangian.from_lagrangian(
            lambda t, q, v: scale * cls.system.lagrangian(t, q, v),
            dof=2,
            force=force,
            stepsize_controller=nl.StepsPerSample(1),
        )

    @classmethod
    @cache
    def recording(cls):
        model = with_control(cls.model(), TS, cls.us)
        ys = eqx.filter_jit(model)(TS, jnp.asarray([0.1, 0.2, 0.3, 0.4], DTYPE))
        a = jax.vmap(model.vector_field)(TS, ys)[:, 2:]
        return Window(TS, ys, accelerations=a, controls=cls.us)

    @classmethod
    def driven(cls, **keywords):
        return with_control(cls.model(**keywords), TS, cls.us)


def test_every_loss_is_zero_on_the_model_s_own_driven_motion():
    window = Arm.recording()
    for loss in (nl.trajectory_mse, acceleration_mse, torque_mse):
        of = eqx.filter_jit(lambda us, loss=loss: evaluated("loss", loss, Arm.model(), replace(window, controls=us)))
        assert float(of(Arm.us)) < 1e-10
        assert float(of(0 * Arm.us)) > 1e-4


def test_torques_fix_the_scale_that_motion_leaves_open():
    """Ten times the Lagrangian and ten times the friction: the same free motion, other torques."""
    window = Arm.recording()
    force = LinearDamping(10**0.5 * Arm.damping.factor) + ControlForce([[1.0], [0.0]])
    free = jax.vmap(Arm.model().vector_field)(window.ts, window.ys)[:, 2:]
    undriven = replace(window, accelerations=free, controls=None)
    assert float(acceleration_mse(Arm.model(force=force, scale=10), undriven)) < 1e-8
    assert float(torque_mse(Arm.driven(force=force, scale=10), window)) > 1e-2


def test_torque_mse_without_a_control_force_takes_torques():
    torques = jnp.concatenate([Arm.us, jnp.zeros_like(Arm.us)], axis=1)
    model, window = Arm.model(force=Arm.damping), replace(Arm.recording(), controls=torques)
    assert float(torque_mse(model, window)) < 1e-10
    off = torque_mse(model, replace(window, controls=torques + jnp.asarray([[0.3, 0.0]], DTYPE)))
    assert float(off) == pytest.approx(0.3**2 / 2, rel=1e-3)


def test_torque_mse_is_the_mean_square_of_its_residual():
    window = Arm.recording()
    wrong = replace(window, accelerations=window.accelerations + jnp.asarray([[0.3, -0.2]], DTYPE))
    residual = torque_residual(Arm.driven(), wrong)
    assert residual.shape == (5, 2)
    assert float(jnp.mean(residual**2)) == float(torque_mse(Arm.driven(), wrong)) > 1e-3


@pytest.mark.bad_input
def test_what_torque_mse_needs_is_named():
    window = Arm.recording()
    with pytest.raises(ValueError, match="`accelerations` is None"):
        torque_mse(Arm.driven(), replace(window, accelerations=None))
    with pytest.raises(ValueError, match="`controls` is None"):
        torque_mse(Arm.model(), replace(window, controls=None))
    with pytest.raises(ValueError, match=r"`controls` has shape \(5, 1\); expected \(5, 2\)"):
        torque_mse(Arm.model(force=Arm.damping), window)
    for loss in (nl.trajectory_mse, acceleration_mse, weighted(nl.trajectory_mse), multiple_shooting_mse):
        with pytest.raises(ValueError, match="`model` has 0 forces of the kind ControlForce"):
            loss(Arm.model(force=Arm.damping), window)
        with pytest.raises(ValueError, match=r"without a control.* expected `with_control\(model, window.ts"):
            loss(Arm.model(), window)


@pytest.mark.parametrize("loss", [nl.trajectory_mse, multiple_shooting(2)], ids=["trajectory", "shooting"])
@pytest.mark.double
def test_weights_multiply_the_errors_of_their_components(loss):
    """Of positions off by 1 and 2 and velocities off by 3 and 4; the rollout itself is that of the model."""
    model = nl.NeuralLagrangian(small_network())
    y0 = jnp.asarray([0.1, 0.2, 0.3, 0.4], DTYPE)
    states = model(TS, y0)
    ys = states + jnp.asarray([[1.0, 2.0, 3.0, 4.0]])
    weights = {"position": jnp.asarray([1.0, 10.0]), "velocity": 0.5}
    found = weighted(loss, **weights)(model, Window(TS, ys, states=states))
    assert float(found) == pytest.approx((1 + 400 + 1.5**2 + 4) / 4, rel=1e-9)
    assert float(weighted(loss)(model, Window(TS, ys))) == pytest.approx(float(loss(model, Window(TS, ys))), rel=1e-12)


@pytest.mark.parametrize("wrong", [{"position": -1.0}, {"velocity": jnp.asarray([1.0, jnp.nan])}])
def test_weights_that_are_negative_or_not_finite_are_refused(wrong):
    with pytest.raises(ValueError, match=rf"`{next(iter(wrong))}` is .*; expected finite weights of zero or more"):
        weighted(nl.trajectory_mse, **wrong)
    with pytest.raises(ValueError, match=r"expected a weight that is not zero"):
        weighted(nl.trajectory_mse, position=0.0, velocity=0.0)


@pytest.mark.parametrize("loss", [nl.trajectory_mse, trajectory_mae])
@pytest.mark.parametrize("with_states", [False, True])
def test_a_weight_of_zero_leaves_the_velocities_out(loss, with_states):
    """Loss and gradient are those of the positions alone, whatever the velocities that the rows after the first have;
    the rollout starts from the right one.
    """
    model = nl.NeuralODE(small_network(2, out=2), stepsize_controller=nl.StepsPerSample(1))
    ys = jnp.asarray(np.random.default_rng(0).normal(size=(5, 4)), DTYPE)
    wild = ys.at[1:, 2:].set(1e3)
    states = ys + 0.1 if with_states else None

    def total(model, ys):
        return weighted(loss, velocity=0.0)(model, Window(TS, ys, states=states))

    def of_positions(model):
        rows = slice(0 if with_states else 1, None)
        difference = (model(TS, ys[0] if states is None else states[0]) - ys)[rows, :2]
        return jnp.mean(difference**2 if loss is nl.trajectory_mse else jnp.abs(difference)) / 2

    expected, slope = eqx.filter_value_and_grad(of_positions)(model)
    eps = float(jnp.finfo(DTYPE).eps)
    for motion in (ys, wild):
        found, gradient = eqx.filter_value_and_grad(total)(model, motion)
        assert float(found) == pytest.approx(float(expected), rel=10 * eps)
        for one, other in zip(jax.tree.leaves(gradient), jax.tree.leaves(slope), strict=True):
            np.testing.assert_allclose(one, other, rtol=100 * eps, atol=eps)
    assert float(weighted(loss)(model, Window(TS, wild, states=states))) > 1e2  # negative control

"""Windows in the middle of a recording begin with the memory that the motion before has left."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import neural_lagrangian as nl
from neural_lagrangian.integrators import RK4
from neural_lagrangian.mechanics import Maxwell
from neural_lagrangian.models import WithMemory, warmed_up
from neural_lagrangian.observation import Observed, Position, Sensor, observation_residual
from neural_lagrangian.training import trajectory_residual

from ..helpers import MEMORIES, central_difference, inner, random_like, slow_but

pytestmark = [pytest.mark.double, pytest.mark.optax]
TS = np.linspace(0.0, 4.0, 201)
MIDDLE = slice(40, 181)


def spring(t, q, v):
    return 0.5 * v @ v - 2.0 * q @ q


def oscillator(*laws):
    table = nl.NeuralLagrangian.from_lagrangian(spring, RK4(), dof=1, stepsize_controller=nl.StepsPerSample(2))
    return WithMemory(table, *laws)


def motion_of(model):
    return model.rollout(TS, np.array([0.5, 0.8]))


def middle(ys):
    return nl.trajectories.Window(jnp.asarray(TS[MIDDLE]), ys[MIDDLE])


@pytest.mark.parametrize("name", slow_but(("lugre", "bouc_wen", "maxwell"), "maxwell"))
def test_memory_follows_the_recorded_motion_from_its_start(name):
    """To second order in the interval, since the recorded states are interpolated linearly."""
    model = oscillator(MEMORIES[name])
    ys, zs = motion_of(model)
    errors = []
    for every in (2, 1):
        found = model.follow(TS[::every], ys[::every])
        errors.append(float(jnp.max(jnp.abs(found - zs[::every]))))
    assert errors[1] < 2e-3 * float(jnp.max(jnp.abs(zs)))
    if name == "maxwell":  # it is smooth
        assert 3 < errors[0] / errors[1] < 5


@pytest.mark.parametrize("name", slow_but(("lugre", "maxwell"), "maxwell"))
def test_the_true_model_has_no_error_in_the_middle_of_a_recording(name):
    """It has one without the warm-up. What is left has decayed for 2 s."""
    model = oscillator(MEMORIES[name])
    window = middle(motion_of(model)[0])
    late = dataclasses.replace(window, ts=window.ts[100:], ys=window.ys[100:])
    cold = nl.trajectory_mse(model, late)
    warm = warmed_up(nl.trajectory_mse, 100)(model, window)
    assert warm < 1e-3 * cold


def test_gradients_go_through_the_warm_up():
    window = middle(motion_of(oscillator(MEMORIES["maxwell"]))[0])
    model = oscillator(Maxwell([2.5], [0.3]))
    weights, static = eqx.partition(model, eqx.is_inexact_array)

    @jax.jit
    def value(weights):
        return warmed_up(nl.trajectory_mse, 30)(eqx.combine(weights, static), window)

    direction = random_like(weights)
    slope = inner(jax.jit(jax.grad(value))(weights), direction)
    np.testing.assert_allclose(slope, central_difference(value, weights, direction, 1e-4), rtol=1e-6)


@pytest.mark.parametrize("train", slow_but(("gauss_newton", "polish", "fit"), "gauss_newton"))
def test_every_optimiser_finds_the_constants_from_windows_anywhere(train):
    """Windows that start with the law's rest value give other constants."""
    recording = nl.Trajectories(TS, np.asarray(motion_of(oscillator(Maxwell([3.0], [0.3])))[0]))
    model = oscillator(Maxwell([2.0], [0.5]))

    def trained(wrap, horizon):
        if train == "gauss_newton":
            options = {"residual": wrap(trajectory_residual), "horizon": horizon, "windows": 8, "steps": 10}
            return nl.training.gauss_newton(model, recording, **options).model
        if train == "polish":
            options = {"loss": wrap(nl.trajectory_mse), "horizon": horizon, "windows": 8, "steps": 25}
            return nl.training.polish(model, recording, **options).model
        optimizer = optax.adam(optax.cosine_decay_schedule(0.05, 200))
        options = {"loss": wrap(nl.trajectory_mse), "horizon": horizon, "steps": 200, "batch_size": 8}
        watching = nl.training.Watching(progress=False)
        return nl.fit(model, recording, optimizer=optimizer, key=jax.random.key(0), watching=watching, **options).model

    def error(model):
        law = model.forces[0]
        return max(abs(float(law.stiffness[0]) / 3.0 - 1), abs(float(law.relaxation_time[0]) / 0.3 - 1))

    warm = error(trained(lambda loss: warmed_up(loss, 100), horizon=140))
    assert warm < (0.02 if train == "fit" else 5e-3)
    assert error(trained(lambda loss: loss, horizon=40)) > max(0.03, 5 * warm)  # as many rows count


def test_models_in_other_units_and_with_sensors_are_warmed_up():
    inner_model = oscillator(MEMORIES["maxwell"])
    window = middle(motion_of(inner_model)[0])
    scaling = nl.trajectories.Scaling([0.1], [2.0], 0.5)
    scaled = nl.Scaled(inner_model, scaling)
    outside = np.concatenate([0.1 + 2.0 * window.ys[:, :1], 4.0 * window.ys[:, 1:]], axis=1)
    physical = nl.trajectories.Window(window.ts * 0.5, jnp.asarray(outside))
    found = warmed_up(trajectory_residual, 30)(scaled, physical)
    expected = warmed_up(trajectory_residual, 30)(inner_model, window)
    np.testing.assert_allclose(found / jnp.array([[2.0, 4.0]]), expected, atol=1e-10)
    rig = Observed(inner_model, {"place": Sensor(Position(), noise=1.0)})
    seen = dataclasses.replace(window, observations={"place": window.ys[:, :1]})
    residual = warmed_up(observation_residual, 30)(rig, seen)
    assert residual.shape == (111, 1)
    np.testing.assert_allclose(residual[1:, 0], expected[:, 0], atol=1e-10)


@pytest.mark.bad_input
def test_bad_input_is_named():
    model = oscillator(MEMORIES["maxwell"])
    window = middle(jnp.zeros((201, 2)))
    with pytest.raises(ValueError, match="`samples` is 140, and a window has 140 intervals"):
        warmed_up(nl.trajectory_mse, 140)(model, window)
    with pytest.raises(ValueError, match="`samples` is 0"):
        warmed_up(nl.trajectory_mse, 0)
    with pytest.raises(ValueError, match="NeuralLagrangian without memory"):
        warmed_up(nl.trajectory_mse, 8)(model.model, window)

"""Loss and residual of observations: gradients, units, missing values, cost, and bad input."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.numerics import trained_and_rest
from neural_lagrangian.observation import (
    Observed,
    Position,
    Sensor,
    Velocity,
    negative_log_likelihood,
    observation_residual,
)
from neural_lagrangian.trajectories import Window

from ..helpers import DTYPE, READINGS, central_difference, inner, mlp, random_like, slow_but
from .rigs import double_rig, rig

TS = jnp.linspace(0.0, 0.3, 7).astype(DTYPE)
QUANTITIES = {"gain": 1.2, "offset": 0.1, "delay": 0.03, "drift": 0.02, "quantum": 0.05}


def window_of(model, start, seed=0):
    ys = model(TS, start)
    seen = model.observe(TS, ys, key=jax.random.key(seed))
    return Window(TS, ys, observations=seen)


@pytest.mark.double
@pytest.mark.parametrize("name", slow_but(READINGS, "camera", "accelerometer", "force"))
def test_gradients_are_differences(name):
    """By everything that is trained, and by the initial state, at 1e-6."""
    model = double_rig(name, noise=0.2, **QUANTITIES)
    window = window_of(model, jnp.asarray([0.5, -0.3, 0.4, 1.0]))
    trained, rest = trained_and_rest(model)
    arguments = trained, window.ys + 0.05
    direction = jax.tree.map(lambda x: 0.1 * x, random_like(arguments, seed=1))

    @jax.jit
    def loss(arguments):
        weights, states = arguments
        return negative_log_likelihood(eqx.combine(weights, rest), dataclasses.replace(window, states=states))

    expected = central_difference(loss, arguments, direction, 1e-3)
    found = inner(jax.grad(loss)(arguments), direction)
    assert float(found) == pytest.approx(float(expected), rel=1e-6)
    kinds = {jax.tree_util.keystr(path) for path, _ in jax.tree_util.tree_leaves_with_path(trained.sensors)}
    assert {part for part in ("gain", "offset", "delay", "drift", "log_noise") if any(part in k for k in kinds)} == {
        "gain",
        "offset",
        "delay",
        "drift",
        "log_noise",
    }


def residual_in(s, tau, c):
    """Residuals of a spring where a metre, a second and a unit of the channel are the numbers s, tau and c."""

    def lagrangian(t, q, v):
        q, v = q / s, v * tau / s
        return 0.5 * v @ v - 8 * q @ q - jnp.sum(q**4)

    motion = nl.NeuralLagrangian.from_lagrangian(lagrangian, stepsize_controller=nl.StepsPerSample(1))
    late = {"delay": 0.03 * tau, "drift": 0.01, "quantum": 0.1 * c, "noise": 0.2 * c}
    place = Sensor(Position(), gain=3.0 * c / s, offset=0.1 * c, **late)
    model = Observed(motion, {"place": place, "rate": Sensor(Velocity(), noise=0.2 * s / tau)})
    seen = {"place": c * jnp.sin(TS)[:, None], "rate": s / tau * jnp.cos(TS)[:, None]}
    ys = jnp.tile(jnp.asarray([[0.5 * s, s / tau]]), (7, 1))
    return observation_residual(model, Window(TS * tau, ys, observations=seen))


@pytest.mark.double
@pytest.mark.parametrize("units", [(1e3, 1.0, 1.0), (1.0, 1e-3, 1.0), (1e-9, 1e2, 1e6)])
def test_nothing_depends_on_units(units):
    np.testing.assert_allclose(residual_in(*units), residual_in(1.0, 1.0, 1.0), rtol=1e-8)


@pytest.mark.parametrize("loss", [negative_log_likelihood, observation_residual])
def test_missing_values_have_no_part(loss):
    """Value and gradient are those of any other number at the masked rows, and finite."""
    model = rig()
    whole = window_of(model, jnp.asarray([1.0, 0.5], DTYPE))
    mask = jnp.asarray([1, 1, 0, 1, 1, 0, 1], bool)
    gaps = {name: jnp.where(mask[:, None], value, jnp.nan) for name, value in whole.observations.items()}
    trained, rest = trained_and_rest(model)

    @jax.jit
    def value_and_gradient(window):
        return jax.value_and_grad(lambda w: jnp.mean(loss(eqx.combine(w, rest), window) ** 2))(trained)

    other = {name: jnp.where(mask[:, None], value, 7.0) for name, value in whole.observations.items()}
    found = value_and_gradient(dataclasses.replace(whole, observations=gaps))
    expected = value_and_gradient(dataclasses.replace(whole, observations=other, mask=mask))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), found, expected)
    unmasked = value_and_gradient(dataclasses.replace(whole, observations=other))
    assert abs(float(unmasked[0] - expected[0])) > 1e-2
    one = {**whole.observations, "gyro": jnp.full_like(whole.observations["gyro"], jnp.nan)}
    assert np.isfinite(value_and_gradient(dataclasses.replace(whole, observations=one))[0])


def test_channels_with_times_of_their_own():
    """On one clock, they have the likelihood of each alone."""
    model = rig(delay=None)
    fast, slow = TS[::2], jnp.asarray([0.0, 0.07, 0.22], DTYPE)
    start = jnp.asarray([1.0, 0.5], DTYPE)
    seen = {name: (np.asarray(ts), np.ones(len(ts), DTYPE)) for name, ts in {"encoder": fast, "gyro": slow}.items()}
    ts, both = nl.observation.merge_channels(seen)
    r = observation_residual(model, Window(ts, jnp.tile(start[None], (len(ts), 1)), observations=both))
    for column, own in enumerate((fast, slow)):
        expected = model.readings(own, model(own, start))[["encoder", "gyro"][column]][:, 0] - 1
        expected = expected / model.sensors[["encoder", "gyro"][column]].noise
        np.testing.assert_allclose(r[np.isin(ts, np.asarray(own)), column], expected, rtol=1e-3, atol=1e-4)
    assert (np.asarray(r) == 0).sum() == 2 * len(ts) - len(fast) - len(slow)


def test_an_observation_of_the_state_costs_no_more_than_the_state():
    """By operations of the gradient; and a window without observations has no leaf more than before."""
    motion = nl.NeuralLagrangian(mlp(2, width=32, depth=2), stepsize_controller=nl.StepsPerSample(1))
    ys = jnp.ones((7, 2), DTYPE)
    seen = Window(TS, ys, observations={"q": ys[:, :1], "v": ys[:, 1:]})
    sensors = {"q": Sensor(Position(), noise=0.1, gain=1.0), "v": Sensor(Velocity(), noise=0.1)}
    late = {**sensors, "q": Sensor(Position(), noise=0.1, delay=0.01)}

    def operations(loss, model, window):
        trained, rest = trained_and_rest(model)
        gradient = jax.jit(jax.grad(lambda w: loss(eqx.combine(w, rest), window)))
        return gradient.lower(trained).compile().cost_analysis()["flops"]

    plain = operations(nl.trajectory_mse, motion, Window(TS, ys))
    assert operations(negative_log_likelihood, Observed(motion, sensors), seen) < 1.3 * plain
    assert operations(negative_log_likelihood, Observed(motion, late), seen) > 1.3 * plain  # the negative control
    assert len(jax.tree.leaves(Window(TS, ys))) == 2


def test_late_values_of_driven_motion_before_the_window_do_not_count():
    """The controls of that time are not in the window."""
    free = nl.NeuralLagrangian.from_lagrangian(
        lambda t, q, v: 0.5 * v @ v, force=nl.mechanics.ControlForce(), stepsize_controller=nl.StepsPerSample(1)
    )
    us = jnp.ones((7, 1), DTYPE)
    model = Observed(nl.models.with_control(free, TS, us), {"place": Sensor(Position(), noise=1.0, delay=0.12)})
    window = Window(TS, jnp.ones((7, 2), DTYPE), controls=us, observations={"place": jnp.zeros((7, 1), DTYPE)})
    assert (np.asarray(observation_residual(model, window))[:, 0] != 0).tolist() == [False] * 3 + [True] * 4
    undriven = dataclasses.replace(window, controls=None)
    assert (np.asarray(observation_residual(model, undriven)) != 0).all()


@pytest.mark.bad_input
def test_channels_without_sensor_and_sensors_without_channel_are_named():
    model = rig()
    window = window_of(model, jnp.asarray([1.0, 0.5], DTYPE))
    seen = window.observations

    def loss(observations, model=model):
        return negative_log_likelihood(model, dataclasses.replace(window, observations=observations))

    with pytest.raises(
        ValueError, match=r"channels \['tacho'\] .* have no sensor; expected some of \['encoder', 'gyro'\]"
    ):
        loss({**seen, "tacho": seen["gyro"]})
    with pytest.raises(ValueError, match=r"sensors \['gyro'\] have no channel; the observations have \['encoder'\]"):
        loss({"encoder": seen["encoder"]})
    with pytest.raises(ValueError, match=r"`observations\['gyro'\]` has shape \(7, 2\); expected \(7, 1\)"):
        loss({**seen, "gyro": jnp.ones((7, 2), DTYPE)})
    with pytest.raises(ValueError, match="`observations` is None; expected `Trajectories"):
        loss(None)
    with pytest.raises(ValueError, match=r"`model` is a Pendulum; expected an `observation.Observed`"):
        loss(seen, nl.systems.Pendulum())
    with pytest.raises(ValueError, match=r"`sensors` is \{\}; expected a dictionary"):
        Observed(nl.systems.Pendulum(), {})
    with pytest.raises(ValueError, match=r"`sensors\['angle'\]` is .*; expected an instance of Sensor"):
        Observed(nl.systems.Pendulum(), {"angle": Position()})
    with pytest.raises(ValueError, match="times of channel 'angle' do not strictly increase"):
        nl.observation.merge_channels({"angle": (np.array([1.0, 0.0]), np.zeros(2))})
    with pytest.raises(ValueError, match=r"channel 'angle' has times of shape \(2,\) and values of shape \(3,\)"):
        nl.observation.merge_channels({"angle": (np.array([0.0, 1.0]), np.zeros(3))})

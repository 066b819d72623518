"""What an ideal sensor reads is what the motion does, by formulas that the package does not use."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.mechanics import ControlForce
from neural_lagrangian.models import with_control
from neural_lagrangian.observation import Accelerometer, AppliedForce, Gyroscope, Instant, Observed, Position, Sensor

from ..helpers import DTYPE, READINGS, bob
from .rigs import double_rig, pendulum

Y = jnp.asarray([0.7, -0.4, 1.3, -2.1], DTYPE)


@pytest.mark.parametrize("name", READINGS)
def test_a_reading_has_its_columns(name):
    assert double_rig(name, noise=1.0).readings(jnp.zeros(1, DTYPE), Y[None])["seen"].shape == (1, READINGS[name][1])


@pytest.mark.double
def test_an_accelerometer_reads_second_differences_of_its_place_against_gravity():
    """In axes that turn with the body. Without gravity, or in axes that do not turn, it would read something else."""
    h, model, y0 = 1e-3, pendulum(9.81), jnp.asarray([0.8, 1.5])
    around = jnp.concatenate([model(jnp.asarray([0.0, -h]), y0)[1:], y0[None], model(jnp.asarray([0.0, h]), y0)[1:]])
    back, here, ahead = np.asarray(jax.vmap(lambda y: bob(y[:1]))(around))
    rest = np.asarray([0.0, 9.81])
    turn = np.asarray([[np.cos(0.8), -np.sin(0.8)], [np.sin(0.8), np.cos(0.8)]])
    expected = turn.T @ ((back - 2 * here + ahead) / h**2 + rest)
    found = Accelerometer(bob, lambda q: q[0])(Instant(model, jnp.asarray(0.0), y0))
    np.testing.assert_allclose(found, expected, atol=1e-4)  # the error of the differences is 1e-5
    weightless = Accelerometer(bob, lambda q: q[0], (0.0, 0.0))(Instant(model, jnp.asarray(0.0), y0))
    assert np.abs(np.asarray(weightless) - expected).max() > 1


def test_rest_reads_gravity_and_free_fall_nothing():
    place, level = (lambda q: q), (lambda q: 0.0 * q[0])
    falling = nl.NeuralLagrangian.from_lagrangian(lambda t, q, v: 0.5 * v @ v - 9.81 * q[1])
    now = Instant(falling, jnp.asarray(0.0, DTYPE), Y)
    np.testing.assert_allclose(Accelerometer(place, level)(now), 0.0, atol=1e-5)
    resting = Instant(falling.__class__.from_lagrangian(lambda t, q, v: 0.5 * v @ v), now.t, Y)
    np.testing.assert_allclose(Accelerometer(place, level)(resting), [0.0, 9.81], rtol=1e-6)


def test_a_gyroscope_reads_the_rate_of_its_angle():
    now = Instant(double_rig("force", noise=1.0).model, jnp.asarray(0.0, DTYPE), Y)
    q, v = np.split(np.asarray(Y), 2)
    found = Gyroscope(lambda q: q[0] * q[1])(now)
    np.testing.assert_allclose(found, [q[0] * v[1] + v[0] * q[1]], rtol=1e-5)


def test_a_torque_sensor_reads_the_control_of_its_time():
    model = nl.NeuralLagrangian.from_lagrangian(lambda t, q, v: 0.5 * v @ v, force=ControlForce())
    ts = jnp.asarray([0.0, 1.0, 2.0], DTYPE)
    us = jnp.asarray([[1.0], [3.0], [2.0]], DTYPE)
    rig = with_control(Observed(model, {"torque": Sensor(AppliedForce(), noise=1.0)}), ts, us)
    np.testing.assert_allclose(rig.readings(ts, jnp.zeros((3, 2), DTYPE))["torque"], us)


def test_controls_of_a_scaled_model_have_the_times_of_its_sensors():
    """Also inside `Observed`: they are recorded in seconds, and the inner model counts another unit."""
    scaling = nl.trajectories.Scaling(centre=[0.0], q_scale=[2.0], t_scale=0.5)
    inner = nl.NeuralLagrangian.from_lagrangian(
        lambda t, q, v: 0.5 * v @ v, force=ControlForce(), stepsize_controller=nl.StepsPerSample(4)
    )
    ts = jnp.linspace(0.0, 2.0, 5).astype(DTYPE)
    us, start = jnp.sin(ts)[:, None], jnp.asarray([0.1, 0.2], DTYPE)
    scaled = nl.Scaled(inner, scaling)
    expected = with_control(scaled, ts, us)(ts, start)
    observed = with_control(Observed(scaled, {"angle": Sensor(Position(), noise=1.0)}), ts, us)
    np.testing.assert_allclose(observed(ts, start), expected)
    assert not np.allclose(with_control(scaled, ts / 2, us)(ts, start), expected, atol=1e-3)


@pytest.mark.bad_input
def test_bad_readings_are_named():
    now = Instant(pendulum(), jnp.asarray(0.0, DTYPE), jnp.zeros(2, DTYPE))
    with pytest.raises(ValueError, match=r"coordinate 3 is unknown; expected an index from 0 to 0"):
        Position(3)(now)
    with pytest.raises(ValueError, match=r"`point` returned shape \(1,\); expected \(2,\)"):
        Accelerometer(lambda q: q, lambda q: q[0])(now)
    with pytest.raises(ValueError, match=r"`angle` returned shape \(1,\); expected a scalar"):
        Gyroscope(lambda q: q)(now)
    free = nl.NeuralLagrangian.from_lagrangian(lambda t, q, v: 0.5 * v @ v)
    with pytest.raises(ValueError, match="without a `force`"):
        AppliedForce()(Instant(free, now.t, now.y))

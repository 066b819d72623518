"""Gain, offset, delay, drift and quantisation do what their formula says."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from neural_lagrangian.networks import Frozen
from neural_lagrangian.numerics import trained_and_rest
from neural_lagrangian.observation import Position, Sensor, Velocity

from ..helpers import DTYPE
from .rigs import pendulum, rig

START = jnp.asarray([1.2, 0.0])


@pytest.mark.double
@pytest.mark.parametrize("delay", [-0.015, 0.0, 0.02, 0.0371])
def test_a_late_sensor_reads_what_was_there_before(delay):
    """A sample stamped t has the value of t - delay, be it a sample or not, early or late."""
    model, ts = pendulum(steps=None), jnp.linspace(0.5, 1.0, 26)
    ys = model(jnp.concatenate([jnp.zeros(1), ts]), START)[1:]
    shifted = model(jnp.concatenate([jnp.zeros(1), ts - delay]), START)[1:]
    sensor = Sensor(Velocity(), noise=1.0, gain=2.0, offset=0.3, delay=delay)
    found = jax.vmap(lambda t, y: sensor(model, t, y))(ts, ys)
    np.testing.assert_allclose(found, 2 * shifted[:, 1:] + 0.3, atol=2e-7)
    if delay:
        assert np.abs(np.asarray(found - (2 * ys[:, 1:] + 0.3))).max() > 0.05


@pytest.mark.double
def test_a_clock_that_drifts_is_late_by_its_time():
    model, ts = pendulum(steps=None), jnp.asarray([1.0, 4.0])
    ys = model(jnp.concatenate([jnp.zeros(1), ts]), START)[1:]
    drifting = Sensor(Position(), noise=1.0, delay=0.01, drift=0.005)
    for t, y in zip(ts, ys, strict=True):
        late = Sensor(Position(), noise=1.0, delay=0.01 + 0.005 * float(t))
        np.testing.assert_allclose(drifting(model, t, y), late(model, t, y), rtol=1e-12)


@pytest.mark.double
def test_nothing_kinks_where_a_delay_passes_a_sample():
    """The reading is smooth: its slope just before and just after a delay of one sample is the same."""
    model, t, y = pendulum(), jnp.asarray(0.0), START + jnp.asarray([0.0, 0.7])

    def reading(delay):
        return Sensor(Velocity(), noise=1.0, delay=delay)(model, t, y)[0]

    for delay in (0.0, 0.01):
        before, after = (float(jax.grad(reading)(jnp.asarray(delay + side))) for side in (-1e-9, 1e-9))
        assert abs(before - after) < 1e-6 * abs(before)
        assert abs(before) > 1


def test_what_is_absent_or_frozen_is_not_trained():
    trained, _ = trained_and_rest(Sensor(Position(), noise=Frozen(0.1), gain=Frozen(2.0), delay=0.01))
    assert [float(leaf) for leaf in jax.tree.leaves(trained)] == [pytest.approx(0.01)]
    assert jax.tree.leaves(trained_and_rest(Sensor(Position(), noise=Frozen(0.1)))[0]) == []


def test_simulated_observations_have_the_noise_and_the_steps_that_are_declared():
    quantum, ts = 0.02, jnp.linspace(0.0, 20.0, 2001).astype(DTYPE)
    coarse = rig(noise=0.03, quantum=quantum)
    ys = coarse(ts, START.astype(DTYPE))
    seen = coarse.observe(ts, ys, key=jax.random.key(1))["encoder"]
    error = np.asarray(seen - coarse.readings(ts, ys)["encoder"])
    np.testing.assert_allclose(np.asarray(seen) / quantum, np.rint(np.asarray(seen) / quantum), atol=1e-2)
    assert error.std() == pytest.approx(float(coarse.sensors["encoder"].deviation), rel=0.05)
    assert float(coarse.sensors["encoder"].deviation) == pytest.approx(np.hypot(0.03, quantum / np.sqrt(12)), rel=1e-5)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"noise": 0.0}, "`noise` is 0.0.*; expected a positive standard deviation"),
        ({"noise": None}, "`noise` is None; expected a positive"),
        ({"noise": 1.0, "gain": "two"}, "`gain` cannot be read as an array"),
        ({"noise": 1.0, "delay": np.ones(2)}, r"`delay` has shape \(2,\), dtype float\d+; expected a number"),
        ({"noise": 1.0, "offset": np.inf}, "`offset` is inf; expected a finite number"),
        ({"noise": 1.0, "quantum": -1.0}, "`quantum` is -1.0; expected a positive step"),
        ({"noise": 1.0, "gain": 2 + 0j}, "`gain` has shape .*complex.*; expected a number"),
    ],
)
def test_bad_sensors_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        Sensor(Position(), **arguments)
    with pytest.raises(
        ValueError, match=r"`reading` is .*; expected an instance of Acceleration, Accelerometer, AppliedForce"
    ):
        Sensor("angle", noise=1.0)

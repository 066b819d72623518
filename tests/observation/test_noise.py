"""Noise of sensors, estimated beside everything else by least squares."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.networks import Frozen
from neural_lagrangian.observation import Observed, Position, Sensor, Velocity, calibrate, estimate_noise
from neural_lagrangian.observation.determination import of_observations
from neural_lagrangian.observation.linearized import with_known_noise

from .rigs import rig

pytestmark = [pytest.mark.double, pytest.mark.optax]
STEPS = nl.StepsPerSample(1)
TS = np.arange(3000) * 0.01


def free(**sensors):
    model = nl.NeuralLagrangian.from_lagrangian(lambda t, q, v: 0.5 * v @ v, stepsize_controller=STEPS)
    return Observed(model, sensors)


def uniform(seed=0, **noise):
    """A body that moves at 1 m/s, seen with this noise."""
    rng = np.random.default_rng(seed)
    ys = np.stack([TS, np.ones_like(TS)], axis=1)
    plain = {"place": ys[:, 0], "speed": ys[:, 1]}
    seen = {name: plain[name] + size * rng.normal(size=TS.size) for name, size in noise.items()}
    return nl.Trajectories(TS, ys, observations=seen)


@pytest.mark.parametrize("horizon", [4, 99])
def test_short_windows_do_not_make_noise_small(horizon):
    """Of ten values in a window of five samples, two are taken up by the initial state."""
    motion = uniform(place=0.3, speed=0.02)
    model = free(place=Sensor(Position(), noise=1.0), speed=Sensor(Velocity(), noise=1.0))
    for _ in range(4):  # the weights of both channels settle
        model = estimate_noise(model, motion, horizon=horizon)
    assert float(model.sensors["place"].noise) == pytest.approx(0.3, rel=0.05)
    assert float(model.sensors["speed"].noise) == pytest.approx(0.02, rel=0.05)


def test_known_noise_and_quantisation_are_left_out():
    motion = uniform(place=0.3, speed=0.02)
    step = 0.5
    coarse = step * np.round(motion.observations["place"] / step)
    motion = nl.Trajectories(TS, motion.ys, observations={**motion.observations, "place": coarse})
    model = free(
        place=Sensor(Position(), noise=1.0, quantum=step), speed=Sensor(Velocity(), noise=Frozen(0.02), gain=1.0)
    )
    found = estimate_noise(model, motion).sensors
    assert float(found["place"].noise) == pytest.approx(0.3, rel=0.05)  # and 0.33 with the steps
    assert isinstance(found["speed"].log_noise, Frozen)


def test_each_value_counts_once():
    """Windows that overlapped would count values again, and make all errors too small."""
    model = with_known_noise(free(place=Sensor(Position(), noise=0.3, gain=1.0)))
    _, _, leftover = of_observations(model, uniform(place=0.3), 9, 1)
    assert float(leftover["place"].observed.sum()) == TS.size


def test_noise_is_not_below_the_least():
    motion = uniform(place=0.3, speed=0.02)
    model = free(place=Sensor(Position(), noise=1.0), speed=Sensor(Velocity(), noise=1.0))
    least = {"speed": 0.1}
    found = estimate_noise(model, motion, least_noise=least).sensors
    assert float(found["speed"].noise) == pytest.approx(0.1)
    assert float(found["place"].noise) == pytest.approx(0.3, rel=0.05)
    found = calibrate(model, motion, rounds=1, steps=2, horizon=99, least_noise=least).model.sensors
    assert float(found["speed"].noise) == pytest.approx(0.1)


@pytest.mark.slow
def test_noise_of_a_late_encoder_is_found_with_its_calibration():
    """From noise that is wrong by factors of four, in both directions."""
    ts = np.arange(0, 6.0, 0.01)
    truth = rig()
    seen = truth.observe(ts, truth(ts, jnp.asarray([1.8, 0.0])), key=jax.random.key(0))
    guess = np.concatenate([seen["encoder"], seen["gyro"]], axis=1)
    motion = nl.Trajectories(ts, guess, observations={name: np.asarray(x) for name, x in seen.items()})
    start = rig(k=8.0, gain=1.0, offset=0.0, delay=0.02, noise=0.04)
    result = calibrate(start, motion, horizon=49, windows=12, steps=12)
    encoder = result.model.sensors["encoder"]
    assert float(encoder.noise) == pytest.approx(0.01, rel=0.1)
    assert float(result.model.sensors["gyro"].noise) == pytest.approx(0.05, rel=0.1)
    assert float(encoder.delay) == pytest.approx(0.037, abs=2e-3)
    assert result.loss[-1] == pytest.approx(1, abs=0.15)


@pytest.mark.bad_input
def test_bad_input_is_named():
    motion = uniform(place=0.3)
    with pytest.raises(ValueError, match="sensors whose noise is `Frozen`"):
        estimate_noise(free(place=Sensor(Position(), noise=Frozen(0.3), gain=1.0)), motion)
    with pytest.raises(ValueError, match=r"`observations\['place'\]` has .* no more than the windows have"):
        estimate_noise(free(place=Sensor(Position(), noise=0.3)), motion, horizon=1)
    with pytest.raises(ValueError, match=r"`least_noise` names \['camera'\]; expected .* \['place'\]"):
        estimate_noise(free(place=Sensor(Position(), noise=0.3)), motion, least_noise={"camera": 0.1})
    with pytest.raises(ValueError, match=r"`least_noise` is .* expected positive numbers"):
        calibrate(free(place=Sensor(Position(), noise=0.3)), motion, least_noise={"place": 0.0})
    with pytest.raises(ValueError, match=r"`least_noise` names \['place'\]; expected .* \[\]"):
        calibrate(free(place=Sensor(Position(), noise=Frozen(0.3), gain=1.0)), motion, least_noise={"place": 0.1})
    with pytest.raises(ValueError, match="`rounds` is 0"):
        calibrate(free(place=Sensor(Position(), noise=0.3)), motion, rounds=0)

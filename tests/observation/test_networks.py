"""Sensors beside a network: what the network would take up is refused, and the rest is found."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.networks import Frozen, GroupAverage, parity
from neural_lagrangian.observation import Gyroscope, Observed, Position, Sensor, calibrate, information

from .rigs import pendulum

pytestmark = [pytest.mark.double, pytest.mark.optax]
TRUTH = {"gain": 1.1, "offset": 0.05, "delay": 0.037}


def angle_of(q):
    return q[0]


def seen_by(model, gyro=True, **encoder):
    """A late encoder of unknown scale, beside a gyroscope that is on time."""
    sensors = {"encoder": Sensor(Position(0), noise=0.01, **encoder)}
    return Observed(model, sensors | ({"gyro": Sensor(Gyroscope(angle_of), noise=0.05)} if gyro else {}))


def network(width=4, even=False):
    lagrangian = nl.MechanicalLagrangian.from_mlp(1, width, 1, mass="unit", key=jax.random.key(1))
    if even:
        lagrangian = nl.MechanicalLagrangian(GroupAverage(lagrangian.potential, parity(1)), dof=1)
    return nl.NeuralLagrangian.from_lagrangian(lagrangian, dof=1, stepsize_controller=nl.StepsPerSample(1))


def swings(seconds, gyro=True):
    """Three swings of other energies; the raw readings are the first guess of the states."""
    ts, truth = np.arange(0, seconds, 0.02), seen_by(pendulum(damping=0.0), **TRUTH)
    motions = [truth(ts, jnp.asarray(start)) for start in ([1.8, 0.0], [1.0, 0.0], [0.3, 3.0])]
    seen = [truth.observe(ts, ys, key=jax.random.key(seed)) for seed, ys in enumerate(motions)]
    channels = {name: np.stack([np.asarray(one[name]) for one in seen]) for name in truth.sensors}
    guess = np.concatenate([channels["encoder"], channels["gyro"]], axis=2)
    return nl.Trajectories(ts, guess, observations=channels if gyro else {"encoder": channels["encoder"]})


def test_what_a_network_takes_up_is_named():
    """A network of an angle is as good with another zero, but for an even one. A gyroscope alone gives it the scale."""
    motion = swings(2.0)
    known = information(seen_by(network(), **TRUTH), motion, horizon=49)
    assert known.words() == ["sensors['encoder'].offset is confounded with the weights of the network"]
    assert np.isinf(known.estimate(lambda m: m.sensors["encoder"].offset)[1])
    assert known.estimate(lambda m: m.sensors["encoder"].gain)[1] < 0.01
    even = information(seen_by(network(even=True), **TRUTH), motion, horizon=49)
    assert even.words() == []
    assert np.isfinite(even.estimate(lambda m: m.sensors["encoder"].offset)[1])
    alone = TRUTH | {"delay": None}
    lines = information(seen_by(network(), gyro=False, **alone), swings(2.0, gyro=False), horizon=49).words()
    assert sorted(line.split()[0] for line in lines) == ["sensors['encoder'].gain", "sensors['encoder'].offset"]


@pytest.mark.bad_input
def test_what_a_network_takes_up_is_not_calibrated():
    motion = swings(2.0)
    message = r"`model` trains sensors\['encoder'\].offset, which the observations do not determine.*of the network"
    with pytest.raises(ValueError, match=message):
        calibrate(seen_by(network(), **TRUTH), motion, horizon=49)


@pytest.mark.slow
def test_gain_and_delay_are_found_beside_a_network():
    """Gain and delay within three errors of the truth, which are small, and a network that predicts the motion."""
    motion, begun = swings(10.0), {"gain": 1.0, "offset": Frozen(0.05), "delay": 0.01}
    model = calibrate(seen_by(network(width=8), **begun), motion, horizon=49, windows=30).model
    known = information(model, motion, horizon=49)
    for name, largest in {"gain": 2e-3, "delay": 5e-4}.items():
        value, error = known.estimate(lambda m, name=name: getattr(m.sensors["encoder"], name))
        assert error < largest
        assert abs(value - TRUTH[name]) < 3 * error
    assert float(model.sensors["encoder"].noise) == pytest.approx(0.01, rel=0.1)
    assert float(model.sensors["gyro"].noise) == pytest.approx(0.05, rel=0.1)
    ts, start = np.arange(0, 2.0, 0.02), jnp.asarray([1.4, 0.0])
    assert np.abs(model(ts, start) - pendulum(damping=0.0)(ts, start))[:, 0].max() < 0.05

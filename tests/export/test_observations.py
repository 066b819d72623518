"""What sensors see, in the C file."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.observation import Accelerometer, Gyroscope, Observed, Position, Sensor, StateFunction

from ..helpers import bob
from .compiled import exported, needs_compiler

pytestmark = [pytest.mark.double]


def rig():
    sensors = {
        "encoder": Sensor(Position(), noise=0.01, gain=1.1, offset=0.3),
        "imu": Sensor(Accelerometer(bob, lambda q: q[0]), noise=0.1, gain=1.05),
        "gyroscope": Sensor(Gyroscope(lambda q: q[0]), noise=0.02),
        "tip": Sensor(StateFunction(lambda t, q, v: bob(q) + 0.01 * t), noise=0.01),
    }
    return Observed(nl.systems.Pendulum(), sensors)


def seen(t, y):
    return jnp.concatenate([values[0] for values in rig().readings(t[None], y[None]).values()])


@needs_compiler
@pytest.mark.parametrize(("dtype", "tolerance"), [("double", 1e-12), ("float", 1e-5)])
def test_a_compiled_observation_is_that_of_the_sensors(dtype, tolerance, tmp_path):
    compiled = exported(nl.systems.Pendulum(), tmp_path, dtype=dtype, observation=seen)
    ys = np.random.default_rng(0).normal(size=(50, 2))
    expected = np.asarray(jax.vmap(lambda y: seen(jnp.asarray(0.5), y))(jnp.asarray(ys)))
    found = np.stack([compiled("observation", expected.shape[1:], t=0.5, q=y[:1], v=y[1:]) for y in ys])
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance * np.abs(expected).max())
    assert np.sum(np.ptp(expected, axis=0) > 0.1) == 5  # a swinging bob feels no tangential force


def test_an_exported_program_has_the_observation_too(tmp_path):
    pytest.importorskip("flatbuffers")
    path = nl.export.to_stablehlo(nl.systems.Pendulum(), tmp_path / "m.stablehlo", dtype="double", observation=seen)
    exported = nl.export.load_stablehlo(path)
    y = jnp.array([0.3, -0.7])
    np.testing.assert_allclose(
        exported.functions["observation"](0.5, y[:1], y[1:]), seen(jnp.asarray(0.5), y), rtol=1e-13
    )

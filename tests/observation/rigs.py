"""Observed systems that the tests of this folder share."""

import jax.numpy as jnp

import neural_lagrangian as nl
from neural_lagrangian.lagrangians import ParametricLagrangian
from neural_lagrangian.mechanics import LinearDamping
from neural_lagrangian.observation import Gyroscope, Observed, Position, Sensor

from ..helpers import DTYPE, READINGS, double_pendulum

FINE = nl.StepsPerSample(2)


def pendulum(k=9.0, damping=0.2, steps=FINE):
    r"""A pendulum of $k = g / l$ with friction; both are trained."""
    lagrangian = ParametricLagrangian(lambda t, q, v, *, k: 0.5 * v @ v + k * jnp.cos(q[0]), dof=1, k=k)
    force = LinearDamping(jnp.asarray([damping], DTYPE))
    return nl.NeuralLagrangian(lagrangian, nl.integrators.RK4(), stepsize_controller=steps, force=force)


def rig(k=9.0, gain=1.1, offset=0.05, delay=0.037, noise=0.01, **others):
    """A late encoder of unknown gain and offset beside a gyroscope that is on time."""
    encoder = Sensor(Position(), noise=noise, gain=gain, offset=offset, delay=delay, **others)
    return Observed(pendulum(k), {"encoder": encoder, "gyro": Sensor(Gyroscope(lambda q: q[0]), noise=0.05)})


def double_rig(name, **quantities):
    """A double pendulum with damping, observed by one reading."""
    force = LinearDamping(jnp.asarray([0.1, 0.2], DTYPE))
    motion = nl.NeuralLagrangian.from_lagrangian(
        double_pendulum, nl.integrators.RK4(), stepsize_controller=FINE, force=force
    )
    return Observed(motion, {"seen": Sensor(READINGS[name][0], **quantities)})

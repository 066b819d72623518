"""What the tests share: registries of Lagrangians, mass solves and solvers, and independent oracles."""

import dataclasses

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optimistix as optx
import pytest

from neural_lagrangian import observation
from neural_lagrangian.identification.recordings import channel_of, reading_of
from neural_lagrangian.integrators import RK4
from neural_lagrangian.mechanics import (
    BoucWen,
    Cholesky,
    ControlForce,
    DampedInverse,
    DeadTime,
    FirstOrderLag,
    LearnedMemory,
    LuGre,
    Maxwell,
    PseudoInverse,
    SecondOrderLag,
)
from neural_lagrangian.systems import DoublePendulum
from neural_lagrangian.training import Rollouts, Running, Watching

DTYPE = jnp.result_type(float)
DOUBLE = jnp.float64 == DTYPE


def fit_options(**flat):
    """Arguments of `fit`, made of those of its option objects too."""
    for name, kind in (("rollouts", Rollouts), ("watching", Watching), ("running", Running)):
        own = {field.name for field in dataclasses.fields(kind)} & flat.keys()
        if own:
            flat[name] = kind(**{field: flat.pop(field) for field in own})
    return flat


def slow(*values):
    """A case of a parametrised test that is left to `--slow`: another one of the same law is run always."""
    return pytest.param(*values, marks=pytest.mark.slow)


def slow_but(names, *always):
    """Cases by name, of which few run always."""
    return [name if name in always else slow(name) for name in names]


class ChargedParticle(eqx.Module):
    """Three dimensions, a gauge potential linear in v, explicit time, a velocity-dependent mass: nothing vanishes."""

    field: jax.Array = eqx.field(default_factory=lambda: jnp.asarray([0.3, -0.7, 1.1]))

    def __call__(self, t, q, v):
        potential = jnp.cross(self.field, q) * (1 + jnp.sin(t))
        mass = 1 + jnp.dot(q, q)
        return 0.5 * mass * jnp.dot(v, v) + 0.1 * jnp.sum(v**4) + jnp.dot(potential, v) - jnp.sum(jnp.cos(q)) * t


class Oscillators(eqx.Module):
    """Coupled oscillators in any dimension, with a mass matrix that depends on q."""

    stiffness: jax.Array

    def __init__(self, dof):
        A = np.random.default_rng(dof).normal(size=(dof, dof))
        self.stiffness = jnp.asarray(A @ A.T + np.eye(dof), DTYPE)

    def __call__(self, t, q, v):
        M = self.stiffness + jnp.outer(q, q)
        return 0.5 * v @ M @ v - 0.5 * q @ self.stiffness @ q


def double_pendulum(t, q, v):
    return DoublePendulum((1.0, 1.4), (0.8, 1.1), 9.81).lagrangian(t, q, v)


LAGRANGIANS = {
    "oscillator": (Oscillators(1), 1),
    "double_pendulum": (double_pendulum, 2),
    "charged_particle": (ChargedParticle(), 3),
    "oscillators_5": (Oscillators(5), 5),
}

MASS_SOLVES = {
    "pseudoinverse": PseudoInverse(),
    "damped": DampedInverse(),
    "cholesky": Cholesky(),
}


def states(dof, count, seed=0, scale=1.0):
    """Random times, coordinates and velocities."""
    draw = np.random.default_rng(seed).normal(size=(count, 2 * dof + 1)) * scale
    return tuple(jnp.asarray(part, DTYPE) for part in (draw[:, 0], draw[:, 1 : dof + 1], draw[:, dof + 1 :]))


def plain_acceleration(lagrangian, t, q, v, solve=None):
    """The published formula: nested derivatives of every block, and a dense solve (Cranmer et al. 2020, eq. 6)."""
    M = jax.hessian(lagrangian, 2)(t, q, v)
    mixed = jax.jacfwd(jax.grad(lagrangian, 2), 1)(t, q, v)
    b = jax.grad(lagrangian, 1)(t, q, v) - mixed @ v - jax.jacfwd(jax.grad(lagrangian, 2), 0)(t, q, v)
    return jnp.linalg.solve(M, b) if solve is None else solve(M, b)


def central_difference(f, x, direction, step):
    """Directional derivative by a fourth-order central difference."""

    def at(k):
        return f(jax.tree.map(lambda a, d: a + k * step * d, x, direction))

    return jax.tree.map(lambda a, b, c, d: (8 * (a - b) - (c - d)) / (12 * step), at(1), at(-1), at(2), at(-2))


def random_like(tree, seed=0):
    rng = np.random.default_rng(seed)
    return jax.tree.map(lambda x: jnp.asarray(rng.normal(size=x.shape), x.dtype), tree)


def inner(a, b):
    products = jax.tree.map(lambda x, y: jnp.sum(x * y), a, b)
    return sum(jax.tree.leaves(products))


def mlp(in_size, out="scalar", width=8, depth=1, activation=jax.nn.softplus, seed=0):
    """A network, its weights as Equinox would draw them but by NumPy: nothing to compile."""

    def make():
        return eqx.nn.MLP(in_size, out, width, depth, activation=activation, key=jax.random.key(0))

    network, rng = eqx.filter_eval_shape(make), np.random.default_rng(seed)
    shapes, rest = eqx.partition(network, lambda leaf: isinstance(leaf, jax.ShapeDtypeStruct))
    sizes = [size for size in (1 if in_size == "scalar" else in_size, *[width] * depth) for _ in ("weight", "bias")]
    draws = [rng.uniform(-1, 1, s.shape) / np.sqrt(n) for s, n in zip(jax.tree.leaves(shapes), sizes, strict=True)]
    arrays = jax.tree.unflatten(jax.tree.structure(shapes), [jnp.asarray(draw, DTYPE) for draw in draws])
    return eqx.combine(arrays, rest)


def small_network(dof=2, width=8, out="scalar", **keywords):
    return mlp(2 * dof, out, width, **keywords)


SOLVERS = {
    "euler": diffrax.Euler(),
    "heun": diffrax.Heun(),
    "tsit5": diffrax.Tsit5(),
    "dopri8": diffrax.Dopri8(),
    "kvaerno5": diffrax.Kvaerno5(root_finder=diffrax.VeryChord(rtol=1e-12, atol=1e-12, norm=optx.max_norm)),
    "rk4": RK4(),
}


def bob(q):
    """The bob of a pendulum of 1 m."""
    return jnp.stack([jnp.sin(q[0]), -jnp.cos(q[0])])


class Camera(eqx.Module):
    """The second bob of a double pendulum in an image of unknown scale and tilt."""

    scale: jax.Array
    tilt: jax.Array

    def __call__(self, t, q, v):
        tip = DoublePendulum((1.0, 1.4), (0.8, 1.1), 9.81).drawing(q).bodies[-1]
        c, s = jnp.cos(self.tilt), jnp.sin(self.tilt)
        return self.scale * jnp.stack([c * tip[0] - s * tip[1], s * tip[0] + c * tip[1]])


READINGS = {
    "position": (observation.Position(1), 1),
    "velocity": (observation.Velocity(), 2),
    "acceleration": (observation.Acceleration(), 2),
    "sine of a sum": (reading_of(channel_of("seen", "sine:a+b", "ab", {}), "ab"), 1),
    "acceleration of a difference": (reading_of(channel_of("seen", "acceleration:b-a", "ab", {}), "ab"), 1),
    "camera": (observation.StateFunction(Camera(jnp.asarray(1.3, DTYPE), jnp.asarray(0.2, DTYPE))), 2),
    "angle between": (observation.StateFunction(lambda t, q, v: q[1] - q[0]), 1),
    "accelerometer": (observation.Accelerometer(bob, lambda q: q[0] + 0.1), 2),
    "gyroscope": (observation.Gyroscope(lambda q: q[0] + q[0] * q[1]), 1),
    "force": (observation.AppliedForce(0), 1),
}
"""Readings of a double pendulum with damping, and the number of their columns."""


def _command(t):
    return jnp.stack([jnp.sin(3 * t)])


def _learned_memory():
    rate, output = (mlp(3, 1, activation=jnp.tanh, seed=seed) for seed in (1, 2))
    return LearnedMemory(rate, output, internal=1)


MEMORIES = {
    "lugre": LuGre([60.0], coulomb=[0.3], breakaway=[0.5], stribeck_velocity=[0.4], damping=[0.5], viscous=[0.1]),
    "bouc_wen": BoucWen([0.8], yield_displacement=[0.2], exponent=[1.7], unloading=[0.4]),
    "maxwell": Maxwell([3.0], relaxation_time=[0.4]),
    "first_order_lag": FirstOrderLag(ControlForce(control=_command), 0.2),
    "second_order_lag": SecondOrderLag(DeadTime(ControlForce(control=_command), 0.1), 8.0, 0.3),
    "learned": _learned_memory(),
}
"""Forces with memory for one degree of freedom."""

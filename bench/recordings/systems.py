"""Systems of the gym: a Lagrangian with friction, and where its motion begins."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import neural_lagrangian as nl

Force = Callable[[Any, Any, Any], Any]


class System(NamedTuple):
    """A system whose family is known to `identify`.

    `family`: a part of the name of the candidate that is right. `friction`: words that its friction must have.
    `period`: of its motion, in seconds. `start`: initial coordinates; the motion begins at rest.
    """

    names: tuple[str, ...]
    angles: tuple[str, ...]
    family: str
    friction: tuple[str, ...]
    lagrangian: Callable[[Any, Any, Any], Any]
    force: Force | None
    period: float
    start: tuple[float, ...]

    def motion(self, ts: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """States at the times, from a start that differs a little each time; shape `(time, 2 dof)`."""
        q = np.array(self.start) * rng.uniform(0.8, 1.2, len(self.start))
        y0 = jnp.asarray(np.concatenate([q, np.zeros(len(q))]))
        return np.asarray(jax.jit(self.model)(jnp.asarray(ts), y0))

    @property
    def model(self) -> nl.NeuralLagrangian:
        """The true model."""
        return nl.NeuralLagrangian.from_lagrangian(self.lagrangian, dof=len(self.names), force=self.force)


def pendulum(t, q, v):
    return 0.5 * v[0] ** 2 + 20.0 * jnp.cos(q[0])


def double_pendulum(t, q, v):
    kinetic = 0.5 * v[0] ** 2 + 0.25 * v[1] ** 2 + 0.4 * jnp.cos(q[0] - q[1]) * v[0] * v[1]
    return kinetic + 30.0 * jnp.cos(q[0]) + 12.0 * jnp.cos(q[1])


def cart(t, q, v):
    kinetic = 0.5 * v[0] ** 2 + 0.15 * v[1] ** 2 + 0.4 * jnp.cos(q[1]) * v[0] * v[1]
    return kinetic + 3.924 * jnp.cos(q[1]) - 2.0 * q[0] ** 2


def elastic(t, q, v):
    return 0.5 * (v[0] ** 2 + (q[0] * v[1]) ** 2) + 9.81 * q[0] * jnp.cos(q[1]) - 20.0 * (q[0] - 1.0) ** 2


def spring(t, q, v):
    return 0.5 * v[0] ** 2 - 8.0 * q[0] ** 2


def springs(t, q, v):
    return 0.5 * v[0] ** 2 + v[1] ** 2 - 5.0 * q[0] ** 2 - 4.0 * q[1] ** 2 - 6.0 * (q[0] - q[1]) ** 2


def linear(*rates: float) -> Force:
    """Linear friction at each coordinate."""
    return lambda t, q, v: -jnp.asarray(rates) * v


def dry(t, q, v):
    return -0.25 * jnp.tanh(v / 0.05)


def drag(t, q, v):
    return -0.1 * v * jnp.abs(v)


ONE, TWO, MIXED = ("a",), ("a", "b"), ("x", "a")
SYSTEMS = {
    "pendulum, dry friction": System(ONE, ONE, "rigid chain", ("dry",), pendulum, dry, 1.5, (1.8,)),
    "double pendulum": System(TWO, TWO, "absolute", ("linear",), double_pendulum, linear(0.03, 0.01), 1.2, (1.2, 1.5)),
    "cart": System(MIXED, ONE, "cart", ("linear",), cart, linear(0.1, 0.02), 1.6, (0.3, 1.0)),
    "elastic pendulum": System(MIXED, ONE, "pendulum on a spring", ("no friction",), elastic, None, 1.6, (1.4, 0.9)),
    "spring, drag": System(ONE, (), "mass on a spring", ("drag",), spring, drag, 1.6, (2.0,)),
    "two springs": System(TWO, (), "2 masses", ("linear",), springs, linear(0.05, 0.05), 1.5, (1.0, -0.5)),
}
"""The systems by name."""

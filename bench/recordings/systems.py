"""Systems of the gym: a Lagrangian with constants, its friction, and where its motion begins."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import neural_lagrangian as nl
from neural_lagrangian.identification import Family

Values = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class System:
    r"""A system with friction $-c_k r_k - \mu_k \tanh(r_k / w) - d_k r_k |r_k|$ at the joint rates $r = R v$.

    `family`: a part of the name of the candidate that is right; empty if the formula must be searched for. `constants`:
    of `lagrangian(constants, q, v)`. `joints`: $R$; `None` for the velocities. `drive`: a force that depends on time,
    which no candidate has. `motor`: force on each coordinate per unit of the recorded control. `torque`: size of that
    control. `period`: of the motion, in seconds. `start`: initial state.
    """

    names: tuple[str, ...]
    angles: tuple[str, ...]
    family: str
    lagrangian: Callable[[Values, Any, Any], Any]
    constants: Values
    period: float
    start: tuple[float, ...]
    linear: tuple[float, ...] = ()
    dry: tuple[float, ...] = ()
    drag: tuple[float, ...] = ()
    joints: tuple[tuple[float, ...], ...] | None = None
    drive: Callable[[Any], Any] | None = None
    motor: tuple[float, ...] = ()
    torque: float = 0.0

    def control(self, ts: Any) -> Any:
        """The control of the motor: random steps, each held for a third of a period."""
        levels = jnp.asarray(np.random.default_rng(7).uniform(-self.torque, self.torque, MAX_LEVELS))
        return levels[jnp.floor(3 * jnp.asarray(ts) / self.period + 1e-6).astype(int)]

    @property
    def dof(self) -> int:
        """Degrees of freedom."""
        return len(self.names)

    @property
    def kind(self) -> str:
        """The name of the candidate's friction, as `identify` tries it."""
        if self.drag:
            return "linear friction and drag"
        return "linear and dry friction" if self.dry else "linear friction" if self.linear else "no friction"

    @property
    def oracle(self) -> Family:
        """The true family as a candidate of `identify`, which starts from the true constants."""
        return Family(f"the true family of {self.names}", self.lagrangian, dict(self.constants), joints=self.joints)

    def motion(self, ts: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """States at the times, from a start that differs a little each time; shape `(time, 2 dof)`."""
        y0 = jnp.asarray(np.array(self.start) * rng.uniform(0.8, 1.2, len(self.start)))
        return np.asarray(jax.jit(self.model)(jnp.asarray(ts), y0))

    @cached_property
    def model(self) -> nl.NeuralLagrangian:
        """The true model."""
        return nl.NeuralLagrangian.from_lagrangian(self._lagrangian, dof=self.dof, force=self._force)

    def _lagrangian(self, t: Any, q: Any, v: Any) -> Any:
        return self.lagrangian(self.constants, q, v)

    def _force(self, t: Any, q: Any, v: Any) -> Any:
        R = jnp.eye(self.dof) if self.joints is None else jnp.asarray(self.joints)
        rates = R @ v
        linear, dry, drag = (jnp.asarray(part or (0.0,) * self.dof) for part in (self.linear, self.dry, self.drag))
        force = -(linear * rates + dry * jnp.tanh(rates / DRY_WIDTH) + drag * rates * jnp.abs(rates)) @ R
        force = force if self.drive is None else force + self.drive(t)
        return force + jnp.asarray(self.motor) * self.control(t) if self.motor else force


DRY_WIDTH = 0.05
"""Rate below which dry friction falls to zero, in SI units."""
MAX_LEVELS = 200
"""Number of levels of a control."""


def pendulum(c, q, v):
    return 0.5 * v[0] ** 2 + c["g"] * jnp.cos(q[0])


def hoop(c, q, v):
    return 0.5 * v[0] ** 2 + c["g"] * jnp.cos(q[0]) + c["turning"] * jnp.sin(q[0]) ** 2


def spring(c, q, v):
    return 0.5 * v[0] ** 2 - 0.5 * c["k"] * q[0] ** 2


def hard_spring(c, q, v):
    return 0.5 * v[0] ** 2 - 0.5 * c["k"] * q[0] ** 2 - 0.25 * c["d"] * q[0] ** 4


def chain(c, q, v):
    """A chain of bodies with absolute angles."""
    n = len(q)
    kinetic = sum(0.5 * c[f"I{i}{i}"] * v[i] ** 2 if i else 0.5 * v[i] ** 2 for i in range(n))
    for i in range(n):
        kinetic += sum(c[f"I{i}{j}"] * jnp.cos(q[i] - q[j]) * v[i] * v[j] for j in range(i + 1, n))
    return kinetic + sum(c[f"g{i}"] * jnp.cos(q[i]) for i in range(n))


def relative_chain(c, q, v):
    return chain(c, jnp.cumsum(q), jnp.cumsum(v))


def cart(c, q, v):
    kinetic = 0.5 * v[0] ** 2 + 0.5 * c["a"] * v[1] ** 2 + c["b"] * jnp.cos(q[1]) * v[0] * v[1]
    return kinetic + c["g"] * jnp.cos(q[1]) - 0.5 * c["k"] * q[0] ** 2


def elastic(c, q, v):
    kinetic = 0.5 * (v[0] ** 2 + (q[0] * v[1]) ** 2)
    return kinetic + c["g"] * q[0] * jnp.cos(q[1]) - 0.5 * c["k"] * (q[0] - c["rest"]) ** 2


def springs(c, q, v):
    kinetic = 0.5 * v[0] ** 2 + 0.5 * c["m"] * v[1] ** 2
    return kinetic - 0.5 * (c["k1"] * q[0] ** 2 + c["k2"] * q[1] ** 2 + c["k12"] * (q[0] - q[1]) ** 2)


def coupled(c, q, v):
    kinetic = 0.5 * v[0] ** 2 + 0.5 * c["m"] * v[1] ** 2
    return kinetic + c["g0"] * jnp.cos(q[0]) + c["g1"] * jnp.cos(q[1]) - 0.5 * c["k"] * (q[1] - q[0]) ** 2


ONE, TWO, THREE, MIXED = ("a",), ("a", "b"), ("a", "b", "c"), ("x", "a")
JOINTS_OF_TWO = ((1.0, 0.0), (-1.0, 1.0))
JOINTS_OF_THREE = ((1.0, 0.0, 0.0), (-1.0, 1.0, 0.0), (0.0, -1.0, 1.0))
CHAIN_OF_TWO = {"I11": 0.5, "I01": 0.4, "g0": 30.0, "g1": 12.0}
CHAIN_OF_THREE = {
    "I11": 0.7, "I22": 0.3, "I01": 0.7, "I02": 0.35, "I12": 0.35, "g0": 30.0, "g1": 20.0, "g2": 10.0,
}  # fmt: skip
COUPLED = {"m": 1.5, "g0": 20.0, "g1": 36.0, "k": 3.0}
SPRINGS = {"m": 2.0, "k1": 10.0, "k2": 8.0, "k12": 12.0}

SYSTEMS = {
    "pendulum, dry friction": System(
        ONE, ONE, "rigid chain", pendulum, {"g": 20.0}, 1.5, (1.8, 0.0), linear=(0.02,), dry=(0.25,)
    ),
    "turning pendulum": System(ONE, ONE, "rigid chain", pendulum, {"g": 20.0}, 1.0, (0.3, 14.0), linear=(0.05,)),
    "bead on a hoop": System(ONE, ONE, "", hoop, {"g": 20.0, "turning": 15.0}, 2.4, (2.4, 0.0), linear=(0.02,)),
    "spring, drag": System(ONE, (), "mass on a linear spring", spring, {"k": 16.0}, 1.6, (2.0, 0.0), drag=(0.1,)),
    "hard spring": System(
        ONE, (), "with a cubic force", hard_spring, {"k": 8.0, "d": 6.0}, 1.5, (1.5, 0.0), linear=(0.04,)
    ),
    "double pendulum": System(
        TWO, TWO, "absolute", chain, CHAIN_OF_TWO, 1.2, (1.2, 1.5, 0.0, 0.0), linear=(0.05, 0.02), joints=JOINTS_OF_TWO
    ),
    "chaotic double pendulum": System(
        TWO, TWO, "relative", relative_chain, CHAIN_OF_TWO, 1.2, (2.2, 0.8, 0.0, 1.0), dry=(0.1, 0.05)
    ),
    "cart": System(
        MIXED, ONE, "cart", cart, {"a": 0.3, "b": 0.4, "g": 3.924, "k": 4.0}, 1.6, (0.3, 1.0, 0.0, 0.0),
        linear=(0.1, 0.02),
    ),
    "elastic pendulum": System(
        MIXED, ONE, "pendulum on a spring", elastic, {"g": 9.81, "k": 40.0, "rest": 1.0}, 1.6, (1.4, 0.9, 0.0, 0.0)
    ),
    "two springs": System(
        TWO, (), "2 masses", springs, SPRINGS, 1.5, (1.0, -0.5, 0.0, 0.0), linear=(0.05, 0.05)
    ),
    "coupled pendulums": System(
        TWO, TWO, "coupled by springs", coupled, COUPLED, 1.4, (1.0, -0.3, 0.0, 0.0), linear=(0.05, 0.05)
    ),
    "triple pendulum": System(
        THREE, THREE, "absolute", chain, CHAIN_OF_THREE, 1.2, (0.7, 0.9, 1.1, 0.0, 0.0, 0.0),
        linear=(0.05, 0.03, 0.02), joints=JOINTS_OF_THREE,
    ),
    "driven pendulum": System(
        ONE, ONE, "", pendulum, {"g": 20.0}, 1.4, (0.4, 0.0), linear=(0.3,),
        drive=lambda t: 6.0 * jnp.cos(jnp.asarray([3.0]) * t),
    ),
    "pendulum with a motor": System(
        ONE, ONE, "rigid chain", pendulum, {"g": 20.0}, 1.4, (0.4, 0.0), linear=(0.3,), motor=(1.0,), torque=12.0
    ),
    "arm with a motor": System(
        TWO, TWO, "relative", relative_chain, CHAIN_OF_TWO, 1.2, (0.4, 0.3, 0.0, 0.0), linear=(0.2, 0.1),
        motor=(1.0, 0.0), torque=20.0,
    ),
    "cart with a motor": System(
        MIXED, ONE, "cart", cart, {"a": 0.3, "b": 0.4, "g": 3.924, "k": 4.0}, 1.6, (0.3, 1.0, 0.0, 0.0),
        linear=(0.1, 0.02), motor=(1.0, 0.0), torque=4.0,
    ),
}  # fmt: skip
"""The systems by name: swinging, turning, chaotic, damped, driven with and without a recorded control; one to three
degrees of freedom.
"""

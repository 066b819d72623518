"""Families of well-known systems: one formula each. Which of them fit a recording depends on its coordinates."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ...discovery import Library
from ..formulas import product_of_velocities
from ..recordings import Columns
from .drawing import hanging
from .family import AbstractFamily
from .linear_family import AbstractLinearFamily, Term
from .rigid_chain import MAX_BODIES, ChainFamily, frames


class AbstractAngleAndLength(AbstractLinearFamily):
    """Base of families with an angle and a length. `angle`: which of the two coordinates is the angle."""

    matrix: Float[Array, "dof dof"]
    width: Float[Array, " joint"]
    names: tuple[str, ...] = eqx.field(static=True)
    angle: int = eqx.field(static=True)

    @property
    def lengths(self) -> list[bool]:
        return [i != self.angle for i in range(2)]

    @property
    def is_drawn_to_scale(self) -> bool:
        return True


class CartPendulum(AbstractAngleAndLength):
    r"""A cart at $x$, on a spring or free, with a pendulum at the angle $\theta$ from the vertical:

    $$L = \tfrac12 \dot x^2 + \tfrac12 a\, \dot\theta^2 + b\, \dot x \dot\theta \cos\theta + g \cos\theta
        - \tfrac12 k\, x^2 + f x$$
    """

    @property
    def name(self) -> str:
        return "cart with a pendulum"

    @property
    def terms(self) -> list[Term]:
        return [
            Term("", 2, 2),
            Term("a", 0, 2, positive=True),
            Term("b", 1, 2),
            Term("g", 0, 0, positive=True),
            Term("k", 2, 0),
            Term("f", 1, 0),
        ]

    @property
    def offsets(self) -> list[tuple[int, str]]:
        return [(self.angle, "angle")]

    def drawn(
        self, theta: Float[np.ndarray, "time dof"], x: Float[np.ndarray, " unknown"]
    ) -> Float[np.ndarray, "time point 2"] | None:
        """The cart, and the end of a simple pendulum with the length $a / b$; `None` if they are not coupled.

        The first point of a line has no mark, so the cart has two.
        """
        q, (a, b) = self.without_offsets(theta, x), x[self.slices.constants][:2]
        if b == 0:
            return None
        cart = np.stack([q[:, 1 - self.angle], 0 * q[:, 0]], axis=1)
        return np.stack([cart, cart, cart + hanging(np.sign(b) * q[:, self.angle], abs(a / b))], axis=1)

    def values(self, q: Array, v: Array) -> Array:
        x, theta, u, w = q[1 - self.angle], q[self.angle], v[1 - self.angle], v[self.angle]
        c = jnp.cos(theta)
        return jnp.stack([u**2 / 2, w**2 / 2, u * w * c, c, -(x**2) / 2, x])

    def library(self, names: list[str] | None) -> Library:
        theta, x = [self.angle], [1 - self.angle]
        named: dict[str, Any] = {"names": names}
        waves, mixed = Library.waves(2, 1, theta, **named), product_of_velocities(2, 0, 1, named)
        constant = Library.coordinates(2, 2, x, **named)  # with the constant term
        return _squares(2, named) + waves * mixed + waves + constant


class ElasticPendulum(AbstractAngleAndLength):
    r"""A mass on a spring that swings, at the distance $r$ and the angle $\theta$ from the vertical:

    $$L = \tfrac12 \dot r^2 + \tfrac12 r^2 \dot\theta^2 + g\, r \cos\theta - \tfrac12 k\, r^2 + f r$$
    """

    @property
    def name(self) -> str:
        return "pendulum on a spring"

    @property
    def terms(self) -> list[Term]:
        return [Term("", 2, 2), Term("g", 1, 0, positive=True), Term("k", 2, 0, positive=True), Term("f", 1, 0)]

    @property
    def offsets(self) -> list[tuple[int, str]]:
        return [(self.angle, "angle"), (1 - self.angle, "length")]

    def drawn(
        self, theta: Float[np.ndarray, "time dof"], x: Float[np.ndarray, " unknown"]
    ) -> Float[np.ndarray, "time point 2"]:
        """The pivot and the mass."""
        q = self.without_offsets(theta, x)
        mass = hanging(q[:, self.angle], q[:, 1 - self.angle])
        return np.stack([0 * mass, mass], axis=1)

    def values(self, q: Array, v: Array) -> Array:
        r, theta, u, w = q[1 - self.angle], q[self.angle], v[1 - self.angle], v[self.angle]
        return jnp.stack([(u**2 + (r * w) ** 2) / 2, r * jnp.cos(theta), -(r**2) / 2, r])

    def library(self, names: list[str] | None) -> Library:
        theta, r = [self.angle], [1 - self.angle]
        named: dict[str, Any] = {"names": names}
        waves, powers = Library.waves(2, 1, theta, **named), Library.coordinates(2, 2, r, **named)
        linear = Library.coordinates(2, 1, r, **named)
        return _squares(2, named) + powers * _squares(2, named, theta) + linear * waves + waves + powers


class Springs(AbstractLinearFamily):
    r"""Masses between springs, also of unequal stiffness for small and large displacements:

    $$L = \tfrac12 \sum_i m_i \dot x_i^2 - \tfrac12 \sum_{ij} k_{ij} x_i x_j + \sum_i f_i x_i
        - \tfrac14 \sum_i d_i x_i^4$$

    with $m_1 = 1$. With `hardening` the last sum is there.
    """

    matrix: Float[Array, "dof dof"]
    width: Float[Array, " joint"]
    names: tuple[str, ...] = eqx.field(static=True)
    hardening: bool = eqx.field(static=True)

    @property
    def name(self) -> str:
        count = len(self.names)
        masses, springs = ("mass on a", "spring") if count == 1 else (f"{count} masses between", "springs")
        return f"{masses} {springs} with a cubic force" if self.hardening else f"{masses} linear {springs}"

    @property
    def lengths(self) -> list[bool]:
        return [True] * len(self.names)

    @property
    def terms(self) -> list[Term]:
        n = range(1, len(self.names) + 1)
        parts = [Term("" if i == 1 else f"m_{i}", 2, 2, positive=True) for i in n]
        parts += [Term(f"k_{i}{j}", 2, 0) for i in n for j in n if j >= i] + [Term(f"f_{i}", 1, 0) for i in n]
        return parts + [Term(f"d_{i}", 4, 0) for i in n if self.hardening]

    @property
    def offsets(self) -> list[tuple[int, str]]:
        return []

    def drawn(
        self, theta: Float[np.ndarray, "time dof"], x: Float[np.ndarray, " unknown"]
    ) -> Float[np.ndarray, "time point 2"]:
        """A wall, and the masses in equal distances from it."""
        apart = 2 * float(np.ptp(theta, axis=0).max())
        along = np.concatenate([0 * theta[:, :1], theta + apart * np.arange(1, len(self.names) + 1)], axis=1)
        return np.stack([along, 0 * along], axis=2)

    def values(self, q: Array, v: Array) -> Array:
        n = len(self.names)
        pairs = jnp.stack([-q[i] * q[j] * (0.5 if i == j else 1.0) for i in range(n) for j in range(i, n)])
        parts = [v**2 / 2, pairs, q, *([-(q**4) / 4] if self.hardening else [])]
        return jnp.concatenate(parts)

    def library(self, names: list[str] | None) -> Library:
        n, named = len(self.names), dict[str, Any](names=names)
        terms = _squares(n, named) + Library.coordinates(n, 2, **named)
        for i in range(n if self.hardening else 0):
            terms += Library.coordinates(n, 4, [i], **named)
        return terms


class CoupledPendulums(AbstractLinearFamily):
    r"""Pendulums side by side, coupled by springs between neighbours, at the angles $\theta_i$ from the vertical:

    $$L = \tfrac12 \sum_i m_i \dot\theta_i^2 + \sum_i g_i \cos\theta_i
        - \tfrac12 \sum_i k_i (\theta_{i + 1} - \theta_i)^2$$
    """

    matrix: Float[Array, "dof dof"]
    width: Float[Array, " joint"]
    names: tuple[str, ...] = eqx.field(static=True)

    @property
    def name(self) -> str:
        return f"{len(self.names)} pendulums coupled by springs"

    @property
    def lengths(self) -> list[bool]:
        return [False] * len(self.names)

    @property
    def terms(self) -> list[Term]:
        n = range(1, len(self.names) + 1)
        masses = [Term("" if i == 1 else f"m_{i}", 0, 2, positive=True) for i in n]
        return [*masses, *(Term(f"g_{i}", 0, 0) for i in n), *(Term(f"k_{i}", 0, 0) for i in n[:-1])]

    @property
    def offsets(self) -> list[tuple[int, str]]:
        return [(i, "angle") for i in range(len(self.names))]

    def drawn(
        self, theta: Float[np.ndarray, "time dof"], x: Float[np.ndarray, " unknown"]
    ) -> Float[np.ndarray, "time point 2"]:
        """Pivots two lengths apart on a beam, each with its pendulum."""
        pivots = np.stack([2.0 * np.arange(len(self.names)), np.zeros(len(self.names))], axis=1)
        bobs = pivots + hanging(self.without_offsets(theta, x))
        pivots = np.broadcast_to(pivots, bobs.shape)
        return np.stack([pivots, bobs, pivots], axis=2).reshape(len(theta), -1, 2)

    def values(self, q: Array, v: Array) -> Array:
        return jnp.concatenate([v**2 / 2, jnp.cos(q), -(jnp.diff(q) ** 2) / 2])

    def library(self, names: list[str] | None) -> Library:
        n, named = len(self.names), dict[str, Any](names=names)
        return _squares(n, named) + Library.waves(n, 1, **named) + Library.coordinates(n, 2, **named)


def _squares(dof: int, named: dict[str, Any], coordinates: list[int] | None = None) -> Library:
    """The squares of the velocities of these coordinates, or of all."""
    products = Library.velocities(dof, 2, coordinates, **named)
    return products.select([k for k, name in enumerate(products.names) if "^2" in name])


def families_for(columns: Columns) -> list[AbstractFamily]:
    """The families that may describe a recording with these coordinates, the simplest first."""
    dof, names, angles = columns.dof, columns.coordinates, columns.periodic
    eye, width = jnp.eye(dof), jnp.ones(dof)  # the width of dry friction follows from the motion
    if dof > MAX_BODIES:
        return []
    if len(angles) == dof:
        chains = [ChainFamily(frame, np.ones(dof)) for frame in frames(dof)]
        return [*chains, *([CoupledPendulums(eye, width, names)] if dof > 1 else [])]
    if not angles:
        return [Springs(eye, width, names, hardening) for hardening in (False, True)]
    if dof == 2:
        return [kind(eye, width, names, angles[0]) for kind in (CartPendulum, ElasticPendulum)]
    return []

"""Drawings of systems for animations: points and lines in the plane."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

Point = Float[Array, "2"]
Points = Float[Array, "point 2"]


class Drawing(NamedTuple):
    """A drawing of a system in the plane: x to the right, y up, in the unit of length of the system.

    - `bodies`: positions of the bodies, shape `(body, 2)`.
    - `lines`: rods, springs and tracks as polylines, shape `(line, point, 2)`.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> hanging = nl.systems.Pendulum(length=2.0).drawing(jnp.zeros(1))
    >>> hanging.bodies.tolist(), hanging.lines.shape
    ([[0.0, -2.0]], (1, 2, 2))
    ```
    """

    bodies: Float[Array, "body 2"]
    lines: Float[Array, "line point 2"]


def chain(joints: Points) -> Float[Array, "line 2 2"]:
    """Rods from each joint to the next."""
    return jnp.stack([joints[:-1], joints[1:]], axis=1)


def hanging(angle: Array, length: Array | float) -> Array:
    """Vector from the upper to the lower end of a rod, with `angle` (rad) from hanging straight down."""
    return length * jnp.stack([jnp.sin(angle), -jnp.cos(angle)], axis=-1)


def zigzag(start: Point, end: Point, *, turns: int = 8, width: float = 0.1) -> Points:
    """A spring from `start` to `end` as a zigzag line of the given `width`, with `2 turns + 2` points."""
    along = end - start
    length = jnp.linalg.norm(along)
    across = jnp.stack([-along[1], along[0]]) / jnp.where(length == 0, 1, length)
    where = jnp.concatenate([jnp.zeros(1), jnp.arange(0.5, 2 * turns) / (2 * turns), jnp.ones(1)])
    side = jnp.concatenate([jnp.zeros(1), jnp.tile(jnp.asarray([0.5, -0.5]), turns), jnp.zeros(1)]) * width
    where, side = where.astype(start.dtype), side.astype(start.dtype)
    return start[None] + where[:, None] * along[None] + side[:, None] * across[None]


def projected(q: Array) -> Array:
    """Project positions, shape `(body, dimension)`, on the x, y plane. A missing y is zero; other axes are dropped."""
    return jnp.pad(q, ((0, 0), (0, 1)))[:, :2] if q.shape[1] == 1 else q[:, :2]


def no_lines(bodies: Array) -> Float[Array, "0 2 2"]:
    """An empty array of lines, for a drawing without lines."""
    return jnp.zeros((0, 2, 2), bodies.dtype)

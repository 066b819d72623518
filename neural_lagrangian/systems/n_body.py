"""The gravitational N-body problem."""

from itertools import combinations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, PRNGKeyArray

from .._types import Coordinates, Scalar
from ..integrators import Integration
from .drawing import Drawing, no_lines, projected
from .parameter import Value, parameter
from .system import AbstractConservativeSystem, reference_integration


class NBody(AbstractConservativeSystem):
    r"""The gravitational N-body problem: point masses that attract each other, in two or three dimensions.

    $$L = \tfrac12 \sum_i m_i |\dot x_i|^2 + \sum_{i < j} \frac{G m_i m_j}{\sqrt{|x_i - x_j|^2 + \epsilon^2}}$$

    Coordinates are ordered by body, $q = [x_1, x_2, \dots]$.

    (Greydanus, Dzamba and Yosinski 2019, for two and three bodies.)

    **Arguments:**

    - `mass`: masses $m_i$ in kg. `gravity`: gravitational constant $G$ in m^3/(kg s^2).
    - `softening`: softening length $\epsilon \ge 0$ in m, which limits the force in close encounters.
    - `dimension`: dimension of space, 2 or 3.
    - `integration`: solver and step sizes of rollouts, an `Integration`.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> stars = nl.systems.NBody(mass=(1.0, 2.0))  # 1 m apart, G = 1
    >>> stars.acceleration(0.0, jnp.array([0.0, 0.0, 1.0, 0.0]), jnp.zeros(4)).tolist()
    [2.0, 0.0, -1.0, 0.0]
    ```
    """

    mass: tuple[Value, ...] = parameter("kg", (1.0, 1.0, 1.0))
    gravity: Value = parameter("m^3/(kg s^2)", 1.0)
    softening: Value = parameter("m", 0.0, sign="non-negative")
    dimension: int = eqx.field(default=2, static=True)
    integration: Integration = reference_integration()

    def __check_init__(self):
        if self.dimension not in (2, 3):
            raise ValueError(f"`dimension` is {self.dimension!r}; expected 2 or 3")

    @property
    def dof(self) -> int:
        return len(self.mass) * self.dimension

    def lagrangian(self, t: ArrayLike, q: Array, v: Array) -> Scalar:
        m, x, x_dot = self._bodies(q, v)
        i, j = np.triu_indices(len(self.mass), 1)
        distance = jnp.sqrt(jnp.sum((x[i] - x[j]) ** 2, axis=1) + self.softening**2)
        return 0.5 * jnp.dot(m, jnp.sum(x_dot**2, axis=1)) + self.gravity * jnp.sum(m[i] * m[j] / distance)

    def acceleration(self, t: ArrayLike, q: Array, v: Array) -> Coordinates:
        m, x, _ = self._bodies(q, v)
        towards = x[None] - x[:, None]
        squared = jnp.sum(towards**2, axis=2) + self.softening**2 + jnp.eye(len(self.mass), dtype=q.dtype)
        return self.gravity * jnp.einsum("ij,ijk->ik", m[None] / squared**1.5, towards).ravel()

    def energy(self, t: ArrayLike, q: Array, v: Array) -> Scalar:
        m, x, x_dot = self._bodies(q, v)
        total = jnp.zeros((), q.dtype)
        for i in range(len(self.mass)):
            total += 0.5 * m[i] * jnp.dot(x_dot[i], x_dot[i])
        for i, j in combinations(range(len(self.mass)), 2):
            total -= self.gravity * m[i] * m[j] / jnp.hypot(jnp.linalg.norm(x[i] - x[j]), self.softening)
        return total

    def invariants(self, t: ArrayLike, q: Array, v: Array) -> dict[str, Scalar]:
        """Conserved quantities: energy, total momentum, total angular momentum, and centre of mass at time zero."""
        m, x, x_dot = self._bodies(q, v)
        p = m[:, None] * x_dot
        conserved = {"energy": self.energy(t, q, v)}
        for i in range(self.dimension):
            total = jnp.sum(p[:, i])
            conserved[f"momentum_{i}"] = total
            conserved[f"initial_center_{i}"] = (jnp.dot(m, x[:, i]) - total * t) / jnp.sum(m)
        for i, j in combinations(range(self.dimension), 2):
            conserved[f"angular_momentum_{i}{j}"] = jnp.sum(x[:, i] * p[:, j] - x[:, j] * p[:, i])
        return conserved

    def sample_states(self, key: PRNGKeyArray, count: int, *, radius: float = 1.0, disorder: float = 0.05) -> Array:
        r"""Random states: bodies on a rotating ring, with random deviations. The centre of mass is at rest.

        A regular polygon of N masses m rotates rigidly with
        $\omega^2 = \frac{G m}{4 r^3} \sum_{k=1}^{N-1} \frac{1}{\sin(\pi k / N)}$. `disorder` is the standard deviation
        of the deviations in each component, relative to the radius $r$ and the speed.
        """
        n, d = len(self.mass), self.dimension
        angle = 2 * jnp.pi * jnp.arange(0.0, n) / n
        m = jnp.asarray(self.mass, angle.dtype)
        crowd = jnp.sum(1 / jnp.sin(jnp.pi * jnp.arange(1.0, n) / n))
        rate = jnp.sqrt(jnp.asarray(self.gravity, m.dtype) * jnp.mean(m) * crowd / (4 * radius**3))
        ring = jnp.zeros((2, n, d)).at[0, :, 0].set(jnp.cos(angle)).at[0, :, 1].set(jnp.sin(angle))
        ring = ring.at[1, :, 0].set(-jnp.sin(angle)).at[1, :, 1].set(jnp.cos(angle))
        states = (ring[None] + disorder * jax.random.normal(key, (count, 2, n, d))).at[:, 1].multiply(rate) * radius
        center = jnp.einsum("i,abid->abd", m, states) / jnp.sum(m)
        return (states - center[:, :, None]).reshape(count, 2 * n * d)

    def drawing(self, q: Array) -> Drawing:
        return Drawing(projected(q.reshape(-1, self.dimension)), no_lines(q))

    def _bodies(self, q: Array, v: Array) -> tuple[Array, Array, Array]:
        """Masses, positions and velocities, one row for each body."""
        return jnp.asarray(self.mass, q.dtype), q.reshape(-1, self.dimension), v.reshape(-1, self.dimension)

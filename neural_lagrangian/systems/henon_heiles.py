"""The Hénon-Heiles system."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, PRNGKeyArray

from .._types import Coordinates, Scalar
from ..integrators import Integration
from .drawing import Drawing, no_lines
from .parameter import Value, parameter
from .system import AbstractConservativeSystem, reference_integration


class HenonHeiles(AbstractConservativeSystem):
    r"""The Hénon-Heiles system: a plane oscillator with a cubic term, a model of a star in a galaxy.

    $$L = \tfrac12 m (\dot x^2 + \dot y^2) - \tfrac12 k (x^2 + y^2) - \lambda (x^2 y - \tfrac13 y^3)$$

    The motion is bounded below the energy $k^3 / 6 \lambda^2$. Just below this energy it is mostly chaotic.

    (Hénon and Heiles 1964.)

    **Arguments:**

    - `mass`: $m$ in kg. `stiffness`: $k$ in N/m. `coupling`: $\lambda$ in N/m^2.
    - `integration`: solver and step sizes of rollouts, an `Integration`.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> star = nl.systems.HenonHeiles()
    >>> saddle = star.energy(0.0, jnp.array([0.0, 1.0]), jnp.zeros(2))
    >>> round(float(saddle), 3), round(star.escape_energy, 3)  # 1/2 - 1/3
    (0.167, 0.167)
    ```
    """

    mass: Value = parameter("kg", 1.0)
    stiffness: Value = parameter("N/m", 1.0)
    coupling: Value = parameter("N/m^2", 1.0)
    integration: Integration = reference_integration()

    @property
    def dof(self) -> int:
        return 2

    @property
    def escape_energy(self) -> Value:
        r"""The escape energy $k^3 / 6 \lambda^2$ in joules, the height of the three saddle points."""
        return self.stiffness**3 / (6 * self.coupling**2)

    def lagrangian(self, t: ArrayLike, q: Array, v: Array) -> Scalar:
        x, y = q
        potential = 0.5 * self.stiffness * (x**2 + y**2) + self.coupling * (x**2 * y - y**3 / 3)
        return 0.5 * self.mass * jnp.dot(v, v) - potential

    def acceleration(self, t: ArrayLike, q: Array, v: Array) -> Coordinates:
        k, lam, (x, y) = self.stiffness, self.coupling, q
        return -jnp.stack([k * x + 2 * lam * x * y, k * y + lam * (x**2 - y**2)]) / self.mass

    def energy(self, t: ArrayLike, q: Array, v: Array) -> Scalar:
        # In polar coordinates the anharmonic term is r^3 sin(3 phi) / 3.
        r, phi = jnp.hypot(*q), jnp.arctan2(q[1], q[0])
        potential = r**2 * (0.5 * self.stiffness + self.coupling * r * jnp.sin(3 * phi) / 3)
        return 0.5 * self.mass * (v[0] ** 2 + v[1] ** 2) + potential

    def invariants(self, t: ArrayLike, q: Array, v: Array) -> dict[str, Scalar]:
        return {"energy": self.energy(t, q, v)}

    def sample_states(self, key: PRNGKeyArray, count: int, *, highest: float = 0.9) -> Array:
        r"""Random states within $0.3 k / \lambda$ of the origin, with 0.4 to `highest` times the escape energy."""
        radius, angle, heading, energy = jax.random.uniform(key, (4, count))
        r = 0.3 * jnp.asarray(self.stiffness / self.coupling, radius.dtype) * radius
        q = r[None] * jnp.stack([jnp.cos(2 * jnp.pi * angle), jnp.sin(2 * jnp.pi * angle)])
        potential = jax.vmap(lambda q: self.energy(0.0, q, jnp.zeros_like(q)))(q.T)
        energy = (0.4 + (highest - 0.4) * energy) * self.escape_energy
        speed = jnp.sqrt(2 / self.mass * (energy - potential))
        v = speed[None] * jnp.stack([jnp.cos(2 * jnp.pi * heading), jnp.sin(2 * jnp.pi * heading)])
        return jnp.concatenate([q, v]).T

    def drawing(self, q: Array) -> Drawing:
        return Drawing(q[None], no_lines(q))

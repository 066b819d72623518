"""A relativistic particle under a constant force."""

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, PRNGKeyArray

from .._types import Coordinates, Scalar
from ..integrators import Integration
from .drawing import Drawing, no_lines, projected
from .parameter import Value, parameter
from .sampling import box
from .system import AbstractConservativeSystem, reference_integration


class RelativisticParticle(AbstractConservativeSystem):
    r"""A relativistic particle on a line, under a constant force.

    $$L = -m c^2 \bigl(\sqrt{1 - \dot q^2 / c^2} - 1\bigr) + F q$$

    The momentum is $m \gamma \dot q$ and the mass matrix $m \gamma^3$, with $\gamma = (1 - \dot q^2 / c^2)^{-1/2}$.

    (Cranmer et al. 2020, with $m = c = 1$. The kinetic part of their Lagrangian is $\gamma - 1$, which gives the
    momentum $\gamma^3 \dot q$. The one here is that of special relativity.)

    **Arguments:**

    - `mass`: rest mass $m$ in kg. `light_speed`: $c$ in m/s. `load`: $F$ in N, of either sign.
    - `integration`: solver and step sizes of rollouts, an `Integration`.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> particle = nl.systems.RelativisticParticle()  # m = c = F = 1
    >>> energy = particle.energy(0.0, jnp.zeros(1), jnp.array([0.6]))
    >>> round(float(energy), 3)  # gamma - 1
    0.25
    ```
    """

    mass: Value = parameter("kg", 1.0)
    light_speed: Value = parameter("m/s", 1.0)
    load: Value = parameter("N", 1.0, sign="any")
    integration: Integration = reference_integration()

    @property
    def dof(self) -> int:
        return 1

    def lagrangian(self, t: ArrayLike, q: Array, v: Array) -> Scalar:
        m, c = self.mass, self.light_speed
        return -m * c**2 * (jnp.sqrt(1 - (v[0] / c) ** 2) - 1) + self.load * q[0]

    def acceleration(self, t: ArrayLike, q: Array, v: Array) -> Coordinates:
        return self.load / self.mass * (1 - (v / self.light_speed) ** 2) ** 1.5

    def energy(self, t: ArrayLike, q: Array, v: Array) -> Scalar:
        gamma = self._gamma(v[0])
        return self.mass * self.light_speed**2 * (gamma - 1) - self.load * q[0]

    def invariants(self, t: ArrayLike, q: Array, v: Array) -> dict[str, Scalar]:
        r"""Conserved quantities: the energy, and the momentum at time zero, $m \gamma \dot q - F t$."""
        p = self.mass * self._gamma(v[0]) * v[0]
        return {"energy": self.energy(t, q, v), "initial_momentum": p - self.load * t}

    def sample_states(self, key: PRNGKeyArray, count: int, *, limit: float = 0.9) -> Array:
        """Random states: positions within 1 m, velocities within `limit` times the speed of light of zero."""
        return box(key, count, [1.0, limit * self.light_speed])

    def drawing(self, q: Array) -> Drawing:
        return Drawing(projected(q[None]), no_lines(q))

    def _gamma(self, v: Array) -> Array:
        return 1 / jnp.sqrt((1 - v / self.light_speed) * (1 + v / self.light_speed))

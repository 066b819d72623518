"""A particle under a constant force."""

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, PRNGKeyArray

from .._types import Coordinates, Scalar
from ..integrators import Integration
from .drawing import Drawing, no_lines, projected
from .parameter import Value, parameter
from .sampling import box
from .system import AbstractConservativeSystem, reference_integration


class ConstantForce(AbstractConservativeSystem):
    r"""A particle under a constant force $F$. The default is free fall in one dimension.

    $$L = \tfrac12 m \dot q \cdot \dot q + F \cdot q$$

    (Hamzaoğulları 2024, "Physical Systems", no. 1.)

    **Arguments:**

    - `mass`: $m$ in kg. `load`: $F$ in N, one number for each dimension of space. In one dimension q points up.
    - `integration`: solver and step sizes of rollouts, an `Integration`.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> stone = nl.systems.ConstantForce(mass=2.0, load=(0.0, -20.0))  # two dimensions, y points up
    >>> stone.acceleration(0.0, jnp.zeros(2), jnp.zeros(2)).tolist()
    [0.0, -10.0]
    ```
    """

    mass: Value = parameter("kg", 1.0)
    load: tuple[Value, ...] = parameter("N", (-9.81,), sign="any")
    integration: Integration = reference_integration()

    @property
    def dof(self) -> int:
        return len(self.load)

    def lagrangian(self, t: ArrayLike, q: Array, v: Array) -> Scalar:
        return 0.5 * self.mass * jnp.dot(v, v) + jnp.dot(jnp.asarray(self.load, q.dtype), q)

    def acceleration(self, t: ArrayLike, q: Array, v: Array) -> Coordinates:
        return jnp.asarray(self.load, q.dtype) / self.mass

    def energy(self, t: ArrayLike, q: Array, v: Array) -> Scalar:
        return 0.5 * self.mass * jnp.sum(v**2) - jnp.sum(jnp.asarray(self.load, q.dtype) * q)

    def invariants(self, t: ArrayLike, q: Array, v: Array) -> dict[str, Scalar]:
        r"""Conserved quantities: the energy, and the momentum at time zero, $m \dot q - F t$."""
        p0 = self.mass * v - jnp.asarray(self.load, q.dtype) * t
        return {"energy": self.energy(t, q, v)} | {f"initial_momentum_{i}": p for i, p in enumerate(p0)}

    def sample_states(self, key: PRNGKeyArray, count: int) -> Array:
        """Random states: positions within 1 m and velocities within 3 m/s of zero in each component."""
        return box(key, count, [1.0] * self.dof + [3.0] * self.dof)

    def drawing(self, q: Array) -> Drawing:
        body = projected(q[None])
        return Drawing(body[:, ::-1] if self.dof == 1 else body, no_lines(body))

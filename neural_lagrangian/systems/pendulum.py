"""The simple pendulum."""

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, PRNGKeyArray

from .._types import Coordinates, Scalar
from ..integrators import Integration
from .drawing import Drawing, chain, hanging
from .parameter import Value, parameter
from .sampling import box
from .system import AbstractConservativeSystem, reference_integration


class Pendulum(AbstractConservativeSystem):
    r"""The simple pendulum: a point mass on a massless rod. The angle is in radians, zero if it hangs straight down.

    $$L = \tfrac12 m l^2 \dot\theta^2 + m g l \cos\theta$$

    (Batard-Rinaudo, Daniel and Pateau 2025, eq. 1.)

    **Arguments:**

    - `mass`: $m$ in kg. `length`: $l$ in m. `gravity`: $g$ in m/s^2.
    - `integration`: solver and step sizes of rollouts, an `Integration`.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> pendulum = nl.systems.Pendulum(length=2.0, gravity=10.0)
    >>> pendulum.acceleration(0.0, jnp.array([jnp.pi / 2]), jnp.zeros(1)).tolist()  # horizontal: -g / l
    [-5.0]
    ```
    """

    mass: Value = parameter("kg", 1.0)
    length: Value = parameter("m", 1.0)
    gravity: Value = parameter("m/s^2", 9.81)
    integration: Integration = reference_integration()

    @property
    def dof(self) -> int:
        return 1

    def lagrangian(self, t: ArrayLike, q: Array, v: Array) -> Scalar:
        m, ell, g = self.mass, self.length, self.gravity
        return 0.5 * m * ell**2 * v[0] ** 2 + m * g * ell * jnp.cos(q[0])

    def acceleration(self, t: ArrayLike, q: Array, v: Array) -> Coordinates:
        return -self.gravity / self.length * jnp.sin(q)

    def energy(self, t: ArrayLike, q: Array, v: Array) -> Scalar:
        m, ell, g = self.mass, self.length, self.gravity
        return m * ell * (0.5 * ell * v[0] ** 2 - g * jnp.cos(q[0]))

    def invariants(self, t: ArrayLike, q: Array, v: Array) -> dict[str, Scalar]:
        return {"energy": self.energy(t, q, v)}

    def sample_states(self, key: PRNGKeyArray, count: int, *, limit: float = 0.75 * jnp.pi) -> Array:
        r"""Random states: angles within `limit` (rad), rates within $\sqrt{g / l}$ of zero."""
        return box(key, count, [limit, jnp.sqrt(self.gravity / self.length)])

    def drawing(self, q: Array) -> Drawing:
        bob = hanging(q, self.length)
        return Drawing(bob, chain(jnp.concatenate([jnp.zeros_like(bob), bob])))

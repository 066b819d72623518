"""The planar pendulum with n links."""

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, PRNGKeyArray

from .._types import Coordinates, Scalar
from ..integrators import Integration
from .drawing import Drawing, chain, hanging
from .parameter import Value, parameter
from .sampling import box
from .system import AbstractConservativeSystem, reference_integration


class NLinkPendulum(AbstractConservativeSystem):
    r"""A planar chain of pendulums: point masses on massless rods, each hanging from the one above.

    Angles are in radians, zero if a rod hangs straight down.

    $$L = \tfrac12 \sum_{i j} \mu_{\max(i, j)} l_i l_j \dot\theta_i \dot\theta_j \cos(\theta_i - \theta_j)
        + g \sum_i \mu_i l_i \cos\theta_i, \qquad \mu_i = \sum_{k \ge i} m_k$$

    (Finzi, Wang and Wilson 2020, the chain pendulum.)

    **Arguments:**

    - `mass`: $m_i$ in kg, from the top. `length`: $l_i$ in m, one for each mass. `gravity`: $g$ in m/s^2.
    - `integration`: solver and step sizes of rollouts, an `Integration`.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> chain = nl.systems.NLinkPendulum(mass=(1.0, 1.0, 1.0, 1.0), length=(1.0, 1.0, 1.0, 1.0), gravity=10.0)
    >>> float(chain.energy(0.0, jnp.zeros(4), jnp.zeros(4)))  # hanging at 1, 2, 3 and 4 m
    -100.0
    ```
    """

    mass: tuple[Value, ...] = parameter("kg", (1.0, 1.0, 1.0))
    length: tuple[Value, ...] = parameter("m", (1.0, 1.0, 1.0), entries="mass")
    gravity: Value = parameter("m/s^2", 9.81)
    integration: Integration = reference_integration()

    @property
    def dof(self) -> int:
        return len(self.mass)

    def lagrangian(self, t: ArrayLike, q: Array, v: Array) -> Scalar:
        # Each mass in Cartesian coordinates: positions and velocities add up along the chain.
        m, ell, g = self._constants(q)
        x_dot, y_dot = jnp.cumsum(ell * v * jnp.cos(q)), jnp.cumsum(ell * v * jnp.sin(q))
        return 0.5 * jnp.dot(m, x_dot**2 + y_dot**2) + g * jnp.dot(m, jnp.cumsum(ell * jnp.cos(q)))

    def acceleration(self, t: ArrayLike, q: Array, v: Array) -> Coordinates:
        A, weight = self._inertia(q)
        difference = q[:, None] - q[None]
        b = -(A * jnp.sin(difference)) @ v**2 - weight * jnp.sin(q)
        return jnp.linalg.solve(A * jnp.cos(difference), b)

    def energy(self, t: ArrayLike, q: Array, v: Array) -> Scalar:
        A, weight = self._inertia(q)
        return 0.5 * v @ (A * jnp.cos(q[:, None] - q[None])) @ v - jnp.dot(weight, jnp.cos(q))

    def invariants(self, t: ArrayLike, q: Array, v: Array) -> dict[str, Scalar]:
        return {"energy": self.energy(t, q, v)}

    def sample_states(self, key: PRNGKeyArray, count: int, *, limit: float = 0.5 * jnp.pi) -> Array:
        """Random states: angles within `limit` (rad) and rates within `limit` (rad/s) of zero."""
        return box(key, count, [limit] * (2 * self.dof))

    def drawing(self, q: Array) -> Drawing:
        bobs = jnp.cumsum(hanging(q, jnp.asarray(self.length, q.dtype)[:, None]), axis=0)
        return Drawing(bobs, chain(jnp.concatenate([jnp.zeros_like(bobs[:1]), bobs])))

    def _constants(self, q: Array) -> tuple[Array, Array, Value]:
        return jnp.asarray(self.mass, q.dtype), jnp.asarray(self.length, q.dtype), self.gravity

    def _inertia(self, q: Array) -> tuple[Array, Array]:
        r"""The inertias $\mu_{\max(i, j)} l_i l_j$ in kg m^2, and the torques $g \mu_i l_i$ in N m."""
        m, ell, g = self._constants(q)
        below = jnp.cumsum(m[::-1])[::-1]
        i = jnp.arange(self.dof)
        return below[jnp.maximum(i[:, None], i[None])] * (ell[:, None] * ell[None]), g * below * ell

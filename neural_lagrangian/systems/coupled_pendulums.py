"""Two pendulums coupled by a torsion spring."""

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, PRNGKeyArray

from .._types import Coordinates, Scalar
from ..integrators import Integration
from .drawing import Drawing, chain, hanging
from .parameter import Value, parameter
from .sampling import box
from .system import AbstractConservativeSystem, reference_integration


class CoupledPendulums(AbstractConservativeSystem):
    r"""Two equal pendulums on one axle, coupled by a torsion spring. Angles in radians, zero if hanging straight down.

    $$L = \tfrac12 m l^2 (\dot\theta_1^2 + \dot\theta_2^2) + m g l (\cos\theta_1 + \cos\theta_2)
        - \tfrac12 k (\theta_1 - \theta_2)^2$$

    Whole turns count: angles that differ by $2 \pi$ are different states, because the spring winds up.

    (Batard-Rinaudo, Daniel and Pateau 2025, "Another system: 2 coupled pendulums".)

    **Arguments:**

    - `mass`: $m$ in kg, mass of each bob. `length`: $l$ in m. `stiffness`: $k$ in N m/rad. `gravity`: $g$ in m/s^2.
    - `integration`: solver and step sizes of rollouts, an `Integration`.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> pendulums = nl.systems.CoupledPendulums(stiffness=2.0)  # the spring twisted by 3 rad
    >>> float(pendulums.acceleration(0.0, jnp.array([0.0, 3.0]), jnp.zeros(2))[0])
    6.0
    ```
    """

    mass: Value = parameter("kg", 1.0)
    length: Value = parameter("m", 1.0)
    stiffness: Value = parameter("N m/rad", 2.0)
    gravity: Value = parameter("m/s^2", 9.81)
    integration: Integration = reference_integration()

    @property
    def dof(self) -> int:
        return 2

    def lagrangian(self, t: ArrayLike, q: Array, v: Array) -> Scalar:
        m, ell, g = self.mass, self.length, self.gravity
        kinetic = 0.5 * m * ell**2 * jnp.dot(v, v)
        return kinetic + m * g * ell * jnp.sum(jnp.cos(q)) - 0.5 * self.stiffness * (q[0] - q[1]) ** 2

    def acceleration(self, t: ArrayLike, q: Array, v: Array) -> Coordinates:
        torque = self.stiffness * (q[::-1] - q)
        return torque / (self.mass * self.length**2) - self.gravity / self.length * jnp.sin(q)

    def energy(self, t: ArrayLike, q: Array, v: Array) -> Scalar:
        m, ell, g = self.mass, self.length, self.gravity
        each = m * ell * (0.5 * ell * v**2 - g * jnp.cos(q))
        return each[0] + each[1] + 0.5 * self.stiffness * (q[1] - q[0]) ** 2

    def invariants(self, t: ArrayLike, q: Array, v: Array) -> dict[str, Scalar]:
        return {"energy": self.energy(t, q, v)}

    def sample_states(self, key: PRNGKeyArray, count: int, *, limit: float = 0.75 * jnp.pi) -> Array:
        """Random states: angles within `limit` (rad) and rates within 1 rad/s of zero."""
        return box(key, count, [limit, limit, 1.0, 1.0])

    def drawing(self, q: Array) -> Drawing:
        """The pendulums side by side, with pivots two lengths apart on the axle."""
        pivots = self.length * jnp.asarray([[-1.0, 0.0], [1.0, 0.0]], q.dtype)
        bobs = pivots + hanging(q, self.length)
        return Drawing(bobs, jnp.concatenate([jnp.stack([pivots, bobs], axis=1), chain(pivots)]))

"""The spring pendulum."""

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, PRNGKeyArray

from .._types import Coordinates, Scalar
from ..integrators import Integration
from .drawing import Drawing, hanging, zigzag
from .parameter import Value, parameter
from .sampling import box
from .system import AbstractConservativeSystem, reference_integration


class SpringPendulum(AbstractConservativeSystem):
    r"""The spring pendulum: a point mass that swings on a spring.

    $q = [r, \theta]$: the length of the spring in m, and its angle in radians, zero if it hangs straight down.

    $$L = \tfrac12 m (\dot r^2 + r^2 \dot\theta^2) + m g r \cos\theta - \tfrac12 k (r - r_0)^2$$

    The coordinates are singular at $r = 0$.

    (Hamzaoğulları 2024, "Physical Systems", no. 3. Published code has the potential
    $g r (1 - \cos\theta) + k (r - 1)^2$, which adds a second weight along the spring and doubles its stiffness.)

    **Arguments:**

    - `mass`: $m$ in kg. `length`: rest length $r_0$ of the spring in m. `stiffness`: $k$ in N/m.
    - `gravity`: $g$ in m/s^2.
    - `integration`: solver and step sizes of rollouts, an `Integration`.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> pendulum = nl.systems.SpringPendulum(stiffness=40.0, gravity=10.0)  # equilibrium at 1 m + m g / k
    >>> float(pendulum.acceleration(0.0, jnp.array([1.25, 0.0]), jnp.zeros(2))[0])
    0.0
    ```
    """

    mass: Value = parameter("kg", 1.0)
    length: Value = parameter("m", 1.0)
    stiffness: Value = parameter("N/m", 40.0)
    gravity: Value = parameter("m/s^2", 9.81)
    integration: Integration = reference_integration()

    @property
    def dof(self) -> int:
        return 2

    def lagrangian(self, t: ArrayLike, q: Array, v: Array) -> Scalar:
        m, k, g = self.mass, self.stiffness, self.gravity
        (r, theta), (r_dot, theta_dot) = q, v
        kinetic = 0.5 * m * (r_dot**2 + r**2 * theta_dot**2)
        return kinetic + m * g * r * jnp.cos(theta) - 0.5 * k * (r - self.length) ** 2

    def acceleration(self, t: ArrayLike, q: Array, v: Array) -> Coordinates:
        g, (r, theta), (r_dot, theta_dot) = self.gravity, q, v
        outward = r * theta_dot**2 + g * jnp.cos(theta) - self.stiffness / self.mass * (r - self.length)
        return jnp.stack([outward, -(2 * r_dot * theta_dot + g * jnp.sin(theta)) / r])

    def energy(self, t: ArrayLike, q: Array, v: Array) -> Scalar:
        m, k, g = self.mass, self.stiffness, self.gravity
        (r, theta), (r_dot, theta_dot) = q, v
        spring = 0.5 * k * (r - self.length) ** 2
        return m * (0.5 * r_dot**2 + 0.5 * (r * theta_dot) ** 2 - g * r * jnp.cos(theta)) + spring

    def invariants(self, t: ArrayLike, q: Array, v: Array) -> dict[str, Scalar]:
        return {"energy": self.energy(t, q, v)}

    def sample_states(self, key: PRNGKeyArray, count: int) -> Array:
        r"""Random states near the equilibrium $r = r_0 + m g / k$: within $0.2 r_0$, 1 rad, 0.5 m/s and 1 rad/s."""
        at_rest = self.length + self.mass * self.gravity / self.stiffness
        away = box(key, count, [0.2 * self.length, 1.0, 0.5, 1.0])
        return away.at[:, 0].add(jnp.asarray(at_rest, away.dtype))

    def drawing(self, q: Array) -> Drawing:
        bob = hanging(q[1], q[0])
        return Drawing(bob[None], zigzag(jnp.zeros_like(bob), bob)[None])

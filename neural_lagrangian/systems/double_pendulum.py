"""The planar double pendulum."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, PRNGKeyArray

from .._types import Coordinates, Scalar
from ..integrators import Integration
from .drawing import Drawing, chain, hanging
from .parameter import Value, parameter
from .system import AbstractConservativeSystem, reference_integration


class DoublePendulum(AbstractConservativeSystem):
    r"""The planar double pendulum: two point masses on massless rods, the second hanging from the first.

    Angles are in radians, zero if a rod hangs straight down.

    $$L = \tfrac12 (m_1 + m_2) l_1^2 \dot\theta_1^2 + \tfrac12 m_2 l_2^2 \dot\theta_2^2
        + m_2 l_1 l_2 \dot\theta_1 \dot\theta_2 \cos(\theta_1 - \theta_2)
        + (m_1 + m_2) g l_1 \cos\theta_1 + m_2 g l_2 \cos\theta_2$$

    (Unneberg and Kaarbø 2023, eq. 11; the acceleration is their eqs. 6-10.)

    **Arguments:**

    - `mass`: $m_1, m_2$ in kg. `length`: $l_1, l_2$ in m. `gravity`: $g$ in m/s^2.
    - `integration`: solver and step sizes of rollouts, an `Integration`.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> pendulum = nl.systems.DoublePendulum(gravity=10.0)
    >>> float(pendulum.energy(0.0, jnp.zeros(2), jnp.zeros(2)))  # hanging at 1 m and 2 m
    -30.0
    ```
    """

    mass: tuple[Value, Value] = parameter("kg", (1.0, 1.0), entries=2)
    length: tuple[Value, Value] = parameter("m", (1.0, 1.0), entries=2)
    gravity: Value = parameter("m/s^2", 9.81)
    integration: Integration = reference_integration()

    @property
    def dof(self) -> int:
        return 2

    def lagrangian(self, t: ArrayLike, q: Array, v: Array) -> Scalar:
        kinetic, potential = self._energies(q, v)
        return kinetic - potential

    def energy(self, t: ArrayLike, q: Array, v: Array) -> Scalar:
        kinetic, potential = self._energies(q, v)
        return kinetic + potential

    def acceleration(self, t: ArrayLike, q: Array, v: Array) -> Coordinates:
        (m1, m2), (l1, l2), g = self.mass, self.length, self.gravity
        (q1, q2), (v1, v2) = q, v
        difference = q1 - q2
        alpha1 = l2 / l1 * (m2 / (m1 + m2)) * jnp.cos(difference)  # eq. 6
        alpha2 = l1 / l2 * jnp.cos(difference)  # eq. 7
        f1 = -l2 / l1 * (m2 / (m1 + m2)) * v2**2 * jnp.sin(difference) - g / l1 * jnp.sin(q1)  # eq. 8
        f2 = l1 / l2 * v1**2 * jnp.sin(difference) - g / l2 * jnp.sin(q2)  # eq. 9
        return jnp.stack([f1 - alpha1 * f2, f2 - alpha2 * f1]) / (1 - alpha1 * alpha2)  # eq. 10

    def invariants(self, t: ArrayLike, q: Array, v: Array) -> dict[str, Scalar]:
        return {"energy": self.energy(t, q, v)}

    @property
    def energy_scale(self) -> Value:
        r"""The energy scale $(m_1 + m_2) g l_1 + m_2 g l_2$ in joules: the potential energy of horizontal rods."""
        (m1, m2), (l1, l2) = self.mass, self.length
        return self.gravity * ((m1 + m2) * l1 + m2 * l2)

    def sample_states(self, key: PRNGKeyArray, count: int, *, limit: float = 0.2 * jnp.pi) -> Array:
        """Random states: all four components uniform in [-limit, limit] (rad, rad/s), shape `(count, 4)`."""
        return jax.random.uniform(key, (count, 4), minval=-limit, maxval=limit)

    def drawing(self, q: Array) -> Drawing:
        upper = hanging(q[0], self.length[0])
        bobs = jnp.stack([upper, upper + hanging(q[1], self.length[1])])
        return Drawing(bobs, chain(jnp.concatenate([jnp.zeros_like(bobs[:1]), bobs])))

    def _energies(self, q: Array, v: Array) -> tuple[Array, Array]:
        (m1, m2), (l1, l2), g = self.mass, self.length, self.gravity
        (q1, q2), (v1, v2) = q, v
        kinetic = 0.5 * (m1 + m2) * l1**2 * v1**2 + 0.5 * m2 * l2**2 * v2**2 + m2 * l1 * l2 * v1 * v2 * jnp.cos(q1 - q2)
        potential = -(m1 + m2) * g * l1 * jnp.cos(q1) - m2 * g * l2 * jnp.cos(q2)
        return kinetic, potential

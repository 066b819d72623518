"""The planar double pendulum."""

from collections.abc import Sequence

import diffrax
import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, PRNGKeyArray

from .._checks import is_concrete
from .._types import Coordinates, Scalar
from ..integrators import Integration
from .system import AbstractSystem


class DoublePendulum(AbstractSystem):
    r"""Two point masses on massless rods, the second hung from the first; angles in radians from hanging straight down.

    $$L = \tfrac12 (m_1 + m_2) l_1^2 \dot\theta_1^2 + \tfrac12 m_2 l_2^2 \dot\theta_2^2
        + m_2 l_1 l_2 \dot\theta_1 \dot\theta_2 \cos(\theta_1 - \theta_2)
        + (m_1 + m_2) g l_1 \cos\theta_1 + m_2 g l_2 \cos\theta_2$$

    (Unneberg and Kaarbø 2023, eq. 11; acceleration by their eqs. 6-10.)

    **Arguments:**

    - `mass`: $m_1, m_2$ in kg. `length`: $l_1, l_2$ in m. `gravity`: $g$ in m/s^2.
    - `integration`: how rollouts are integrated.
    """

    mass: tuple[float | Array, float | Array]
    length: tuple[float | Array, float | Array]
    gravity: float | Array
    integration: Integration

    def __init__(
        self,
        mass: Sequence[float | Array] = (1.0, 1.0),
        length: Sequence[float | Array] = (1.0, 1.0),
        gravity: float | Array = 9.81,
        *,
        integration: Integration | None = None,
    ):
        for name, pair in (("mass", mass), ("length", length)):
            if len(pair) != 2:
                raise ValueError(f"`{name}` has {len(pair)} entries; expected 2")
            if any(is_concrete(value) and not value > 0 for value in pair):
                raise ValueError(f"`{name}` is {tuple(pair)}; expected positive numbers")
        self.mass = (mass[0], mass[1])
        self.length = (length[0], length[1])
        self.gravity = gravity
        self.integration = Integration(diffrax.Dopri8(), max_steps=100_000) if integration is None else integration

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

    @property
    def energy_scale(self) -> float | Array:
        r"""$(m_1 + m_2) g l_1 + m_2 g l_2$ in joules, the depth of the potential below horizontal rods."""
        (m1, m2), (l1, l2) = self.mass, self.length
        return self.gravity * ((m1 + m2) * l1 + m2 * l2)

    def sample_states(self, key: PRNGKeyArray, count: int, *, limit: float = 0.2 * jnp.pi) -> Array:
        """Random states, all four components uniform in [-limit, limit] (rad, rad/s), shape `(count, 4)`."""
        return jax.random.uniform(key, (count, 4), minval=-limit, maxval=limit)

    def _energies(self, q: Array, v: Array) -> tuple[Array, Array]:
        (m1, m2), (l1, l2), g = self.mass, self.length, self.gravity
        (q1, q2), (v1, v2) = q, v
        kinetic = 0.5 * (m1 + m2) * l1**2 * v1**2 + 0.5 * m2 * l2**2 * v2**2 + m2 * l1 * l2 * v1 * v2 * jnp.cos(q1 - q2)
        potential = -(m1 + m2) * g * l1 * jnp.cos(q1) - m2 * g * l2 * jnp.cos(q2)
        return kinetic, potential

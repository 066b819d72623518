"""The harmonic oscillator with linear damping."""

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, PRNGKeyArray

from .._types import Coordinates, Scalar
from ..integrators import Integration
from .drawing import Drawing, projected, zigzag
from .parameter import Value, parameter
from .sampling import box
from .system import AbstractSystem, reference_integration


class DampedOscillator(AbstractSystem):
    r"""The damped harmonic oscillator: a mass on a spring in a viscous fluid.

    $$L = \tfrac12 m \dot q^2 - \tfrac12 k q^2, \qquad Q = -c \dot q$$

    The force can be written with the nonconservative potential $K = -c \dot q_+ q_-$.

    (Roberts 2024, eq. 23.)

    **Arguments:**

    - `mass`: $m$ in kg. `stiffness`: $k$ in N/m. `damping`: $c \ge 0$ in kg/s.
    - `integration`: solver and step sizes of rollouts, an `Integration`.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> oscillator = nl.systems.DampedOscillator(mass=1.0, stiffness=4.0, damping=0.5)
    >>> oscillator.acceleration(0.0, jnp.array([1.0]), jnp.array([2.0])).tolist()  # -4 - 0.5 * 2
    [-5.0]
    ```
    """

    mass: Value = parameter("kg", 1.0)
    stiffness: Value = parameter("N/m", 1.0)
    damping: Value = parameter("kg/s", 0.1, sign="non-negative")
    integration: Integration = reference_integration()

    @property
    def dof(self) -> int:
        return 1

    def lagrangian(self, t: ArrayLike, q: Array, v: Array) -> Scalar:
        return 0.5 * self.mass * v[0] ** 2 - 0.5 * self.stiffness * q[0] ** 2

    def force(self, t: ArrayLike, q: Array, v: Array) -> Coordinates:
        return -self.damping * v

    def acceleration(self, t: ArrayLike, q: Array, v: Array) -> Coordinates:
        return -(self.stiffness * q + self.damping * v) / self.mass

    def energy(self, t: ArrayLike, q: Array, v: Array) -> Scalar:
        return 0.5 * (self.mass * v[0] ** 2 + self.stiffness * q[0] ** 2)

    def invariants(self, t: ArrayLike, q: Array, v: Array) -> dict[str, Scalar]:
        r"""The conserved quantity $e^{c t / m} (E + \tfrac12 c q \dot q)$.

        It is the energy of $q e^{c t / 2 m}$, which oscillates without damping, with stiffness $k - c^2 / 4 m$.
        """
        growth = jnp.exp(self.damping / self.mass * jnp.asarray(t, q.dtype))
        return {"rescaled_energy": growth * (self.energy(t, q, v) + 0.5 * self.damping * q[0] * v[0])}

    def sample_states(self, key: PRNGKeyArray, count: int) -> Array:
        """Random states: positions within 1 m and velocities within 1 m/s of zero."""
        return box(key, count, [1.0, 1.0])

    def drawing(self, q: Array) -> Drawing:
        body = projected(q[None])
        return Drawing(body, zigzag(jnp.zeros_like(body[0]), body[0])[None])

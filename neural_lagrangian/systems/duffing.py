"""The Duffing oscillator."""

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, PRNGKeyArray

from .._types import Coordinates, Scalar
from ..integrators import Integration
from .drawing import Drawing, projected, zigzag
from .parameter import Value, parameter
from .sampling import box
from .system import AbstractSystem, reference_integration


class Duffing(AbstractSystem):
    r"""The Duffing oscillator: a damped mass on a nonlinear spring, driven by a periodic force.

    $$L = \tfrac12 m \dot q^2 - \tfrac12 \alpha q^2 - \tfrac14 \beta q^4 + F q \cos \omega t, \qquad Q = -c \dot q$$

    If $\alpha < 0$ there are two potential wells, at $q^2 = -\alpha / \beta$. With the default parameters the motion
    between them is chaotic.

    (Guckenheimer and Holmes 1983, section 2.2.)

    **Arguments:**

    - `mass`: $m$ in kg. `damping`: $c \ge 0$ in kg/s.
    - `stiffness`: $\alpha$ in N/m, of either sign. `hardening`: $\beta$ in N/m^3.
    - `drive`: $F$ in N, of either sign. `frequency`: $\omega$ in rad/s.
    - `integration`: solver and step sizes of rollouts, an `Integration`.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> oscillator = nl.systems.Duffing(drive=0.5)  # two wells, at q = 1 and q = -1
    >>> oscillator.acceleration(0.0, jnp.array([1.0]), jnp.zeros(1)).tolist()  # in a well only the drive acts
    [0.5]
    ```
    """

    mass: Value = parameter("kg", 1.0)
    damping: Value = parameter("kg/s", 0.3, sign="non-negative")
    stiffness: Value = parameter("N/m", -1.0, sign="any")
    hardening: Value = parameter("N/m^3", 1.0)
    drive: Value = parameter("N", 0.5, sign="any")
    frequency: Value = parameter("rad/s", 1.2)
    integration: Integration = reference_integration()

    @property
    def dof(self) -> int:
        return 1

    def lagrangian(self, t: ArrayLike, q: Array, v: Array) -> Scalar:
        spring = 0.5 * self.stiffness * q[0] ** 2 + 0.25 * self.hardening * q[0] ** 4
        return 0.5 * self.mass * v[0] ** 2 - spring + self._drive(t, q) * q[0]

    def force(self, t: ArrayLike, q: Array, v: Array) -> Coordinates:
        return -self.damping * v

    def acceleration(self, t: ArrayLike, q: Array, v: Array) -> Coordinates:
        spring = self.stiffness * q + self.hardening * q**3
        return (self._drive(t, q) - spring - self.damping * v) / self.mass

    def energy(self, t: ArrayLike, q: Array, v: Array) -> Scalar:
        (x,), (u,) = q, v
        return 0.5 * (self.mass * u**2 + x**2 * (self.stiffness + 0.5 * self.hardening * x**2)) - x * self._drive(t, q)

    def invariants(self, t: ArrayLike, q: Array, v: Array) -> dict[str, Scalar]:
        return {}

    def sample_states(self, key: PRNGKeyArray, count: int) -> Array:
        """Random states: positions within 1.5 m and velocities within 1 m/s of zero."""
        return box(key, count, [1.5, 1.0])

    def drawing(self, q: Array) -> Drawing:
        body = projected(q[None])
        return Drawing(body, zigzag(jnp.zeros_like(body[0]), body[0])[None])

    def _drive(self, t: ArrayLike, q: Array) -> Scalar:
        return self.drive * jnp.cos(self.frequency * jnp.asarray(t, q.dtype))

"""The driven pendulum: a pendulum on an oscillating pivot."""

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, PRNGKeyArray

from .._types import Coordinates, Scalar
from ..integrators import Integration
from .drawing import Drawing, chain, hanging
from .parameter import Value, parameter
from .sampling import box
from .system import AbstractConservativeSystem, reference_integration


class DrivenPendulum(AbstractConservativeSystem):
    r"""A pendulum whose pivot oscillates along a line. The angle is in radians, zero if it hangs straight down.

    The pivot is at $s(t) = A \cos \omega t$ along a line that makes the angle $\alpha$ with the vertical:

    $$L = \tfrac12 m l^2 \dot\theta^2 + m l\, \dot s(t)\, \dot\theta \sin(\theta + \alpha) + m g l \cos\theta.$$

    Terms that depend on time only are omitted. A fast vertical drive, $A^2 \omega^2 > 2 g l$, stabilises the upright
    position (Kapitza pendulum).

    (Landau and Lifshitz 1976, section 5, problem 3, and section 30.)

    **Arguments:**

    - `mass`: $m$ in kg. `length`: $l$ in m. `gravity`: $g$ in m/s^2.
    - `amplitude`: $A \ge 0$ in m. `frequency`: $\omega$ in rad/s.
    - `direction`: $\alpha$ in rad: 0 for a vertical and $\pi / 2$ for a horizontal drive.
    - `integration`: solver and step sizes of rollouts, an `Integration`.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> pendulum = nl.systems.DrivenPendulum(gravity=10.0, amplitude=0.5, frequency=2.0)
    >>> a = pendulum.acceleration(0.0, jnp.array([jnp.pi / 2]), jnp.zeros(1))
    >>> a.tolist()  # the pivot accelerates downwards with A omega^2 = 2, so the effective gravity is 8 m/s^2
    [-8.0]
    ```
    """

    mass: Value = parameter("kg", 1.0)
    length: Value = parameter("m", 1.0)
    gravity: Value = parameter("m/s^2", 9.81)
    amplitude: Value = parameter("m", 0.3, sign="non-negative")
    frequency: Value = parameter("rad/s", 5.0)
    direction: Value = parameter("rad", 0.0, sign="any")
    integration: Integration = reference_integration()

    @property
    def dof(self) -> int:
        return 1

    def lagrangian(self, t: ArrayLike, q: Array, v: Array) -> Scalar:
        m, ell, g = self.mass, self.length, self.gravity
        (theta,), (theta_dot,) = q, v
        s_dot = -self.amplitude * self.frequency * jnp.sin(self._phase(t, q))
        kinetic = 0.5 * m * ell**2 * theta_dot**2 + m * ell * s_dot * theta_dot * jnp.sin(theta + self.direction)
        return kinetic + m * g * ell * jnp.cos(theta)

    def acceleration(self, t: ArrayLike, q: Array, v: Array) -> Coordinates:
        # In the frame of the pivot there is the inertial force -m (sin alpha, cos alpha) s'' besides the weight.
        s_ddot = -self.amplitude * self.frequency**2 * jnp.cos(self._phase(t, q))
        right, up = -s_ddot * jnp.sin(self.direction), -self.gravity - s_ddot * jnp.cos(self.direction)
        return (right * jnp.cos(q) + up * jnp.sin(q)) / self.length

    def energy(self, t: ArrayLike, q: Array, v: Array) -> Scalar:
        m, ell, g = self.mass, self.length, self.gravity
        return m * ell * (0.5 * ell * v[0] ** 2 - g * jnp.cos(q[0]))

    def invariants(self, t: ArrayLike, q: Array, v: Array) -> dict[str, Scalar]:
        return {}

    def sample_states(self, key: PRNGKeyArray, count: int) -> Array:
        r"""Random states: any angle, rates within $\sqrt{g / l}$ of zero."""
        return box(key, count, [jnp.pi, jnp.sqrt(self.gravity / self.length)])

    def drawing(self, q: Array) -> Drawing:
        """The pendulum in the frame of the pivot."""
        bob = hanging(q, self.length)
        return Drawing(bob, chain(jnp.concatenate([jnp.zeros_like(bob), bob])))

    def _phase(self, t: ArrayLike, q: Array) -> Scalar:
        return self.frequency * jnp.asarray(t, q.dtype)

"""The cart-pole system: a pole that hangs from a cart."""

from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, PRNGKeyArray

from .._types import Coordinates, Scalar
from ..integrators import Integration
from .drawing import Drawing, hanging
from .parameter import Value, parameter
from .sampling import box
from .system import AbstractSystem, reference_integration


class CartPole(AbstractSystem):
    r"""Cart and pole: a point mass on a massless pole that turns freely on a cart. A control force pushes the cart.

    $q = [x, \theta]$: position of the cart in m, and angle of the pole in radians, zero if it hangs straight down.

    $$L = \tfrac12 (M + m) \dot x^2 + m l \dot x \dot\theta \cos\theta + \tfrac12 m l^2 \dot\theta^2 + m g l \cos\theta,
      \qquad Q = [u - b \dot x,\; -d \dot\theta]$$

    (Barto, Sutton and Anderson 1983, appendix; here for a point mass, with the angle from hanging down.)

    **Arguments:**

    - `cart_mass`: $M$ in kg. `pole_mass`: $m$ in kg. `length`: $l$ in m. `gravity`: $g$ in m/s^2.
    - `cart_friction`: $b$ in N s/m, or `None`. `pole_friction`: $d$ in N m s/rad, or `None`.
    - `control`: optional callable `(t, q, v) -> scalar`, the force $u$ on the cart in N.
    - `integration`: solver and step sizes of rollouts, an `Integration`.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> cart = nl.systems.CartPole(control=lambda t, q, v: 3.0)  # 3 N on a cart of 1 kg, the pole hanging
    >>> cart.acceleration(0.0, jnp.zeros(2), jnp.zeros(2)).tolist()
    [3.0, -3.0]
    ```
    """

    cart_mass: Value = parameter("kg", 1.0)
    pole_mass: Value = parameter("kg", 0.5)
    length: Value = parameter("m", 1.0)
    gravity: Value = parameter("m/s^2", 9.81)
    cart_friction: Value | None = parameter("N s/m", None, sign="non-negative")
    pole_friction: Value | None = parameter("N m s/rad", None, sign="non-negative")
    control: Callable[..., Array] | None = None
    integration: Integration = reference_integration()

    def __check_init__(self):
        if self.control is not None and not callable(self.control):
            raise ValueError(f"`control` is {self.control!r}; expected a callable (t, q, v) -> scalar")

    @property
    def dof(self) -> int:
        return 2

    def lagrangian(self, t: ArrayLike, q: Array, v: Array) -> Scalar:
        m, ell, g = self.pole_mass, self.length, self.gravity
        (x_dot, theta_dot), cosine = v, jnp.cos(q[1])
        kinetic = 0.5 * (self.cart_mass + m) * x_dot**2 + m * ell * x_dot * theta_dot * cosine
        return kinetic + 0.5 * m * ell**2 * theta_dot**2 + m * g * ell * cosine

    def force(self, t: ArrayLike, q: Array, v: Array) -> Coordinates:
        push, torque = jnp.zeros_like(q)
        if self.control is not None:
            push += self.control(t, q, v)
        if self.cart_friction is not None:
            push -= self.cart_friction * v[0]
        if self.pole_friction is not None:
            torque -= self.pole_friction * v[1]
        return jnp.stack([push, torque])

    def acceleration(self, t: ArrayLike, q: Array, v: Array) -> Coordinates:
        M, m, ell, g = self.cart_mass, self.pole_mass, self.length, self.gravity
        push, torque = self.force(t, q, v)
        s, c = jnp.sin(q[1]), jnp.cos(q[1])
        x_ddot = (push + m * s * (ell * v[1] ** 2 + g * c) - torque * c / ell) / (M + m * s**2)
        return jnp.stack([x_ddot, (torque / (m * ell) - g * s - c * x_ddot) / ell])

    def energy(self, t: ArrayLike, q: Array, v: Array) -> Scalar:
        M, m, ell, g = self.cart_mass, self.pole_mass, self.length, self.gravity
        s, c = jnp.sin(q[1]), jnp.cos(q[1])
        bob = (v[0] + ell * v[1] * c) ** 2 + (ell * v[1] * s) ** 2
        return 0.5 * M * v[0] ** 2 + 0.5 * m * bob - m * g * ell * c

    def invariants(self, t: ArrayLike, q: Array, v: Array) -> dict[str, Scalar]:
        """Conserved quantities: the energy without control and friction; without control and friction of the cart also
        the momentum along the track, and the centre of mass at time zero.
        """
        M, m, ell = self.cart_mass, self.pole_mass, self.length
        if self.control is not None or self.cart_friction is not None:
            return {}
        conserved = {} if self.pole_friction is not None else {"energy": self.energy(t, q, v)}
        momentum = (M + m) * v[0] + m * ell * v[1] * jnp.cos(q[1])
        center = q[0] + (m * ell * jnp.sin(q[1]) - momentum * t) / (M + m)
        return conserved | {"momentum": momentum, "initial_center": center}

    def sample_states(self, key: PRNGKeyArray, count: int) -> Array:
        """Random states: positions within 1 m, any angle, velocities within 1 m/s and rates within 3 rad/s of zero."""
        return box(key, count, [1.0, jnp.pi, 1.0, 3.0])

    def drawing(self, q: Array) -> Drawing:
        """Bodies: cart and bob. Lines: the pole, and a track of four pole lengths."""
        cart = jnp.stack([q[0], jnp.zeros_like(q[0])])
        bob = cart + hanging(q[1], self.length)
        track = self.length * jnp.asarray([[-2.0, 0.0], [2.0, 0.0]], q.dtype)
        return Drawing(jnp.stack([cart, bob]), jnp.stack([jnp.stack([cart, bob]), track]))

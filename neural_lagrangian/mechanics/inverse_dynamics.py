"""Inverse dynamics: the forces that a given motion needs."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import ArrayLike

from .._types import Coordinates, Force, Lagrangian
from .arguments import as_coordinates, vector_valued
from .euler_lagrange import euler_lagrange_residual


def inverse_dynamics(
    lagrangian: Lagrangian,
    t: ArrayLike,
    q: ArrayLike,
    v: ArrayLike,
    a: ArrayLike,
    *,
    force: Force | None = None,
) -> Coordinates:
    r"""Inverse dynamics: the force that a motion needs in addition to `force`,

    $$\tau = \frac{d}{dt} \frac{\partial L}{\partial v} - \frac{\partial L}{\partial q} - Q.$$

    For a mechanical system $\tau = M a + c(q, v) + g(q) - Q$. If $Q$ is friction, $\tau$ is the torque of the motors.
    The mass matrix is not computed. (Lutter, Ritter and Peters 2019.)

    **Arguments:**

    - `lagrangian`: callable `(t, q, v) -> scalar`.
    - `t`: time, in seconds. `q`, `v`, `a`: coordinates, velocities and accelerations, shape `(dof,)`.
    - `force`: optional callable `(t, q, v) -> (dof,)`, a known generalised force $Q$, such as friction.

    **Returns:** $\tau$, shape `(dof,)`, in joules per unit of `q`.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> pendulum, rest = nl.systems.Pendulum(gravity=10.0), jnp.zeros(1)  # held horizontal: m g l
    >>> nl.mechanics.inverse_dynamics(pendulum.lagrangian, 0.0, jnp.array([jnp.pi / 2]), rest, rest).tolist()
    [10.0]
    ```
    """
    return -euler_lagrange_residual(lagrangian, t, q, v, a, force=force)


class TorqueParts(NamedTuple):
    r"""The parts of a generalised force $\tau$, each of shape `(dof,)`, in joules per unit of `q`.

    - `inertial`: $M a$.
    - `coriolis`: centrifugal and Coriolis forces, which vanish at zero velocity.
    - `gravity`: the force at rest, from gravity and springs.
    - `force`: $-Q$, such as minus the friction.

    Their sum is `inverse_dynamics`.
    """

    inertial: Coordinates
    coriolis: Coordinates
    gravity: Coordinates
    force: Coordinates


def torque_parts(
    lagrangian: Lagrangian,
    t: ArrayLike,
    q: ArrayLike,
    v: ArrayLike,
    a: ArrayLike,
    *,
    force: Force | None = None,
) -> TorqueParts:
    r"""The parts of the force that a motion needs (inverse dynamics): inertial, Coriolis, gravity and friction.

    $$\tau = \underbrace{M(q, v)\, a}_{\text{inertial}} + \underbrace{c(t, q, v)}_{\text{Coriolis}}
      + \underbrace{g(t, q)}_{\text{gravity}} - Q(t, q, v), \qquad
      g = \tau|_{v = a = 0}, \quad c = \tau|_{a = 0} - g,$$

    with $Q = 0$ in $g$ and $c$. (Lutter, Ritter and Peters 2019, section 5.)

    **Arguments:** as for `inverse_dynamics`.

    **Returns:** `TorqueParts`. Their sum equals `inverse_dynamics`.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> arms = nl.systems.DoublePendulum(gravity=10.0)  # the first horizontal, the second hanging
    >>> q, v, a = jnp.array([jnp.pi / 2, 0.0]), jnp.array([3.0, 0.0]), jnp.zeros(2)
    >>> parts = nl.mechanics.torque_parts(arms.lagrangian, 0.0, q, v, a)
    >>> round(float(parts.gravity[0]), 3), round(float(parts.coriolis[1]), 3)  # (m1 + m2) g l and -m2 l^2 v1^2
    (20.0, -9.0)
    ```
    """
    t, q, v = as_coordinates(t, q, v)
    whole = -euler_lagrange_residual(lagrangian, t, q, v, a)
    rest = jnp.zeros_like(v)
    unaccelerated = -euler_lagrange_residual(lagrangian, t, q, v, rest)
    gravity = -euler_lagrange_residual(lagrangian, t, q, rest, rest)
    Q = rest if force is None else vector_valued(force)(t, q, v)
    return TorqueParts(whole - unaccelerated, unaccelerated - gravity, gravity, -Q)

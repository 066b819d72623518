r"""Momentum and energy: the Legendre transform of a Lagrangian."""

import jax
import jax.numpy as jnp
from jaxtyping import ArrayLike

from .._types import Coordinates, Lagrangian, Scalar
from .euler_lagrange import as_coordinates, scalar_valued


def momentum(lagrangian: Lagrangian, t: ArrayLike, q: ArrayLike, v: ArrayLike) -> Coordinates:
    r"""Conjugate momentum $p = \partial L / \partial v$.

    **Arguments:**

    - `lagrangian`: callable `(t, q, v) -> scalar`.
    - `t`: time, in seconds. `q`, `v`: coordinates and velocities, shape `(dof,)`.

    **Returns:** $p$, shape `(dof,)`, in units of action per unit of `q`.
    """
    t, q, v = as_coordinates(t, q, v)
    return jax.grad(scalar_valued(lagrangian), argnums=2)(t, q, v)


def energy(lagrangian: Lagrangian, t: ArrayLike, q: ArrayLike, v: ArrayLike) -> Scalar:
    r"""Energy $E = p \cdot v - L$ (the Jacobi integral), conserved when $L$ does not depend on time.

    A learned Lagrangian is known only up to scale and gauge: so is this energy.

    **Arguments:**

    - `lagrangian`: callable `(t, q, v) -> scalar`.
    - `t`: time, in seconds. `q`, `v`: coordinates and velocities, shape `(dof,)`.

    **Returns:** $E$, a scalar, in the units of `lagrangian`.
    """
    t, q, v = as_coordinates(t, q, v)
    L, p = jax.value_and_grad(scalar_valued(lagrangian), argnums=2)(t, q, v)
    return jnp.dot(p, v) - L

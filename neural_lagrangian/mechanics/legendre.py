r"""Momentum and energy: the Legendre transform of a Lagrangian."""

import jax
import jax.numpy as jnp
from jaxtyping import ArrayLike

from .._checks import floating, same_shape
from .._types import Coordinates, Lagrangian, Scalar
from ..numerics import equilibrated, newton_root
from .arguments import as_coordinates, regular_coordinates, scalar_valued
from .euler_lagrange import mass_matrix


def momentum(lagrangian: Lagrangian, t: ArrayLike, q: ArrayLike, v: ArrayLike) -> Coordinates:
    r"""Conjugate momentum $p = \partial L / \partial v$.

    **Arguments:**

    - `lagrangian`: callable `(t, q, v) -> scalar`.
    - `t`: time, in seconds. `q`, `v`: coordinates and velocities, shape `(dof,)`.

    **Returns:** $p$, shape `(dof,)`, in units of action per unit of `q`.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> charge = nl.systems.ChargedParticle()  # p = m v + e A, with A = (-y, x) / 2
    >>> nl.momentum(charge.lagrangian, 0.0, jnp.array([0.0, 1.0]), jnp.array([3.0, 0.0])).tolist()
    [2.5, 0.0]
    ```
    """
    t, q, v = regular_coordinates(t, q, v, lagrangian)
    return jax.grad(scalar_valued(lagrangian), argnums=2)(t, q, v)


def velocity_from_momentum(
    lagrangian: Lagrangian, t: ArrayLike, q: ArrayLike, p: ArrayLike, *, guess: ArrayLike | None = None
) -> Coordinates:
    r"""The velocity $v$ that has a given momentum, $\partial L / \partial v (t, q, v) = p$, by Newton's method.

    It is differentiable to any order (as an implicit function).

    **Arguments:**

    - `lagrangian`: callable `(t, q, v) -> scalar`.
    - `t`: time, in seconds. `q`, `p`: coordinates and momenta, shape `(dof,)`.
    - `guess`: initial guess, shape `(dof,)`. If there are several solutions, the one near the guess is found. `None`
      means `p` divided by the masses at rest.

    **Returns:** $v$, shape `(dof,)`; NaN if no velocity was found, for example if the mass matrix is singular.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> particle = nl.systems.RelativisticParticle()  # m = c = 1: at v = 0.6 gamma is 1.25
    >>> v = nl.mechanics.velocity_from_momentum(particle.lagrangian, 0.0, jnp.zeros(1), jnp.array([0.75]))
    >>> round(float(v[0]), 3)
    0.6
    ```
    """
    t, q, p = as_coordinates(t, q, p)
    if guess is None:  # Newton's method measures round-off by its size, so it must scale like a velocity in any units
        guess = p * equilibrated(mass_matrix(lagrangian, t, q, jnp.zeros_like(p)))[1] ** 2
    guess = floating("guess", guess, ("dof",))
    same_shape("p", p, "guess", guess)
    v, _, found = newton_root(
        lambda v: momentum(lagrangian, t, q, v) - p, lambda v: mass_matrix(lagrangian, t, q, v), guess
    )
    return jnp.where(found, v, jnp.nan)


def energy(lagrangian: Lagrangian, t: ArrayLike, q: ArrayLike, v: ArrayLike) -> Scalar:
    r"""Energy $E = p \cdot v - L$ (the Jacobi integral), conserved when $L$ does not depend on time.

    The energy of a learned Lagrangian is known only up to a scale and a constant.

    **Arguments:**

    - `lagrangian`: callable `(t, q, v) -> scalar`.
    - `t`: time, in seconds. `q`, `v`: coordinates and velocities, shape `(dof,)`.

    **Returns:** $E$, a scalar, in the units of `lagrangian`.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> spring = lambda t, q, v: 0.5 * v @ v - 2.0 * q @ q  # 1 kg on a spring of 4 N/m
    >>> float(nl.energy(spring, 0.0, jnp.array([1.0]), jnp.array([2.0])))
    4.0
    ```
    """
    t, q, v = regular_coordinates(t, q, v, lagrangian)
    L, p = jax.value_and_grad(scalar_valued(lagrangian), argnums=2)(t, q, v)
    return jnp.dot(p, v) - L

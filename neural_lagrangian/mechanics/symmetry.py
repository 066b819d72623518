r"""Noether's theorem: what a symmetry of the Lagrangian conserves."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike

from .._types import Coordinates, Lagrangian, Scalar
from .euler_lagrange import as_coordinates, scalar_valued

Generator = Callable[[ArrayLike, Array], Coordinates]
"""The infinitesimal change of the coordinates under a symmetry, `xi(t, q)`, shape `(dof,)`."""


def noether_charge(
    lagrangian: Lagrangian,
    generator: Generator,
    t: ArrayLike,
    q: ArrayLike,
    v: ArrayLike,
    *,
    tau: ArrayLike = 0.0,
    gauge: Callable[[ArrayLike, Array], Scalar] | None = None,
) -> Scalar:
    r"""Noether charge of the symmetry $q \to q + \epsilon \xi(t, q)$, $t \to t + \epsilon \tau$:

    $$I = \frac{\partial L}{\partial v} \cdot \xi - \Bigl(\frac{\partial L}{\partial v} \cdot v - L\Bigr) \tau - F.$$

    Conserved when the action changes by the boundary term $F(t, q)$ only; with a force,
    $\dot I = Q \cdot (\xi - \tau v)$. Translation along an axis gives linear momentum, rotation angular
    momentum, $\tau = 1$ minus the energy. (Noether 1918; Goldstein, Poole and Safko 2002, section 13.7.)

    **Arguments:**

    - `lagrangian`: callable `(t, q, v) -> scalar`.
    - `generator`: $\xi$, callable `(t, q) -> (dof,)`.
    - `t`: time, in seconds. `q`, `v`: coordinates and velocities, shape `(dof,)`.
    - `tau`: $\tau$, a scalar. `gauge`: $F$, callable `(t, q) -> scalar`.

    **Returns:** $I$, a scalar.

    **Raises:** `ValueError` if the generator has not the shape of `q`.
    """
    t, q, v = as_coordinates(t, q, v)
    xi = jnp.asarray(generator(t, q))
    if xi.shape != q.shape:
        raise ValueError(f"`generator` returned shape {xi.shape}; expected {q.shape}, that of `q`")
    L, p = jax.value_and_grad(scalar_valued(lagrangian), argnums=2)(t, q, v)
    F = jnp.zeros_like(L) if gauge is None else gauge(t, q)
    return jnp.dot(p, xi) - (jnp.dot(p, v) - L) * jnp.asarray(tau, L.dtype) - F

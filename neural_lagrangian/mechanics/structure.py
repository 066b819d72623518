"""Test whether a mass matrix has the structure that a mass solve assumes."""

import jax
import jax.numpy as jnp
from jaxtyping import ArrayLike

from .._types import Lagrangian, Scalar
from .arguments import as_coordinates, scalar_valued
from .mass_solves import AbstractMassSolve

PROBES = 4
"""Number of random test vectors. Several, since one may miss an error by chance."""


def structure_error(
    lagrangian: Lagrangian, mass_solve: AbstractMassSolve, t: ArrayLike, q: ArrayLike, v: ArrayLike
) -> Scalar:
    r"""Relative difference of the mass matrix $M$ and the structured matrix $M_\mathrm{s}$ that `mass_solve` assumes:

    $$\frac{|D (M - M_\mathrm{s}) D w|}{|D M D w|}, \qquad D_{ii} = |M_{\mathrm{s}, ii}|^{-1/2},$$

    for a few random $w$. It is about round-off if the structure is right, of order one if it is wrong, and zero for a
    dense solve, in any units. A solve with a wrong structure gives wrong accelerations without an error. M itself is
    not computed.

    **Arguments:**

    - `lagrangian`: callable `(t, q, v) -> scalar`. `mass_solve`: such as `BlockDiagonal(3)`.
    - `t`: time, in seconds. `q`, `v`: coordinates and velocities, shape `(dof,)`.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> arms, q, v = nl.systems.DoublePendulum(), jnp.zeros(2), jnp.zeros(2)  # coupled by their velocities
    >>> error = nl.mechanics.structure_error(arms.lagrangian, nl.mechanics.BlockDiagonal(1), 0.0, q, v)
    >>> bool(error > 0.1)
    True
    ```
    """
    t, q, v = as_coordinates(t, q, v)
    L = scalar_valued(lagrangian)
    seeds = mass_solve.seeds(q.shape[0])
    if seeds is None:
        return jnp.zeros((), q.dtype)
    _, mass_product = jax.linearize(lambda v: jax.grad(L, argnums=2)(t, q, v), v)
    products = jax.vmap(mass_product)(jnp.asarray(seeds, q.dtype))
    units = jnp.eye(q.shape[0], dtype=q.dtype)
    diagonal = jax.vmap(lambda e: jnp.dot(e, mass_solve.product(products, e)))(units)
    scale = jnp.sqrt(jnp.abs(diagonal))
    d = 1 / jnp.where(scale == 0, 1, scale)
    w = d[None] * jax.random.normal(jax.random.key(0), (PROBES, q.shape[0]), q.dtype)
    exact = jax.vmap(mass_product)(w) * d[None]
    recovered = jax.vmap(mass_solve.product, (None, 0))(products, w) * d[None]
    size = jnp.linalg.norm(exact)
    return jnp.linalg.norm(exact - recovered) / jnp.where(size == 0, 1, size)

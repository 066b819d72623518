r"""Matrices whose rows and columns have different units, brought to entries of order one.

A symmetric matrix $M$ changes with the units of its coordinates as $M_{ij} \to s_i M_{ij} s_j$. With $r_i$ of the unit
of $\sqrt{M_{ii}}$ the entries $M_{ij} / (r_i r_j)$ have none: what is decided by them, such as a rank, is the same in
every system of units.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._types import Coordinates, MassMatrix

UNROLLED = 3
"""Largest matrix whose rows are visited in straight-line code instead of a loop."""


def symmetric_scales(M: MassMatrix) -> Coordinates:
    r"""Scales $r$ with $|M_{ij}| \le r_i r_j$, one entry of each row being equal (Bunch 1971, "Equilibration of
    symmetric matrices in the max-norm").

    Where $M$ is positive semi-definite, $r_i = \sqrt{M_{ii}}$. A row of zeros has the scale zero.

    **Arguments:**

    - `M`: symmetric, shape `(dof, dof)`.

    **Returns:** $r \ge 0$, shape `(dof,)`, in units of the root of $M_{ii}$.
    """
    size = jnp.abs(M)
    own = _root(jnp.diagonal(size))

    def by_known(row, r):  # the largest |M_ij| / r_j of the scales that are known
        return jnp.max(jnp.where(r > 0, row / jnp.where(r > 0, r, 1), 0))

    def first(i, r):
        return r.at[i].set(jnp.maximum(own[i], by_known(size[i], r)))

    def second(i, r):  # rows that begin with zeros, up to the diagonal
        later = by_known(size[i], r)
        alone = _root(jnp.max(size[i]))
        return r.at[i].set(jnp.where(r[i] > 0, r[i], jnp.where(later > 0, later, alone)))

    n = M.shape[0]
    if n == 1:
        return own
    r = jax.lax.fori_loop(0, n, first, jnp.zeros_like(own), unroll=n <= UNROLLED)
    return jax.lax.fori_loop(0, n, second, r, unroll=n <= UNROLLED)


def power_of_two(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """One over the power of two next below `x`, so that scaling by it rounds nothing; 1 where `x` is zero."""
    _, exponent = jnp.frexp(jax.lax.stop_gradient(x))
    scale = jnp.ldexp(jnp.ones_like(x), 1 - exponent)
    return jnp.where((x > 0) & jnp.isfinite(x), scale, 1)


def equilibrated(M: MassMatrix) -> tuple[MassMatrix, Coordinates]:
    """`D M D` with entries of order one, and the diagonal of `D`, powers of two."""
    d = power_of_two(symmetric_scales(jax.lax.stop_gradient(M)))
    return M * d[:, None] * d[None], d


def _root(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """The square root, with derivative zero at zero."""
    positive = x > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, x, 1)), 0)

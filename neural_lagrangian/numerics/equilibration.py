r"""Equilibration: scale a symmetric matrix so that its entries have no units and are of order one.

A change of the units of the coordinates changes $M_{ij}$ to $s_i M_{ij} s_j$. If $r_i$ has the unit of $\sqrt{M_{ii}}$,
the entries $M_{ij} / (r_i r_j)$ have no unit. A decision based on them, such as the rank, is the same in all units.
"""

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._types import Coordinates, MassMatrix, Scalar

MAX_UNROLLED_SIZE = 3
"""Largest matrix size n for which the loop over rows is unrolled. Small unrolled loops run and compile faster."""


def symmetric_scales(M: MassMatrix) -> Coordinates:
    r"""Scales $r$ of a symmetric matrix, with $|M_{ij}| \le r_i r_j$ and equality for one entry of each row.

    If $M$ is positive semi-definite, $r_i = \sqrt{M_{ii}}$. A row of zeros has the scale zero. (Bunch 1971,
    "Equilibration of symmetric matrices in the max-norm".)

    **Arguments:**

    - `M`: symmetric, shape `(dof, dof)`.

    **Returns:** $r \ge 0$, shape `(dof,)`, in units of the root of $M_{ii}$.
    """
    n, size = M.shape[0], jnp.abs(M)
    own = _root(jnp.diagonal(size))
    if n == 1:
        return own
    if n <= MAX_UNROLLED_SIZE:
        r = []
        for i in range(n):
            r.append(functools.reduce(jnp.maximum, (_per(size[i, j], r[j]) for j in range(i)), own[i]))
        for i in range(n):
            others = [j for j in range(n) if j != i]
            later = functools.reduce(jnp.maximum, (_per(size[i, j], r[j]) for j in others))
            r[i] = _or_else(r[i], later, size[i])
        return jnp.stack(r)

    def first(i, r):
        return r.at[i].set(jnp.maximum(own[i], jnp.max(_per(size[i], r))))

    def second(i, r):
        return r.at[i].set(_or_else(r[i], jnp.max(_per(size[i], r)), size[i]))

    r = jax.lax.fori_loop(0, n, first, jnp.zeros_like(own))
    return jax.lax.fori_loop(0, n, second, r)


def _per(entries: Float[Array, "..."], r: Float[Array, "..."]) -> Float[Array, "..."]:
    """$|M_{ij}| / r_j$, or zero if $r_j$ is not known yet."""
    known = r > 0
    return jnp.where(known, entries / jnp.where(known, r, 1), 0)


def _or_else(r: Scalar, later: Scalar, row: Coordinates) -> Scalar:
    """The scale of a row. If it is zero so far, use the scales of later rows, else the row's largest entry."""
    return jnp.where(r > 0, r, jnp.where(later > 0, later, _root(jnp.max(row))))


def power_of_two(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """One over the power of two nearest to `x`; 1 if `x` is zero. Multiplication by it is exact (no rounding)."""
    x = jax.lax.stop_gradient(x)
    info = jnp.finfo(x.dtype)
    usable = (x > 0) & (x < jnp.inf)
    power = jax.lax.reduce_precision(jnp.where(usable, jnp.minimum(x, float(info.max) / 2), 1), info.nexp, 0)
    return 1 / power


def equilibrated(M: MassMatrix) -> tuple[MassMatrix, Coordinates]:
    """The scaled matrix `D M D` with entries of order one, and the diagonal of `D` (powers of two)."""
    d = power_of_two(symmetric_scales(jax.lax.stop_gradient(M)))
    return M * d[:, None] * d[None], d


def _root(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """The square root, with derivative zero at zero."""
    positive = x > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, x, 1)), 0)

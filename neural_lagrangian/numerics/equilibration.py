r"""Matrices whose rows and columns have different units, brought to entries of order one.

A symmetric matrix $M$ changes with the units of its coordinates as $M_{ij} \to s_i M_{ij} s_j$. With $r_i$ of the unit
of $\sqrt{M_{ii}}$ the entries $M_{ij} / (r_i r_j)$ have none: what is decided by them, such as a rank, is the same in
every system of units.
"""

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._types import Coordinates, MassMatrix, Scalar

UNROLLED = 3
"""Largest matrix whose rows are visited in straight-line code instead of a loop: less to run, and to compile."""


def symmetric_scales(M: MassMatrix) -> Coordinates:
    r"""Scales $r$ with $|M_{ij}| \le r_i r_j$, one entry of each row being equal (Bunch 1971, "Equilibration of
    symmetric matrices in the max-norm").

    Where $M$ is positive semi-definite, $r_i = \sqrt{M_{ii}}$. A row of zeros has the scale zero.

    **Arguments:**

    - `M`: symmetric, shape `(dof, dof)`.

    **Returns:** $r \ge 0$, shape `(dof,)`, in units of the root of $M_{ii}$.
    """
    n, size = M.shape[0], jnp.abs(M)
    own = _root(jnp.diagonal(size))
    if n == 1:
        return own
    if n <= UNROLLED:
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
    """$|M_{ij}| / r_j$, zero where the scale is not known yet."""
    known = r > 0
    return jnp.where(known, entries / jnp.where(known, r, 1), 0)


def _or_else(r: Scalar, later: Scalar, row: Coordinates) -> Scalar:
    """The scale of a row that begins with zeros, up to the diagonal: by scales known later, or by no other."""
    return jnp.where(r > 0, r, jnp.where(later > 0, later, _root(jnp.max(row))))


def power_of_two(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """One over the power of two nearest to `x`, so that scaling by it rounds nothing; 1 where `x` is zero."""
    x = jax.lax.stop_gradient(x)
    info = jnp.finfo(x.dtype)
    usable = (x > 0) & (x < jnp.inf)
    power = jax.lax.reduce_precision(jnp.where(usable, jnp.minimum(x, float(info.max) / 2), 1), info.nexp, 0)
    return 1 / power


def equilibrated(M: MassMatrix) -> tuple[MassMatrix, Coordinates]:
    """`D M D` with entries of order one, and the diagonal of `D`, powers of two."""
    d = power_of_two(symmetric_scales(jax.lax.stop_gradient(M)))
    return M * d[:, None] * d[None], d


def _root(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """The square root, with derivative zero at zero."""
    positive = x > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, x, 1)), 0)

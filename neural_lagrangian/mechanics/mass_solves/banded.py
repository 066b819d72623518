"""Mass matrices of a chain or a ring of sites whose velocities are coupled to those of near neighbours."""

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from ..._types import Coordinates
from .mass_solve import AbstractMassSolve, Equations, MassTangent, Products

Band = Float[Array, "diagonal dof"]
"""The diagonal and the w next to it: entry `[k, i]` is $M_{i, i + k}$, zero beyond the end of a chain."""

Columns = Float[Array, "dof column"]


class Banded(AbstractMassSolve):
    r"""$a = M^{-1} b$ for $M_{ij} = 0$ where $|i - j| >$ `width`, as of a lattice

    $$L = \sum_i \ell(q_i, v_i, q_{i+1}, v_{i+1}).$$

    2 `width` + 1 products of M with sums of distant unit vectors give the band (a few more on a ring whose number of
    sites 2 `width` + 1 does not divide); the solve costs as much for each coordinate, whatever their number. A
    tridiagonal M is solved by elimination with pivoting; a wider one, or a ring, by blocks with none between them,
    which is stable for positive definite M. A singular matrix gives NaN or infinity, which a rollout reports as a
    failure.

    A Lagrangian that couples velocities further apart is solved wrongly, without a sign of it: `structure_error`
    tells.

    **Arguments:**

    - `width`: how far apart coupled coordinates are at most; 1 for a tridiagonal matrix. Where M is diagonal,
      `BlockDiagonal(1)` is cheaper.
    - `periodic`: whether the last coordinate is next to the first.

    **Raises:** `ValueError` if `width` is not a positive integer, and in use if a ring has fewer than 2 `width` + 1
    coordinates.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> loads = jnp.array([3.0, 4.0, 3.0])  # mass matrix: 2 on the diagonal, 1 beside it
    >>> chain = lambda t, q, v: v @ v + v[1:] @ v[:-1] + loads @ q
    >>> a = nl.acceleration(chain, 0.0, jnp.zeros(3), jnp.zeros(3), mass_solve=nl.mechanics.Banded(1))
    >>> print(jnp.round(a, 3))
    [1. 1. 1.]
    ```
    """

    width: int = eqx.field(static=True, default=1)
    periodic: bool = eqx.field(static=True, default=False)

    def __check_init__(self):
        if not isinstance(self.width, int) or self.width < 1:
            raise ValueError(f"`width` is {self.width!r}; expected an integer of at least 1")

    def seeds(self, dof: int) -> np.ndarray:
        colour = self._colours(dof)
        return np.arange(colour.max() + 1)[:, None] == colour[None]

    def product(self, M: Products, w: Coordinates) -> Coordinates:
        return _product(self.factor(M), w)

    def factor(self, M: Products) -> PyTree:
        n = M.shape[1]
        row = np.arange(n)[None]
        column = row + np.arange(self.width + 1)[:, None]
        band = M[self._colours(n)[column % n], np.broadcast_to(row, column.shape)]
        return band if self.periodic else jnp.where(column < n, band, 0)

    def apply(self, factor: PyTree, b: Coordinates) -> Coordinates:
        solve = _ring_solve if self.periodic else _chain_solve
        # States what is solved, so that derivatives of any order are products and solves, not those of an elimination.
        return jax.lax.custom_linear_solve(
            partial(_product, factor), b, lambda _, b: solve(factor, b[:, None])[:, 0], symmetric=True
        )

    def tangent(
        self, factor: PyTree, a: Coordinates, dr: Coordinates, dM: MassTangent, equations: Equations
    ) -> Coordinates:
        return self.apply(factor, dr)

    def _colours(self, dof: int) -> np.ndarray:
        """For each coordinate the seed that holds it: no row of M meets two coordinates of one seed."""
        period = 2 * self.width + 1
        colour = np.arange(dof) % period
        if self.periodic:
            if dof < period:
                raise ValueError(
                    f"`q` has {dof} coordinates; expected at least {period} on a ring of width {self.width}"
                )
            left = dof % period  # would meet the first ones: each has a seed of its own
            colour[dof - left :] = period + np.arange(left)
        return colour


def _product(band: Band, w: Coordinates | Columns) -> Coordinates | Columns:
    """M w, with a column of the result for each column of `w`."""
    entries = band.reshape(band.shape + (1,) * (w.ndim - 1))
    total = entries[0] * w
    for k in range(1, len(band)):
        total += entries[k] * jnp.roll(w, -k, axis=0) + jnp.roll(entries[k] * w, k, axis=0)
    return total


def _ring_solve(band: Band, b: Columns) -> Columns:
    """The last `width` sites cut out of the ring leave a chain; they are solved for first (Schur complement)."""
    w, n = len(band) - 1, band.shape[1]
    coupling = _product(band, jnp.eye(n, w, w - n, dtype=b.dtype))  # the last w columns of M
    C, E = coupling[: n - w], coupling[n - w :]
    inside = np.arange(n - w)[None] + np.arange(w + 1)[:, None] < n - w
    solved = _chain_solve(jnp.where(inside, band[:, : n - w], 0), jnp.concatenate([C, b[: n - w]], axis=1))
    X, x = solved[:, :w], solved[:, w:]
    last = jnp.linalg.solve(E - C.T @ X, b[n - w :] - C.T @ x)
    return jnp.concatenate([x - X @ last, last])


def _chain_solve(band: Band, b: Columns) -> Columns:
    if len(band) == 2:
        diagonal, upper = band
        return jax.lax.linalg.tridiagonal_solve(jnp.roll(upper, 1), diagonal, upper, b)
    # Blocks of w sites, each coupled to the next: D_i x_i + U_i x_{i+1} + U_{i-1}^T x_{i-1} = b_i.
    D, U, b_blocks = _block_tridiagonal(band, b)

    def eliminate(carry, block):
        S, rest = carry  # of D_i and b_i, after the sites before
        U, D_next, b_next = block
        G, g = jnp.split(jnp.linalg.solve(S, jnp.concatenate([U, rest], axis=1)), [len(U)], axis=1)
        return (D_next - U.T @ G, b_next - U.T @ g), (G, g)

    def substitute(x_next, block):
        G, g = block
        x = g - G @ x_next
        return x, x

    (S, rest), blocks = jax.lax.scan(eliminate, (D[0], b_blocks[0]), (U, D[1:], b_blocks[1:]))
    last = jnp.linalg.solve(S, rest)
    _, before = jax.lax.scan(substitute, last, blocks, reverse=True)
    return jnp.concatenate([before, last[None]]).reshape(-1, b.shape[1])[: len(b)]


def _block_tridiagonal(band: Band, b: Columns) -> tuple[Array, Array, Array]:
    """Blocks on the diagonal and above it, and of `b`; sites of unit mass fill the last block."""
    w, n = len(band) - 1, band.shape[1]
    missing = -n % w
    band = jnp.pad(band, ((0, 0), (0, missing))).at[0, n:].set(1)
    by_block = band.reshape(w + 1, -1, w)
    i, j = np.mgrid[:w, :w]
    D = by_block[np.abs(j - i), :, np.minimum(i, j)]
    U = jnp.where((j <= i)[:, :, None], by_block[np.minimum(w + j - i, w), :, i], 0)
    D, U = jnp.moveaxis(D, -1, 0), jnp.moveaxis(U, -1, 0)
    return D, U[:-1], jnp.pad(b, ((0, missing), (0, 0))).reshape(-1, w, b.shape[1])

"""Banded mass matrices: chains and rings whose velocities are coupled to those of near neighbours."""

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from ..._checks import positive_integer
from ..._types import Coordinates
from .mass_solve import AbstractMassSolve, MassProducts, Products

Diagonals = Float[Array, "diagonal dof"]
"""The main diagonal and the w diagonals above it: entry `[k, i]` is $M_{i, i + k}$, zero beyond the end of a chain."""

RightHandSides = Float[Array, "dof column"]


class Banded(AbstractMassSolve):
    r"""Solve $M a = b$ for a banded mass matrix: $M_{ij} = 0$ if $|i - j| >$ `width`, as for a lattice

    $$L = \sum_i \ell(q_i, v_i, q_{i+1}, v_{i+1}).$$

    The band is computed from 2 `width` + 1 products of M with vectors (a few more for a ring whose number of sites is
    not a multiple of 2 `width` + 1). The cost of the solve is proportional to the number of coordinates. A tridiagonal
    M is solved by elimination with pivoting. A wider band or a ring is solved by block elimination without pivoting
    between blocks, which is stable for positive definite M. A singular matrix gives NaN or infinity, and a rollout
    then fails.

    A Lagrangian that couples velocities further apart gives wrong accelerations without an error. Check it with
    `structure_error`.

    **Arguments:**

    - `width`: largest distance |i - j| of coupled coordinates; 1 for a tridiagonal matrix. For a diagonal M,
      `BlockDiagonal(1)` is cheaper.
    - `periodic`: whether the last coordinate is next to the first (a ring).

    **Raises:** `ValueError` if `width` is not a positive integer, or, when used, if a ring has fewer than
    2 `width` + 1 coordinates.

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
        positive_integer("width", self.width)

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
        # With custom_linear_solve, derivatives of any order use products and solves, and not the steps of an
        # elimination.
        return jax.lax.custom_linear_solve(
            partial(_product, factor), b, lambda _, b: solve(factor, b[:, None])[:, 0], symmetric=True
        )

    def tangent(
        self, factor: PyTree, a: Coordinates, r: Coordinates, dr: Coordinates, products: MassProducts
    ) -> Coordinates:
        return self.apply(factor, dr)

    def _colours(self, dof: int) -> np.ndarray:
        """The seed of each coordinate. No row of M has nonzero entries at two coordinates of one seed."""
        period = 2 * self.width + 1
        colour = np.arange(dof) % period
        if self.periodic:
            if dof < period:
                raise ValueError(
                    f"`q` has {dof} coordinates; expected at least {period} on a ring of width {self.width}"
                )
            left = dof % period  # these are too close to the first coordinates, so each gets its own seed
            colour[dof - left :] = period + np.arange(left)
        return colour


def _product(band: Diagonals, w: Coordinates | RightHandSides) -> Coordinates | RightHandSides:
    """The product M w, for one vector or for each column of `w`."""
    entries = band.reshape(band.shape + (1,) * (w.ndim - 1))
    total = entries[0] * w
    for k in range(1, len(band)):
        total += entries[k] * jnp.roll(w, -k, axis=0) + jnp.roll(entries[k] * w, k, axis=0)
    return total


def _ring_solve(band: Diagonals, b: RightHandSides) -> RightHandSides:
    """Solve on a ring: without its last `width` sites it is a chain (Schur complement)."""
    w, n = len(band) - 1, band.shape[1]
    coupling = _product(band, jnp.eye(n, w, w - n, dtype=b.dtype))  # the last w columns of M
    C, E = coupling[: n - w], coupling[n - w :]
    inside = np.arange(n - w)[None] + np.arange(w + 1)[:, None] < n - w
    solved = _chain_solve(jnp.where(inside, band[:, : n - w], 0), jnp.concatenate([C, b[: n - w]], axis=1))
    X, x = solved[:, :w], solved[:, w:]
    last = jnp.linalg.solve(E - C.T @ X, b[n - w :] - C.T @ x)
    return jnp.concatenate([x - X @ last, last])


def _chain_solve(band: Diagonals, b: RightHandSides) -> RightHandSides:
    if len(band) == 2:
        diagonal, upper = band
        return jax.lax.linalg.tridiagonal_solve(jnp.roll(upper, 1), diagonal, upper, b)
    # Blocks of w sites, each coupled to the next: D_i x_i + U_i x_{i+1} + U_{i-1}^T x_{i-1} = b_i.
    D, U, b_blocks = _block_tridiagonal(band, b)

    def eliminate(carry, block):
        S, rest = carry  # D_i and b_i after elimination of the sites before
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


def _block_tridiagonal(band: Diagonals, b: RightHandSides) -> tuple[Array, Array, Array]:
    """The diagonal blocks, the blocks above them, and the blocks of `b`. The last block is padded by unit masses."""
    w, n = len(band) - 1, band.shape[1]
    missing = -n % w
    band = jnp.pad(band, ((0, 0), (0, missing))).at[0, n:].set(1)
    by_block = band.reshape(w + 1, -1, w)
    i, j = np.mgrid[:w, :w]
    D = by_block[np.abs(j - i), :, np.minimum(i, j)]
    U = jnp.where((j <= i)[:, :, None], by_block[np.minimum(w + j - i, w), :, i], 0)
    D, U = jnp.moveaxis(D, -1, 0), jnp.moveaxis(U, -1, 0)
    return D, U[:-1], jnp.pad(b, ((0, missing), (0, 0))).reshape(-1, w, b.shape[1])

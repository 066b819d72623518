"""Block-diagonal mass matrices: one small block for each body, and no coupling between their velocities."""

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from ..._checks import positive_integer
from ..._types import Coordinates
from ...numerics import cutoff, pseudoinverse, pseudoinverse_tangent
from .mass_solve import AbstractMassSolve, MassProducts, Products

Blocks = Float[Array, "block size size"]


class BlockDiagonal(AbstractMassSolve):
    r"""Solve $M a = b$ for a block-diagonal mass matrix, as for bodies in `size` dimensions:

    $$L = \sum_i T_i(q, v_i) + A(q, t) \cdot v - V(q, t), \qquad
      M = \mathrm{diag}(M_1, M_2, \dots), \quad M_i = \frac{\partial^2 T_i}{\partial v_i^2}.$$

    All blocks are computed from `size` products of M with vectors, for any number of bodies. Each block is solved
    separately, as by `PseudoInverse`. If a block is singular (relative to its own largest eigenvalue), its body is not
    accelerated along the null directions; other bodies are not affected.

    A Lagrangian that couples the velocities of different bodies gives wrong accelerations without an error. Check it
    with `structure_error`.

    **Arguments:**

    - `size`: number of coordinates of a block; 1 for a diagonal matrix.
    - `rcond`: relative cut-off in a block. `None` means `10 size eps`, the default of `jax.numpy.linalg.pinv`.

    **Raises:** `ValueError` if `size` is not a positive integer, or, when used, if it does not divide the number of
    coordinates.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> bodies = lambda t, q, v: 0.5 * v[:2] @ v[:2] + v[2:] @ v[2:] - 2.0 * q @ q  # 1 kg and 2 kg, in the plane
    >>> a = nl.acceleration(bodies, 0.0, jnp.ones(4), jnp.zeros(4), mass_solve=nl.mechanics.BlockDiagonal(2))
    >>> print(jnp.round(a, 3))
    [-4. -4. -2. -2.]
    ```
    """

    size: int = eqx.field(static=True, default=1)
    rcond: float | None = None

    def __check_init__(self):
        positive_integer("size", self.size)

    def seeds(self, dof: int) -> np.ndarray:
        if dof % self.size:
            raise ValueError(f"`q` has {dof} coordinates; expected a multiple of the block size {self.size}")
        return np.tile(np.eye(self.size), dof // self.size)

    def product(self, M: Products, w: Coordinates) -> Coordinates:
        return _product(self._blocks(M), w)

    def factor(self, M: Products) -> PyTree:
        blocks = self._blocks(M)
        return jax.vmap(partial(pseudoinverse, rcond=cutoff(self.rcond, blocks), natural=False))(blocks)

    def apply(self, factor: PyTree, b: Coordinates) -> Coordinates:
        inverses, _ = factor
        return _product(inverses, b)

    def tangent(
        self, factor: PyTree, a: Coordinates, r: Coordinates, dr: Coordinates, products: MassProducts
    ) -> Coordinates:
        inverses, deficient = factor
        inverse, deficient = partial(_product, inverses), jnp.repeat(deficient, self.size)
        return pseudoinverse_tangent(inverse, deficient, a, r, dr, products, self.product, self.seeds(len(a)))

    def _blocks(self, M: Products) -> Blocks:
        return M.T.reshape(-1, self.size, self.size)


def _product(blocks: Blocks, w: Coordinates) -> Coordinates:
    size = blocks.shape[-1]
    if size == 1:
        return blocks[:, 0, 0] * w
    return jnp.einsum("bij,bj->bi", blocks, w.reshape(-1, size)).reshape(-1)

"""The Moore-Penrose pseudoinverse of the mass matrix."""

from functools import partial

import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from ..._types import Coordinates, MassMatrix
from ...numerics import cutoff, pseudoinverse, pseudoinverse_tangent
from .mass_solve import AbstractDenseSolve, MassProducts


class PseudoInverse(AbstractDenseSolve):
    r"""Solve $M a = b$ by the Moore-Penrose pseudoinverse, $a = M^{+} b$.

    Eigenvalues of magnitude at most `rcond` times the largest count as zero, and there is no acceleration along their
    eigenvectors. The eigenvalues are those of the matrix scaled to entries of order one, $M_{ij} / (r_i r_j)$. So the
    rank does not depend on units, and a light body next to a heavy one keeps its mass. The derivative assumes a locally
    constant rank.

    **Arguments:**

    - `rcond`: relative cut-off. `None` means `10 n eps`, the default of `jax.numpy.linalg.pinv`.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> spring = lambda t, q, v: 0.5 * v[0] ** 2 - 2.0 * q @ q  # the second coordinate has no mass
    >>> a = nl.acceleration(spring, 0.0, jnp.ones(2), jnp.zeros(2), mass_solve=nl.mechanics.PseudoInverse())
    >>> print(jnp.round(a, 3))
    [-4.  0.]
    ```
    """

    rcond: float | None = None

    def factor(self, M: MassMatrix) -> PyTree:
        return pseudoinverse(M, rcond=cutoff(self.rcond, M), natural=False)

    def apply(self, factor: PyTree, b: Coordinates) -> Coordinates:
        inverse, _ = factor
        return inverse @ b

    def tangent(
        self, factor: PyTree, a: Coordinates, r: Coordinates, dr: Coordinates, products: MassProducts
    ) -> Coordinates:
        inverse, deficient = factor
        inverse_product = partial(jnp.matmul, inverse)
        return pseudoinverse_tangent(inverse_product, deficient, a, r, dr, products, jnp.matmul, np.eye(len(a)))

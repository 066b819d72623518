"""Cholesky factorisation of a positive definite mass matrix."""

import jax
import jax.numpy as jnp
from jaxtyping import PyTree

from ..._types import Coordinates, MassMatrix
from .mass_solve import AbstractDenseSolve, MassProducts


class Cholesky(AbstractDenseSolve):
    r"""Solve $M a = b$ by a Cholesky factorisation, for mass matrices that are positive definite by construction.

    A matrix that is not positive definite gives NaN, and a rollout then fails.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> spring = lambda t, q, v: 0.5 * v @ v - 2.0 * q @ q  # 1 kg on a spring of 4 N/m
    >>> nl.acceleration(spring, 0.0, jnp.ones(1), jnp.zeros(1), mass_solve=nl.mechanics.Cholesky()).tolist()
    [-4.0]
    ```
    """

    def factor(self, M: MassMatrix) -> PyTree:
        return _cholesky(M)

    def apply(self, factor: PyTree, b: Coordinates) -> Coordinates:
        return _triangular_solves(factor, b)

    def tangent(
        self, factor: PyTree, a: Coordinates, r: Coordinates, dr: Coordinates, products: MassProducts
    ) -> Coordinates:
        return _triangular_solves(factor, dr)


# Up to n = 3 the algorithms are unrolled: several times faster than batched LAPACK calls on small matrices.


def _cholesky(M: MassMatrix) -> MassMatrix:
    n = M.shape[0]
    if n > 3:
        return jnp.linalg.cholesky(M)
    C = [[jnp.zeros_like(M[0, 0])] * n for _ in range(n)]
    for i in range(n):
        for j in range(i + 1):
            rest = M[i, j] - sum(C[i][k] * C[j][k] for k in range(j))
            C[i][j] = jnp.sqrt(rest) if i == j else rest / C[j][j]
    return jnp.stack([jnp.stack(row) for row in C])


def _triangular_solves(C: MassMatrix, b: Coordinates) -> Coordinates:
    n = C.shape[0]
    if n > 3:
        return jax.scipy.linalg.cho_solve((C, True), b)
    y, x = list(b), list(b)
    for i in range(n):
        y[i] = (b[i] - sum(C[i, k] * y[k] for k in range(i))) / C[i, i]
    for i in reversed(range(n)):
        x[i] = (y[i] - sum(C[k, i] * x[k] for k in range(i + 1, n))) / C[i, i]
    return jnp.stack(x)

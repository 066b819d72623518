"""The Moore-Penrose pseudoinverse of the mass matrix."""

from functools import partial

import jax.numpy as jnp
from jaxtyping import PyTree

from ..._types import Coordinates, MassMatrix
from ...numerics import cutoff, pseudoinverse, pseudoinverse_tangent
from .mass_solve import AbstractDenseSolve, Equations, MassTangent


class PseudoInverse(AbstractDenseSolve):
    r"""Moore-Penrose pseudoinverse, $a = M^{+} b$.

    Eigenvalues of magnitude at most `rcond` times the largest count as zero: the acceleration along their
    directions is zero. They are those of the equilibrated matrix $M_{ij} / (r_i r_j)$, as of `symmetric_scales`, so
    that a light body beside a heavy one keeps its mass, and no unit decides a rank. The tangent is that of a
    pseudoinverse at locally constant rank.

    **Arguments:**

    - `rcond`: relative cut-off; `None` takes that of `jax.numpy.linalg.pinv`, `10 n eps`.

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
        self, factor: PyTree, a: Coordinates, dr: Coordinates, dM: MassTangent, equations: Equations
    ) -> Coordinates:
        inverse, deficient = factor

        def mass_and_force():
            M, b = equations()
            return partial(jnp.matmul, M), b

        return pseudoinverse_tangent(partial(jnp.matmul, inverse), deficient, a, dr, dM, mass_and_force)

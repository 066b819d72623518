r"""How $M a = b$ is solved for the acceleration, and how that solution varies.

A mass solve owns two things: the solution $a = S(M, b)$, and its tangent. The tangent is written with products
$\dot M w$ only, because each of those is one directional derivative of $\partial L / \partial v$: the
entries of $M$ are never differentiated one by one.
"""

import abc
from collections.abc import Callable
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from .._types import ComplexVector, Coordinates, MassMatrix
from .equilibration import equilibrated, power_of_two, symmetric_scales
from .pseudoinverse import cutoff, pseudoinverse, pseudoinverse_tangent

MassTangent = Callable[[Float[Array, "k dof"]], Float[Array, "k dof"]]
"""The map `w -> dM w` for a stack of vectors, with `dM` the tangent of the mass matrix."""

Products = Float[Array, "k dof"]
"""What is formed of a symmetric $M$: its products with the k seeds of a mass solve, or all its rows."""

Equations = Callable[[], tuple[Products, Coordinates]]
"""Forms `(M, b)` of $M a = b$."""


class AbstractMassSolve(eqx.Module):
    """The map from a symmetric mass matrix and a right-hand side to an acceleration.

    It comes in two parts so that a training rollout can keep the small factor of each stage, and need not form the
    mass matrix again on the way back.

    A solve that knows which entries of $M$ vanish states a few seeds $s_i$, and is given the products $M s_i$ wherever
    a dense solve is given $M$: of a Hessian with few entries a row, few products tell all (Curtis, Powell and Reid
    1974).
    """

    @abc.abstractmethod
    def seeds(self, dof: int) -> np.ndarray | None:
        """The directions $s_i$, shape `(k, dof)`; `None` where all of $M$ is wanted."""

    @abc.abstractmethod
    def product(self, M: Products, w: Coordinates) -> Coordinates:
        """The product $M w$, from what `factor` is given."""

    @abc.abstractmethod
    def factor(self, M: Products) -> PyTree:
        """What solving needs of $M$, differentiable to any order."""

    @abc.abstractmethod
    def apply(self, factor: PyTree, b: Coordinates) -> Coordinates:
        """The acceleration $a = S(M, b)$, given the factor of $M$."""

    @abc.abstractmethod
    def tangent(
        self, factor: PyTree, a: Coordinates, dr: Coordinates, dM: MassTangent, equations: Equations
    ) -> Coordinates:
        r"""The tangent $\dot a$, given $\dot r = \dot b - \dot M a$ (with $a$ held) and products $\dot M w$.

        `equations()` forms $(M, b)$ anew: for what a factor cannot say.
        """

    def solve(self, M: Products, b: Coordinates) -> Coordinates:
        """The acceleration $a = S(M, b)$."""
        return self.apply(self.factor(M), b)


class AbstractDenseSolve(AbstractMassSolve):
    """A mass solve that wants all of $M$."""

    def seeds(self, dof: int) -> None:
        return None

    def product(self, M: MassMatrix, w: Coordinates) -> Coordinates:
        return M @ w


class PseudoInverse(AbstractDenseSolve):
    r"""Moore-Penrose pseudoinverse, $a = M^{+} b$.

    Eigenvalues of magnitude at most `rcond` times the largest count as zero: the acceleration along their
    directions is zero. They are those of the equilibrated matrix $M_{ij} / (r_i r_j)$, as of `symmetric_scales`, so
    that a light body beside a heavy one keeps its mass, and no unit decides a rank. The tangent is that of a
    pseudoinverse at locally constant rank.

    **Arguments:**

    - `rcond`: relative cut-off; `None` takes that of `jax.numpy.linalg.pinv`, `10 n eps`.
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


class DampedInverse(AbstractDenseSolve):
    r"""Smooth substitute for the pseudoinverse, never singular:

    $$a = \mathrm{Re}\,(M + i \epsilon \Lambda)^{-1} b, \qquad \Lambda = \mathrm{diag}(r_i^2), \quad
      |M_{ij}| \le r_i r_j,$$

    with the scales $r$ of `symmetric_scales`: $\Lambda_i = M_{ii}$ where M is positive. Unchanged under
    $L \to \alpha L$ and $L \to -L$, and the same motion in any units of the coordinates: what is damped is a
    combination of coordinates that has little mass for the masses of each. The relative bias along an eigenvalue
    $\mu$ of $\Lambda^{-1/2} M \Lambda^{-1/2}$ is $\epsilon^2 / \mu^2$, so prefer an undamped solve for evaluation. A
    coordinate whose row of M is zero is not accelerated. Solved as the complex shifted system, not by normal equations.

    **Arguments:**

    - `eps`: relative damping; `None` means 1e-3 in single and 1e-6 in double precision.
    """

    eps: float | None = None

    def factor(self, M: MassMatrix) -> PyTree:
        return M, self._damping(M)

    def apply(self, factor: PyTree, b: Coordinates) -> Coordinates:
        M, damping = factor
        return _shifted_solve(M, damping, jax.lax.complex(b, jnp.zeros_like(b))).real

    def tangent(
        self, factor: PyTree, a: Coordinates, dr: Coordinates, dM: MassTangent, equations: Equations
    ) -> Coordinates:
        # (M + i lam) z = b, a = Re z:  dz = (M + i lam)^-1 (db - dM z - i dlam z).
        M, damping = factor
        _, b = equations()
        z = _shifted_solve(M, damping, jax.lax.complex(b, jnp.zeros_like(b)))
        products = dM(jnp.concatenate([z.imag[None], jnp.eye(M.shape[0], dtype=M.dtype)]))
        _, ddamping = jax.jvp(self._damping, (M,), (products[1:],))
        rest = jax.lax.complex(dr + ddamping * z.imag, -products[0] - ddamping * z.real)
        return _shifted_solve(M, damping, rest).real

    def _damping(self, M: MassMatrix) -> Coordinates:
        relative = self.eps
        if relative is None:
            relative = 1e-3 if M.dtype == jnp.float32 else 1e-6
        A, d = equilibrated(M)  # whose scales, of order one, have derivatives that neither overflow nor vanish
        return relative * (symmetric_scales(A) / d) ** 2


class Cholesky(AbstractDenseSolve):
    r"""$a = M^{-1} b$ by a Cholesky factorisation, for mass matrices positive definite by construction.

    A matrix that is not positive definite gives NaN, which a rollout reports as a failure.
    """

    def factor(self, M: MassMatrix) -> PyTree:
        return _cholesky(M)

    def apply(self, factor: PyTree, b: Coordinates) -> Coordinates:
        return _triangular_solves(factor, b)

    def tangent(
        self, factor: PyTree, a: Coordinates, dr: Coordinates, dM: MassTangent, equations: Equations
    ) -> Coordinates:
        return _triangular_solves(factor, dr)


# Up to n = 3 the same algorithms are written out: several times faster than batched LAPACK calls on small matrices.


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


def _shifted_solve(M: MassMatrix, shift: Coordinates, b: ComplexVector) -> ComplexVector:
    """(M + i diag(shift))^-1 b; zero for a coordinate without shift, whose row of M is zero."""
    n = M.shape[0]
    lost = shift == 0
    # Entries of order one: their products neither overflow nor vanish. The solution does not depend on the scales.
    d = jnp.where(lost, 0, power_of_two(jnp.sqrt(shift)))
    A = jax.lax.complex(M * d[:, None] * d[None], jnp.diag(jnp.where(lost, 1, shift * d * d)))
    b = jax.lax.complex(b.real * d, b.imag * d)
    if n == 1:
        x = b / A[0]
    elif n == 2:
        x = jnp.stack([A[1, 1] * b[0] - A[0, 1] * b[1], A[0, 0] * b[1] - A[1, 0] * b[0]]) / (
            A[0, 0] * A[1, 1] - A[0, 1] * A[1, 0]
        )
    else:
        x = jnp.linalg.solve(A, b)
    return jax.lax.complex(x.real * d, x.imag * d)

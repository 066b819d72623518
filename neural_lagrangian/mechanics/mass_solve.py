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

from .._types import ComplexVector, Coordinates, MassMatrix, Scalar
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


class PseudoInverse(AbstractMassSolve):
    r"""Moore-Penrose pseudoinverse, $a = M^{+} b$.

    Eigenvalues of magnitude at most `rcond` times the largest count as zero: the acceleration along their
    directions is zero. The tangent is that of a pseudoinverse at locally constant rank.

    **Arguments:**

    - `rcond`: relative cut-off; `None` takes that of `jax.numpy.linalg.pinv`, `10 n eps`.
    """

    rcond: float | None = None

    def seeds(self, dof: int) -> None:
        return None

    def product(self, M: MassMatrix, w: Coordinates) -> Coordinates:
        return M @ w

    def factor(self, M: MassMatrix) -> PyTree:
        return pseudoinverse(M, rcond=cutoff(self.rcond, M))

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


class DampedInverse(AbstractMassSolve):
    r"""Smooth substitute for the pseudoinverse, never singular:

    $$a = M (M^2 + \lambda^2 I)^{-1} b = \mathrm{Re}\,(M + i \lambda I)^{-1} b, \qquad
      \lambda^2 = \epsilon^2 (\mathrm{tr} M^2 / n + \delta).$$

    Unchanged under $L \to \alpha L$ and $L \to -L$; the relative bias along an eigenvalue $\mu$ is
    $\lambda^2 / \mu^2$, so prefer an undamped solve for evaluation. The floor $\delta$ ($10^{-10}$ in single and
    $10^{-30}$ in double precision: mass matrices should be well above its root) keeps $M = 0$ regular (then $a = 0$)
    with finite derivatives. Solved as the complex shifted system, not by normal equations.

    **Arguments:**

    - `eps`: relative damping; `None` means 1e-3 in single and 1e-6 in double precision.
    """

    eps: float | None = None

    def seeds(self, dof: int) -> None:
        return None

    def product(self, M: MassMatrix, w: Coordinates) -> Coordinates:
        return M @ w

    def factor(self, M: MassMatrix) -> PyTree:
        floor = 1e-10 if M.dtype == jnp.float32 else 1e-30
        return M, self._relative(M) * jnp.sqrt(jnp.sum(M * M) / M.shape[0] + floor)

    def apply(self, factor: PyTree, b: Coordinates) -> Coordinates:
        M, damping = factor
        return _shifted_solve(M, damping, jax.lax.complex(b, jnp.zeros_like(b))).real

    def tangent(
        self, factor: PyTree, a: Coordinates, dr: Coordinates, dM: MassTangent, equations: Equations
    ) -> Coordinates:
        # (M + i lam) z = b, a = Re z:  dz = (M + i lam)^-1 (db - dM z - i dlam z).
        M, damping = factor
        n = M.shape[0]
        _, b = equations()
        z = _shifted_solve(M, damping, jax.lax.complex(b, jnp.zeros_like(b)))
        products = dM(jnp.concatenate([z.imag[None], jnp.eye(n, dtype=M.dtype)]))
        # lam^2 = eps^2 (<M, M> / n + floor), so lam dlam = eps^2 <M, dM> / n.
        ddamping = self._relative(M) ** 2 * jnp.sum(M * products[1:]) / (n * damping)
        rest = jax.lax.complex(dr + ddamping * z.imag, -products[0] - ddamping * z.real)
        return _shifted_solve(M, damping, rest).real

    def _relative(self, M: MassMatrix) -> float:
        if self.eps is not None:
            return self.eps
        return 1e-3 if M.dtype == jnp.float32 else 1e-6


class Cholesky(AbstractMassSolve):
    r"""$a = M^{-1} b$ by a Cholesky factorisation, for mass matrices positive definite by construction.

    A matrix that is not positive definite gives NaN, which a rollout reports as a failure.
    """

    def seeds(self, dof: int) -> None:
        return None

    def product(self, M: MassMatrix, w: Coordinates) -> Coordinates:
        return M @ w

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


def _shifted_solve(M: MassMatrix, shift: Scalar, b: ComplexVector) -> ComplexVector:
    """(M + i shift I)^-1 b."""
    n = M.shape[0]
    # Entries of order one: their products neither overflow nor vanish. The solution does not depend on the scale.
    scale = jax.lax.stop_gradient(jnp.max(jnp.abs(M)) + shift)
    A = jax.lax.complex(M / scale, shift / scale * jnp.eye(n, dtype=M.dtype))
    b = jax.lax.complex(b.real / scale, b.imag / scale)
    if n == 1:
        return b / A[0]
    if n == 2:
        return jnp.stack([A[1, 1] * b[0] - A[0, 1] * b[1], A[0, 0] * b[1] - A[1, 0] * b[0]]) / (
            A[0, 0] * A[1, 1] - A[0, 1] * A[1, 0]
        )
    return jnp.linalg.solve(A, b)

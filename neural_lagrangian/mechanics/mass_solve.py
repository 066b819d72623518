r"""How $M a = b$ is solved for the acceleration, and how that solution varies.

A mass solve owns two things: the solution $a = S(M, b)$, and its tangent. The tangent is written with products
$\dot M w$ only, because each of those is one directional derivative of $\partial L / \partial v$: the
entries of $M$ are never differentiated one by one.
"""

import abc
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.custom_batching import custom_vmap
from jaxtyping import Array, Float, PyTree

from .._types import ComplexVector, Coordinates, Flag, MassMatrix, Scalar

MassTangent = Callable[[Float[Array, "k dof"]], Float[Array, "k dof"]]
"""The map `w -> dM w` for a stack of vectors, with `dM` the tangent of the mass matrix."""

Equations = Callable[[], tuple[MassMatrix, Coordinates]]
"""Forms `(M, b)` of $M a = b$."""


class AbstractMassSolve(eqx.Module):
    """The map from a symmetric mass matrix and a right-hand side to an acceleration.

    It comes in two parts so that a training rollout can keep the small factor of each stage, and need not form the
    mass matrix again on the way back.
    """

    @abc.abstractmethod
    def factor(self, M: MassMatrix) -> PyTree:
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

    def solve(self, M: MassMatrix, b: Coordinates) -> Coordinates:
        """The acceleration $a = S(M, b)$."""
        return self.apply(self.factor(M), b)


class PseudoInverse(AbstractMassSolve):
    r"""Moore-Penrose pseudoinverse, $a = M^{+} b$.

    Eigenvalues of magnitude at most `rcond` times the largest count as zero: the acceleration along their
    directions is zero. The tangent is that of a pseudoinverse at locally constant rank
    (Golub and Pereyra 1973, eq. 4.12), for symmetric $M$:

    $$\dot a = M^{+} (\dot b - \dot M a) + M^{+} M^{+} \dot M (I - M M^{+}) b + (I - M^{+} M) \dot M M^{+} a.$$

    The last two terms vanish at full rank and are evaluated only when a matrix of the batch has lost rank.

    **Arguments:**

    - `rcond`: relative cut-off; `None` takes that of `jax.numpy.linalg.pinv`, `10 n eps`.
    """

    rcond: float | None = None

    def factor(self, M: MassMatrix) -> PyTree:
        return _pseudoinverse(M, rcond=self._cutoff(M))

    def apply(self, factor: PyTree, b: Coordinates) -> Coordinates:
        inverse, _ = factor
        return inverse @ b

    def tangent(
        self, factor: PyTree, a: Coordinates, dr: Coordinates, dM: MassTangent, equations: Equations
    ) -> Coordinates:
        inverse, deficient = factor

        @jax.checkpoint  # or both branches of the `cond` would store its intermediate values, as zeros when not taken
        def null_space_terms() -> Coordinates:
            M, b = equations()
            first, second = dM(jnp.stack([b - M @ (inverse @ b), inverse @ a]))
            return inverse @ (inverse @ first) + second - inverse @ (M @ second)

        da = inverse @ dr
        return da + jax.lax.cond(
            _any_in_batch(deficient),
            lambda: jnp.where(deficient, null_space_terms(), 0),
            lambda: jnp.zeros_like(da),
        )

    def _cutoff(self, M: MassMatrix) -> float:
        return 10 * M.shape[0] * float(jnp.finfo(M.dtype).eps) if self.rcond is None else self.rcond


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


@eqx.filter_custom_jvp
def _pseudoinverse(M: MassMatrix, *, rcond: float) -> tuple[MassMatrix, Flag]:
    """M^+ of a symmetric matrix, and whether its rank is deficient."""
    n = M.shape[0]
    if n == 1:
        zero = M[0, 0] == 0
        return jnp.where(zero, 0, 1 / jnp.where(zero, 1, M)), zero
    if n == 2:
        return _pseudoinverse_2x2(M, rcond)
    # |M| |M^-1| bounds the condition number. Well below 1 / rcond the rank is full and the inverse, several times
    # cheaper than the eigenvalues, is the pseudoinverse.
    inverse = jnp.linalg.inv(M)
    full = jnp.linalg.norm(M) * jnp.linalg.norm(inverse) * rcond < 0.1

    def by_eigenvalues() -> tuple[MassMatrix, Flag]:
        P, deficient = _pseudoinverse_by_eigenvalues(M, rcond)
        return jnp.where(full, inverse, P), deficient & ~full

    return jax.lax.cond(_any_in_batch(~full), by_eigenvalues, lambda: (inverse, jnp.zeros_like(full)))


@_pseudoinverse.def_jvp
def _(primals, tangents, *, rcond):
    # Golub and Pereyra (1973), eq. 4.12; never through `eigh`, whose derivative is NaN at repeated eigenvalues.
    (M,), (dM,) = primals, tangents
    P, deficient = _pseudoinverse(M, rcond=rcond)
    null = jnp.eye(M.shape[0], dtype=M.dtype) - M @ P
    dP = -P @ dM @ P + P @ P @ dM @ null + null.T @ dM @ P @ P
    return (P, deficient), (dP, None)


def _pseudoinverse_by_eigenvalues(M: MassMatrix, rcond: float) -> tuple[MassMatrix, Flag]:
    w, U = jnp.linalg.eigh(M)
    kept = jnp.abs(w) > rcond * jnp.max(jnp.abs(w))
    inverse = jnp.where(kept, 1 / jnp.where(kept, w, 1), 0)
    return (U * inverse[None]) @ U.T, ~jnp.all(kept)


def _pseudoinverse_2x2(M: MassMatrix, rcond: float) -> tuple[MassMatrix, Flag]:
    scale = jnp.max(jnp.abs(M))
    zero = scale == 0
    A = M / jnp.where(zero, 1, scale)  # entries of order one: products neither overflow nor vanish
    mean, half = (A[0, 0] + A[1, 1]) / 2, (A[0, 0] - A[1, 1]) / 2
    off = (A[0, 1] + A[1, 0]) / 2
    gap = jnp.sqrt(half * half + off * off)
    determinant = A[0, 0] * A[1, 1] - off * off
    # The eigenvalue of larger magnitude has no cancellation; the other is det / larger.
    larger = mean + jnp.where(mean < 0, -gap, gap)
    safe = jnp.where(larger == 0, 1, larger)
    smaller = determinant / safe
    deficient = jnp.abs(smaller) <= rcond * jnp.abs(safe)
    adjugate = jnp.array([[A[1, 1], -off], [-off, A[0, 0]]])
    identity = jnp.eye(2, dtype=M.dtype)
    # Rank one: M^+ = P / larger, with the projector P = (A - smaller I) / (larger - smaller).
    rank_one = (A - smaller * identity) / (safe * (safe - jnp.where(deficient, smaller, 0)))
    full = adjugate / jnp.where(deficient, 1, determinant)
    inverse = jnp.where(deficient, rank_one, full) / jnp.where(zero, 1, scale)
    return jnp.where(zero, 0, inverse), deficient | zero


@custom_vmap
def _any_in_batch(flag: Array) -> Array:
    """`flag`; under `vmap` whether any of the batch is set, hence not batched: `lax.cond` on it stays a branch."""
    return flag


@_any_in_batch.def_vmap
def _(axis_size, in_batched, flag):
    return _any_in_batch(jnp.any(flag)), False

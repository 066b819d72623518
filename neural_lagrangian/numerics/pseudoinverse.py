r"""The Moore-Penrose pseudoinverse $M^{+}$ of a symmetric matrix, and the derivative of $M^{+} b$."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from .._types import Coordinates, Flag, MassMatrix
from .batching import any_in_batch
from .equilibration import equilibrated

LinearMap = Callable[[Coordinates], Coordinates]
Stack = Float[Array, "k dof"]


def cutoff(rcond: float | None, M: Float[Array, "... dof"]) -> float:
    """The relative cut-off `rcond`. If it is `None`: `10 n eps`, the default of `jax.numpy.linalg.pinv`."""
    return 10 * M.shape[-1] * float(jnp.finfo(M.dtype).eps) if rcond is None else rcond


def pseudoinverse_tangent(
    inverse: LinearMap,
    deficient: Flag | Bool[Array, " dof"],
    a: Coordinates,
    r: Coordinates,
    dr: Coordinates,
    products: Callable[[Stack], tuple[Stack, Stack]],
    product: Callable[[Stack, Coordinates], Coordinates],
    seeds: np.ndarray,
) -> Coordinates:
    r"""The tangent of $a = M^{+} b$ at locally constant rank (Golub and Pereyra 1973, eq. 4.12), M symmetric:

    $$\dot a = M^{+} (\dot b - \dot M a) + M^{+} M^{+} \dot M r + (I - M^{+} M) \dot M M^{+} a, \qquad r = b - M a.$$

    The last two terms vanish at full rank. They are evaluated only if a matrix of the batch is `deficient`.

    **Arguments:**

    - `inverse`: the product with $M^{+}$. `deficient`: whether the matrix is singular, or, for each coordinate, whether
      its block is singular.
    - `a`: the acceleration. `r`: the residual $b - M a$. `dr`: $\dot b - \dot M a$.
    - `products`: the map `w -> (M w, dM w)` for a stack of vectors. `product(M, w)`: one product, from those with the
      `seeds`.
    """

    @jax.checkpoint  # else both branches of the `cond` would store its intermediate values
    def null_space_terms() -> Coordinates:
        M_W, dM_W = products(jnp.concatenate([jnp.stack([r, inverse(a)]), jnp.asarray(seeds, a.dtype)]))
        M, (dM_r, dM_x) = M_W[2:], dM_W[:2]
        return inverse(inverse(dM_r)) + dM_x - inverse(product(M, dM_x))

    da = inverse(dr)
    return da + jax.lax.cond(
        any_in_batch(jnp.any(deficient)),
        lambda: jnp.where(deficient, null_space_terms(), 0),
        lambda: jnp.zeros_like(da),
    )


@eqx.filter_custom_jvp
def pseudoinverse(M: MassMatrix, *, rcond: float, natural: bool) -> tuple[MassMatrix, Flag]:
    r"""The pseudoinverse $M^{+}$ of a symmetric matrix, and whether the matrix is singular (rank-deficient).

    The rank is that of the equilibrated matrix $D M D$, so it does not depend on the units of the coordinates. At full
    rank the result is $M^{-1} = D (D M D)^{-1} D$.

    **Arguments:**

    - `rcond`: eigenvalues of $D M D$ of magnitude at most `rcond` times the largest count as zero.
    - `natural`: if true, a singular matrix gives $D (D M D)^{+} D$, the minimum-norm inverse in natural units. If
      false, it gives $M^{+}$, the minimum-norm inverse in the units of $M$.
    """
    n = M.shape[0]
    if n == 1:
        zero = M[0, 0] == 0
        return jnp.where(zero, 0, 1 / jnp.where(zero, 1, M)), zero
    A, d = equilibrated(M)
    if n == 2:
        return _pseudoinverse_2x2(M, A, d, rcond, natural)
    # |A| |A^-1| bounds the condition number. Well below 1 / rcond the rank is full and the inverse, several times
    # cheaper than the eigenvalues, is the pseudoinverse.
    A_inverse = jnp.linalg.inv(A)
    full = jnp.linalg.norm(A) * jnp.linalg.norm(A_inverse) * rcond < 0.1
    inverse = A_inverse * d[:, None] * d[None]

    def by_eigenvalues() -> tuple[MassMatrix, Flag]:
        P, deficient = _pseudoinverse_by_eigenvalues(A, d, rcond, natural)
        return jnp.where(full, inverse, P), deficient & ~full

    return jax.lax.cond(any_in_batch(~full), by_eigenvalues, lambda: (inverse, jnp.zeros_like(full)))


@pseudoinverse.def_jvp
def _(primals, tangents, *, rcond, natural):
    # Golub and Pereyra (1973), eq. 4.12; never through `eigh`, whose derivative is NaN at repeated eigenvalues.
    (M,), (dM,) = primals, tangents
    P, deficient = pseudoinverse(M, rcond=rcond, natural=natural)
    null = jnp.eye(M.shape[0], dtype=M.dtype) - M @ P
    metric = 1 / equilibrated(M)[1] ** 2 if natural else jnp.ones_like(M[0])
    P_P = (P * metric[None]) @ P
    dP = -P @ dM @ P + P_P @ dM @ null + null.T @ dM @ P_P
    return (P, deficient), (dP, None)


def natural_inverse(M: MassMatrix) -> MassMatrix:
    """The inverse of a symmetric matrix. If the matrix is singular: the pseudoinverse in natural units."""
    return pseudoinverse(M, rcond=cutoff(None, M), natural=True)[0]


def _pseudoinverse_by_eigenvalues(
    A: MassMatrix, d: Coordinates, rcond: float, natural: bool
) -> tuple[MassMatrix, Flag]:
    w, U = jnp.linalg.eigh(A)
    kept = jnp.abs(w) > rcond * jnp.max(jnp.abs(w))
    D_U = d[:, None] * U
    inverse = (D_U * jnp.where(kept, 1 / jnp.where(kept, w, 1), 0)[None]) @ D_U.T
    if natural:
        return inverse, ~jnp.all(kept)
    # D A^+ D solves M a = b if a solution exists. M^+ is the same without the null directions D U_0.
    lost = ~kept
    Z = jnp.where(lost[None], D_U, 0)
    Z = Z / jnp.where(lost, jnp.linalg.norm(Z, axis=0), 1)[None]
    null = Z @ jnp.linalg.solve(Z.T @ Z + jnp.diag(kept.astype(A.dtype)), Z.T)
    rest = jnp.eye(len(d), dtype=A.dtype) - null
    return rest @ inverse @ rest, jnp.any(lost)


def _pseudoinverse_2x2(
    M: MassMatrix, A: MassMatrix, d: Coordinates, rcond: float, natural: bool
) -> tuple[MassMatrix, Flag]:
    smaller, larger, determinant = _eigenvalues_2x2(A)
    deficient = jnp.abs(smaller) <= rcond * jnp.abs(larger)
    adjugate = jnp.array([[A[1, 1], -A[0, 1]], [-A[1, 0], A[0, 0]]])
    full = adjugate / jnp.where(deficient, 1, determinant) * d[:, None] * d[None]
    scale = jnp.max(jnp.abs(M))
    zero = scale == 0
    if natural:
        rank_one = _rank_one_2x2(A, deficient) * d[:, None] * d[None]
    else:
        scale = jnp.where(zero, 1, scale)  # entries of at most one: products do not overflow or underflow
        rank_one = _rank_one_2x2(M / scale, deficient) / scale
    return jnp.where(zero, 0, jnp.where(deficient, rank_one, full)), deficient | zero


def _rank_one_2x2(A: MassMatrix, deficient: Flag) -> MassMatrix:
    """A^+ = P / larger of rank one, with the projector P = (A - smaller I) / (larger - smaller)."""
    smaller, larger, _ = _eigenvalues_2x2(A)
    safe = jnp.where(larger == 0, 1, larger)
    return (A - smaller * jnp.eye(2, dtype=A.dtype)) / (safe * (safe - jnp.where(deficient, smaller, 0)))


def _eigenvalues_2x2(A: MassMatrix) -> tuple[Array, Array, Array]:
    """The eigenvalues of a symmetric matrix (smaller magnitude first), and its determinant."""
    mean, half = (A[0, 0] + A[1, 1]) / 2, (A[0, 0] - A[1, 1]) / 2
    off = (A[0, 1] + A[1, 0]) / 2
    gap = jnp.sqrt(half * half + off * off)
    determinant = A[0, 0] * A[1, 1] - off * off
    # The eigenvalue of larger magnitude has no cancellation; the other is det / larger.
    larger = mean + jnp.where(mean < 0, -gap, gap)
    return determinant / jnp.where(larger == 0, 1, larger), larger, determinant

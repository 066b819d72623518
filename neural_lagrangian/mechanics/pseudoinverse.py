r"""The Moore-Penrose pseudoinverse $M^{+}$ of a symmetric matrix, and how $M^{+} b$ varies."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.custom_batching import custom_vmap
from jaxtyping import Array, Bool, Float

from .._types import Coordinates, Flag, MassMatrix

LinearMap = Callable[[Coordinates], Coordinates]


def cutoff(rcond: float | None, M: Float[Array, "... dof dof"]) -> float:
    """`rcond`, or unless given that of `jax.numpy.linalg.pinv`, `10 n eps`."""
    return 10 * M.shape[-1] * float(jnp.finfo(M.dtype).eps) if rcond is None else rcond


def pseudoinverse_tangent(
    inverse: LinearMap,
    deficient: Flag | Bool[Array, " dof"],
    a: Coordinates,
    dr: Coordinates,
    dM: Callable[[Float[Array, "k dof"]], Float[Array, "k dof"]],
    equations: Callable[[], tuple[LinearMap, Coordinates]],
) -> Coordinates:
    r"""The tangent of $a = M^{+} b$ at locally constant rank (Golub and Pereyra 1973, eq. 4.12), M symmetric:

    $$\dot a = M^{+} (\dot b - \dot M a) + M^{+} M^{+} \dot M (I - M M^{+}) b + (I - M^{+} M) \dot M M^{+} a.$$

    The last two terms vanish at full rank and are evaluated only when a matrix of the batch is `deficient`.

    **Arguments:**

    - `inverse`: the product with $M^{+}$. `deficient`: whether rank was lost, of the matrix or of
      the block that holds each coordinate.
    - `a`: the acceleration. `dr`: $\dot b - \dot M a$. `dM`: the map `w -> dM w` for a stack of vectors.
    - `equations`: gives the product with $M$, and $b$.
    """

    @jax.checkpoint  # or both branches of the `cond` would store its intermediate values, as zeros when not taken
    def null_space_terms() -> Coordinates:
        M, b = equations()
        first, second = dM(jnp.stack([b - M(inverse(b)), inverse(a)]))
        return inverse(inverse(first)) + second - inverse(M(second))

    da = inverse(dr)
    return da + jax.lax.cond(
        any_in_batch(jnp.any(deficient)),
        lambda: jnp.where(deficient, null_space_terms(), 0),
        lambda: jnp.zeros_like(da),
    )


@eqx.filter_custom_jvp
def pseudoinverse(M: MassMatrix, *, rcond: float) -> tuple[MassMatrix, Flag]:
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

    return jax.lax.cond(any_in_batch(~full), by_eigenvalues, lambda: (inverse, jnp.zeros_like(full)))


@pseudoinverse.def_jvp
def _(primals, tangents, *, rcond):
    # Golub and Pereyra (1973), eq. 4.12; never through `eigh`, whose derivative is NaN at repeated eigenvalues.
    (M,), (dM,) = primals, tangents
    P, deficient = pseudoinverse(M, rcond=rcond)
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
def any_in_batch(flag: Array) -> Array:
    """`flag`; under `vmap` whether any of the batch is set, hence not batched: `lax.cond` on it stays a branch."""
    return flag


@any_in_batch.def_vmap
def _(axis_size, in_batched, flag):
    return any_in_batch(jnp.any(flag)), False

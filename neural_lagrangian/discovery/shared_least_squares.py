r"""Least squares with unknowns that all runs share, and unknowns of each run alone.

$$\min_{x,\, y_1, \dots, y_R} \sum_r |\rho_r(x, y_r)|^2 + w^2 |x - x_0|^2$$

by Levenberg and Marquardt's method. The unknowns of each run are eliminated from the linear problem of a step by an
orthogonal projection, so that the cost grows with the number of runs, not with its square.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.linalg import solve_triangular
from jaxtyping import Array, Bool, Float, Int

DAMPING = (1e-12, 1e-3, 1e6)
"""Marquardt's factor: the least, that of the first step, and the one at which the iteration gives up."""
ROUNDING = 16.0
"""Machine epsilons by which a sum of squares may seem to grow at its minimum."""
UNDAMPED = 1.0
"""A short step under more damping than this says nothing: it is short for the damping."""


class Linearized(NamedTuple):
    """Residuals `(run, row)`, and their derivatives in the shared unknowns `(run, row, k)` and those of each run
    `(run, row, m)`.
    """

    r: Float[Array, "run row"]
    A: Float[Array, "run row k"]
    B: Float[Array, "run row m"]


class Descent(NamedTuple):
    """Where the iteration ended: unknowns, residuals and Jacobians there, whether it came to rest, and its number of
    steps.
    """

    x: Float[Array, " k"]
    ys: Float[Array, "run m"]
    at: Linearized
    rests: Bool[Array, ""]
    steps: Int[Array, ""]


Residual = Callable[[Array, Array, Any], Array]
"""`(x, y, run) -> (row,)` of one run."""


def linearized(residual: Residual, x: Array, ys: Array, runs: Any) -> Linearized:
    """Residuals and Jacobians at unknowns; `runs` has a leading axis of runs in each of its arrays."""

    def one(y, run):
        def twice(x, y):
            r = residual(x, y, run)
            return r, r

        (A, B), r = jax.jacfwd(twice, (0, 1), has_aux=True)(x, y)
        return r, A, B

    return Linearized(*jax.vmap(one)(ys, runs))


def projected(at: Linearized) -> Float[Array, "rows k"]:
    """The Jacobian in the shared unknowns where those of each run follow, of all runs one under the other."""
    Q, _ = jnp.linalg.qr(at.B)
    A = at.A - Q @ (jnp.swapaxes(Q, 1, 2) @ at.A)
    return A.reshape(-1, A.shape[2])


def descend(
    residual: Residual, x: Array, ys: Array, runs: Any, *, weight: float, tolerance: float, max_steps: int
) -> Descent:
    """The minimum nearby.

    **Arguments:**

    - `x`, `ys`: unknowns to begin from, of order one: shapes `(k,)` and `(run, m)`. The shared ones are held there by
      `weight`.
    - `tolerance`: a step shorter than this ends the iteration.
    """
    start = x
    here = jax.jit(lambda x, ys: linearized(residual, x, ys, runs))  # traced once

    def body(state):
        best, value, dx, dys, damping, _, steps = state
        x, ys, _ = best
        x_tried, ys_tried = x + dx, ys + dys
        tried = here(x_tried, ys_tried)
        value_tried = jnp.sum(tried.r**2) + weight**2 * jnp.sum((x_tried - start) ** 2)
        better = value_tried <= value * (1 + ROUNDING * jnp.finfo(x.dtype).eps)
        length = jnp.sqrt((jnp.sum(dx**2) + jnp.sum(dys**2)) / (1 + jnp.sum(x**2) + jnp.sum(ys**2)))
        rests = (length <= tolerance) & (damping <= UNDAMPED) & (steps > 0)
        best, value = jax.tree.map(
            lambda new, old: jnp.where(better, new, old), ((x_tried, ys_tried, tried), value_tried), (best, value)
        )
        damping = jnp.where(better, jnp.maximum(damping / 10, DAMPING[0]), damping * 10)
        dx, dys = _step(best[2], weight, best[0] - start, damping)
        return best, value, dx, dys, damping, rests, steps + 1

    def goes_on(state):
        *_, damping, rests, steps = state
        return ~rests & (steps <= max_steps) & (damping < DAMPING[2])

    nothing = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), jax.eval_shape(here, x, ys))
    damping = jnp.asarray(10 * DAMPING[1], x.dtype)  # a tenth of it once the start has been looked at
    begin = (x, ys, nothing), jnp.asarray(jnp.inf, x.dtype), jnp.zeros_like(x), jnp.zeros_like(ys)
    end = jax.lax.while_loop(goes_on, body, (*begin, damping, jnp.asarray(False), jnp.asarray(0)))
    (x, ys, at), *_, rests, steps = end
    return Descent(x, ys, at, rests, steps - 1)


def _step(at: Linearized, weight: float, away: Array, damping: Array) -> tuple[Array, Array]:
    runs, _, m = at.B.shape
    k = at.A.shape[2]
    root = jnp.sqrt(damping)
    own = root * _positive(jnp.linalg.norm(at.B, axis=1))
    shared = root * jnp.linalg.norm(at.A, axis=(0, 1))
    B = jnp.concatenate([at.B, jax.vmap(jnp.diag)(own)], axis=1)
    A = jnp.concatenate([at.A, jnp.zeros((runs, m, k), at.A.dtype)], axis=1)
    r = jnp.concatenate([at.r, jnp.zeros((runs, m), at.r.dtype)], axis=1)[..., None]
    Q, R = jnp.linalg.qr(B)
    Qt = jnp.swapaxes(Q, 1, 2)
    A_left, r_left = A - Q @ (Qt @ A), r - Q @ (Qt @ r)
    rows = jnp.concatenate([A_left.reshape(-1, k), jnp.diag(shared), weight * jnp.eye(k, dtype=A.dtype)])
    right = jnp.concatenate([r_left.reshape(-1), jnp.zeros(k, r.dtype), weight * away])
    Q_shared, R_shared = jnp.linalg.qr(rows)
    dx = -solve_triangular(R_shared, Q_shared.T @ right)
    dys = -jax.vmap(lambda R, b: solve_triangular(R, b))(R, (Qt @ (r + (A @ dx)[..., None]))[..., 0])
    return dx, dys


def _positive(x: Array) -> Array:
    return jnp.where(x > 0, x, 1)

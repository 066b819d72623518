r"""Nonlinear least squares with unknowns shared by all runs, and unknowns of each run.

$$\min_{x,\, y_1, \dots, y_R} \sum_r |\rho_r(x, y_r)|^2 + w^2 |x - x_0|^2$$

The Levenberg-Marquardt method solves it. In each step an orthogonal projection eliminates the unknowns of each run. So
the cost is linear in the number of runs.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.linalg import solve_triangular
from jaxtyping import Array, Bool, Float, Int

DAMPING_RANGE = (1e-12, 1e-3, 1e6)
"""Damping factor of Levenberg-Marquardt: least value, value of the first step, and value that ends the iteration."""
ROUNDING_EPSILONS = 16.0
"""Relative growth of the sum of squares that is accepted as rounding, in machine epsilons."""
MAX_DAMPING_AT_REST = 1.0
"""Largest damping at which a short step means convergence; with more damping every step is short."""


class Linearized(NamedTuple):
    """Residuals `r`, and their derivatives: `A` in the shared unknowns, `B` in the unknowns of each run."""

    r: Float[Array, "run row"]
    A: Float[Array, "run row k"]
    B: Float[Array, "run row m"]


class Descent(NamedTuple):
    """The end of the iteration.

    - `x`, `ys`: shared unknowns, and unknowns of each run. `at`: residuals and Jacobians there.
    - `rests`: whether the iteration converged. `steps`: number of steps.
    """

    x: Float[Array, " k"]
    ys: Float[Array, "run m"]
    at: Linearized
    rests: Bool[Array, ""]
    steps: Int[Array, ""]


RunResidual = Callable[[Array, Array, Any], Array]
"""Residuals of one run: `(x, y, run) -> (row,)`."""


def linearized(residual: RunResidual, x: Array, ys: Array, runs: Any) -> Linearized:
    """Residuals and Jacobians at the given unknowns. Each array in `runs` has a leading axis of runs."""

    def one(y, run):
        def twice(x, y):
            r = residual(x, y, run)
            return r, r

        (A, B), r = jax.jacfwd(twice, (0, 1), has_aux=True)(x, y)
        return r, A, B

    return Linearized(*jax.vmap(one)(ys, runs))


def projected_jacobian(at: Linearized, pivot: float = 0.0) -> Float[Array, "run row k"]:
    """The Jacobian in the shared unknowns, with the unknowns of each run projected out.

    `pivot` is added to the diagonal of B; it keeps B regular for a run without data.
    """
    Q, _ = jnp.linalg.qr(at.B + pivot * jnp.eye(*at.B.shape[1:], dtype=at.B.dtype)[None])
    return at.A - Q @ (jnp.swapaxes(Q, 1, 2) @ at.A)


def descend(
    residual: RunResidual, x: Array, ys: Array, runs: Any, *, weight: float, tolerance: float, max_steps: int
) -> Descent:
    """Finds a local minimum by the Levenberg-Marquardt method.

    **Arguments:**

    - `x`, `ys`: initial unknowns of order one, shapes `(k,)` and `(run, m)`.
    - `weight`: weight $w$ that keeps the shared unknowns near their start.
    - `tolerance`: relative length of a step that ends the iteration. `max_steps`: most steps.
    """
    start = x
    here = jax.jit(lambda x, ys: linearized(residual, x, ys, runs))  # traced once

    def body(state):
        best, value, dx, dys, damping, _, steps = state
        x, ys, _ = best
        x_tried, ys_tried = x + dx, ys + dys
        tried = here(x_tried, ys_tried)
        value_tried = jnp.sum(tried.r**2) + weight**2 * jnp.sum((x_tried - start) ** 2)
        better = value_tried <= value * (1 + ROUNDING_EPSILONS * jnp.finfo(x.dtype).eps)
        length = jnp.sqrt((jnp.sum(dx**2) + jnp.sum(dys**2)) / (1 + jnp.sum(x**2) + jnp.sum(ys**2)))
        rests = (length <= tolerance) & (damping <= MAX_DAMPING_AT_REST) & (steps > 0)
        best, value = jax.tree.map(
            lambda new, old: jnp.where(better, new, old), ((x_tried, ys_tried, tried), value_tried), (best, value)
        )
        damping = jnp.where(better, jnp.maximum(damping / 10, DAMPING_RANGE[0]), damping * 10)
        dx, dys = _step(best[2], weight, best[0] - start, damping)
        return best, value, dx, dys, damping, rests, steps + 1

    def goes_on(state):
        *_, damping, rests, steps = state
        return ~rests & (steps <= max_steps) & (damping < DAMPING_RANGE[2])

    nothing = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), jax.eval_shape(here, x, ys))
    damping = jnp.asarray(10 * DAMPING_RANGE[1], x.dtype)  # divided by ten after the evaluation at the start
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

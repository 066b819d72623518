"""The iterative linear-quadratic regulator (iLQR) with control limits."""

from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array

from .box_newton import box_minimum, of_free

MIN_REGULARIZATION, MAX_REGULARIZATION = 1e-9, 1e9
"""Regularisation of $Q_{uu}$ relative to its diagonal."""
STEP_SIZES = 12
"""Step sizes 1, 1/2, 1/4, ... of the line search."""


class Problem(eqx.Module):
    r"""Minimise $\sum_k \ell_k(y_k, u_k) + \ell_N(y_N)$ where $y_{k+1} = F_k(y_k, u_k)$.

    - `step(k, y, u)`: $F_k$. `running(k, y, u)`: $\ell_k$. `final(y)`: $\ell_N$.
    - `lower`, `upper`: limits of the control, shape `(m,)`; infinite where there are none.
    """

    step: Callable[..., Array]
    running: Callable[..., Array]
    final: Callable[..., Array]
    lower: Array
    upper: Array


class Iterate(NamedTuple):
    """States `(time, 2 dof)`, controls `(time - 1, m)`, feedback gains `(time - 1, m, 2 dof)`, cost and regularisation.

    `change`: relative decrease of the cost in the last step. `steps`: number of iterations.
    """

    ys: Array
    us: Array
    gains: Array
    cost: Array
    regularization: Array
    change: Array
    steps: Array


def solve(problem: Problem, y0: Array, us: Array, *, iterations: int, tolerance: float) -> Iterate:
    """Iterate from the controls `us` until the cost decreases by less than `tolerance` (relative).

    Each iteration solves a linear-quadratic problem around the current motion (Li and Todorov 2004), with control
    limits (Tassa, Mansard and Todorov 2014), and takes the best of several step sizes. The cost never increases.
    """
    us = jnp.clip(us, problem.lower[None], problem.upper[None])
    gains = jnp.zeros((*us.shape, y0.shape[0]), y0.dtype)
    ys, us, cost = _roll_out(problem, y0, us, gains, jnp.zeros_like(us), jnp.zeros((), y0.dtype), None)
    start = jnp.asarray(1e-6, y0.dtype)
    begin = Iterate(ys, us, gains, cost, start, jnp.asarray(jnp.inf, y0.dtype), jnp.asarray(0))

    def goes_on(now):
        stuck = now.regularization >= MAX_REGULARIZATION
        return (now.steps < iterations) & (now.change > tolerance) & ~stuck

    last = jax.lax.while_loop(goes_on, lambda now: _improved(problem, now), begin)
    return last._replace(gains=_feedback(problem, last))


def _feedback(problem: Problem, last: Iterate) -> Array:
    """Gains around the last motion, without regularisation: a step that needed much of it leaves hardly any feedback.

    Where a cost that is not convex leaves no minimum without regularisation, they are those of the last step.
    """
    _, gains, curvature, _ = _backward(problem, last._replace(regularization=jnp.zeros_like(last.regularization)))
    convex = jnp.all(jnp.isfinite(jnp.linalg.cholesky(curvature)))  # unlike eigenvalues, in any units of the controls
    return jnp.where(convex, gains, last.gains)


def _improved(problem: Problem, now: Iterate) -> Iterate:
    """One iteration: backward pass, line search, new regularisation (Levenberg-Marquardt)."""
    feedforward, gains, _, decreases = _backward(problem, now)
    sizes = 0.5 ** jnp.arange(STEP_SIZES, dtype=now.ys.dtype)
    along = jax.vmap(_roll_out, (None, None, None, None, None, 0, None))
    all_ys, all_us, costs = along(problem, now.ys[0], now.us, gains, feedforward, sizes, now.ys)
    costs = jnp.where(jnp.isfinite(costs), costs, jnp.inf)
    best = jnp.argmin(costs)
    better = costs[best] < now.cost
    ys, us, cost, gains = jax.tree.map(
        lambda new, old: jnp.where(better, new, old),
        (all_ys[best], all_us[best], costs[best], gains),
        (now.ys, now.us, now.cost, now.gains),
    )
    factor = jnp.where(better, 0.2, 10.0).astype(cost.dtype)
    regularization = jnp.maximum(now.regularization * factor, MIN_REGULARIZATION)
    scale = jnp.maximum(jnp.abs(now.cost), jnp.finfo(cost.dtype).tiny)
    decrease = (now.cost - cost) / scale
    # A failed step does not end the iteration, unless the decrease expected to first order is round-off.
    stationary = jnp.sum(decreases) <= jnp.finfo(cost.dtype).eps * jnp.abs(now.cost)
    change = jnp.where(better, decrease, jnp.where(stationary, 0.0, jnp.inf).astype(cost.dtype))
    return Iterate(ys, us, gains, cost, regularization, change, now.steps + 1)


def _roll_out(problem, y0, us, gains, feedforward, size, reference):
    r"""The motion under $u_k = \bar u_k + \alpha k_k + K_k (y_k - \bar y_k)$, and its cost."""

    def step(y, inputs):
        k, u, K, extra, y_bar = inputs
        u = jnp.clip(u + size * extra + K @ (y - y_bar), problem.lower, problem.upper)
        return problem.step(k, y, u), (y, u, problem.running(k, y, u))

    number = jnp.arange(us.shape[0])
    bars = jnp.broadcast_to(y0[None], (us.shape[0], *y0.shape)) if reference is None else reference[:-1]
    last, (ys, us, costs) = jax.lax.scan(step, y0, (number, us, gains, feedforward, bars))
    return jnp.concatenate([ys, last[None]]), us, jnp.sum(costs) + problem.final(last)


def _backward(problem: Problem, now: Iterate) -> tuple[Array, Array, Array, Array]:
    """Feedforward, gains and $Q_{uu}$ of the linear-quadratic problem around the current motion (Riccati pass), and the
    decrease of the cost by the feedforward, to first order.
    """
    number, ys = jnp.arange(now.us.shape[0]), now.ys[:-1]
    A, B = jax.vmap(jax.jacfwd(problem.step, argnums=(1, 2)))(number, ys, now.us)
    slopes = jax.vmap(jax.grad(problem.running, argnums=(1, 2)))(number, ys, now.us)
    curvatures = jax.vmap(jax.hessian(problem.running, argnums=(1, 2)))(number, ys, now.us)

    def step(value, parts):
        V_y, V_yy = value
        A, B, u, (l_y, l_u), ((l_yy, _), (l_uy, l_uu)) = parts
        Q_y, Q_u = l_y + A.T @ V_y, l_u + B.T @ V_y
        Q_yy, Q_uu, Q_uy = l_yy + A.T @ V_yy @ A, l_uu + B.T @ V_yy @ B, l_uy + B.T @ V_yy @ A
        size = jnp.abs(jnp.diagonal(Q_uu))
        H = Q_uu + jnp.diag(jnp.where(size > 0, size, jnp.max(size))) * now.regularization
        k, free = box_minimum(H, Q_u, problem.lower - u, problem.upper - u)
        K = -jnp.linalg.solve(of_free(H, free), jnp.where(free[:, None], Q_uy, 0))
        V_y = Q_y + K.T @ (Q_uu @ k + Q_u) + Q_uy.T @ k
        V_yy = Q_yy + K.T @ Q_uu @ K + K.T @ Q_uy + Q_uy.T @ K
        return (V_y, 0.5 * (V_yy + V_yy.T)), (k, K, Q_uu, -Q_u @ k)

    last = now.ys[-1]
    end = jax.grad(problem.final)(last), jax.hessian(problem.final)(last)
    _, steps = jax.lax.scan(step, end, (A, B, now.us, slopes, curvatures), reverse=True)
    return steps

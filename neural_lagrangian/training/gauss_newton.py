r"""The last digits of a least-squares fit: steps that see the curvature of the model itself.

$$\min_w \frac{1}{N} |r(w)|^2, \qquad (J^T J + \lambda I)\, \delta = -J^T r, \qquad J = \partial r / \partial w$$

The damping follows Nielsen (1999, "Damping parameter in Marquardt's method"). optimistix has this method too; here the
Jacobian is taken row by row within each window, and only its Gram matrix is kept.
"""

from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, PyTree

from .._checks import positive_integer
from ..integrators.rollout import Controller, with_integration, without_integration
from ..trajectories import Trajectories
from .polish import Polished, check_begun, fixed_windows
from .residuals import trajectory_residual

LARGEST = 8192
"""Most weights: their curvature is a matrix of 0.5 GiB in double precision, of which a few are needed."""
AT_ONCE = 32
"""Windows whose rows of the Jacobian are taken at once."""
FIRST_DAMPING = 1e-3
"""Over the largest curvature along one weight."""


def gauss_newton(
    model: Callable[[Array, Array], Array],
    trajectories: Trajectories,
    *,
    residual: Callable[..., Array] = trajectory_residual,
    steps: int = 50,
    horizon: int = 8,
    stride: int = 1,
    windows: int = 256,
    stepsize_controller: Controller | None = None,
) -> Polished:
    """Lower the mean square of a residual over a fixed set of windows by Levenberg and Marquardt's method, after `fit`.

    Each step solves for all weights together, at a cost that grows with the cube of their number: for small networks
    and formulas, in double precision, where it is ahead of `polish` at equal time.

    **Arguments:**

    - `model`, `trajectories`, `horizon`, `stride`, `windows`, `stepsize_controller`: as of `polish`.
    - `residual`: with the arguments of a loss, an array: `trajectory_residual`, `acceleration_residual`, or
      `weighted(trajectory_residual, ...)`.
    - `steps`: steps that are tried. Those that do not lower the mean square are not taken.

    **Returns:** `Polished`, never worse than the model given.

    **Raises:** `ValueError` for arguments that make no sense, for more than 8192 weights, or if the residual is not
    finite to begin with: train first.
    """
    weights, static, _, batch = fixed_windows(model, trajectories, horizon, stride, windows, stepsize_controller)
    size = sum(leaf.size for leaf in jax.tree.leaves(weights))
    if size > LARGEST:
        raise ValueError(f"`model` has {size} weights; expected at most {LARGEST}, or `polish`")
    best, losses = _minimized(weights, static, residual, batch, positive_integer("steps", steps))
    losses = np.asarray(losses)
    check_begun(losses[0])
    return Polished(with_integration(eqx.combine(best, without_integration(model)), model), losses)


class _State(NamedTuple):
    """Weights `w`, the mean square there, half its `gradient` and about half its Hessian."""

    w: Float[Array, " weight"]
    value: Float[Array, ""]
    gradient: Float[Array, " weight"]
    curvature: Float[Array, "weight weight"]
    damping: Float[Array, ""]
    growth: Float[Array, ""]


@eqx.filter_jit
def _minimized(
    weights: PyTree, static: PyTree, residual: Callable[..., Array], batch: tuple[Array | None, ...], steps: int
) -> tuple[PyTree, Array]:
    start, unravel = ravel_pytree(weights)

    def of_window(w: Array, sample: tuple[Array | None, ...]) -> Array:
        return residual(eqx.combine(unravel(w), static), *sample).reshape(-1)

    def mean_square(w: Array) -> Array:
        value = jnp.mean(jax.vmap(of_window, (None, 0))(w, batch) ** 2)
        return jnp.where(jnp.isfinite(value), value, jnp.inf)

    def slopes(w: Array) -> tuple[Array, Array]:
        rows = jax.lax.map(lambda sample: jax.jacrev(of_window)(w, sample), batch, batch_size=AT_ONCE)
        J = rows.reshape(-1, len(w))
        r = jax.vmap(of_window, (None, 0))(w, batch).reshape(-1)
        return J.T @ r / len(r), J.T @ J / len(r)

    def trial(state: _State, _: None) -> tuple[_State, Array]:
        w, value, g, H, damping, growth = state
        factor = jax.scipy.linalg.cho_factor(H + damping * jnp.eye(len(w), dtype=w.dtype))
        step = -jax.scipy.linalg.cho_solve(factor, g)
        lower = mean_square(w + step)
        gain = (value - lower) / (step @ (damping * step - g))
        taken = jnp.isfinite(gain) & (gain > 0)
        g, H = jax.lax.cond(taken, lambda: slopes(w + step), lambda: (g, H))
        usable = jnp.all(jnp.isfinite(g)) & jnp.all(jnp.isfinite(H))
        eased = damping * jnp.maximum(1 / 3, 1 - (2 * gain - 1) ** 3)
        after = _State(w + step, lower, g, H, eased, jnp.full_like(growth, 2))
        stiffer = state._replace(damping=damping * growth, growth=2 * growth)
        moved = jax.tree.map(lambda new, old: jnp.where(taken & usable, new, old), after, stiffer)
        return moved, moved.value

    value, (g, H) = mean_square(start), slopes(start)
    damping = FIRST_DAMPING * jnp.max(jnp.diagonal(H))
    begun = _State(start, value, g, H, damping, jnp.asarray(2, start.dtype))
    last, values = jax.lax.scan(trial, begun, length=steps)
    return unravel(last.w), jnp.concatenate([value[None], values])

r"""`gauss_newton`: least squares by the Levenberg-Marquardt method, after `fit`.

$$\min_w \frac{1}{N} |r(w)|^2, \qquad (J^T J + \lambda D)\, \delta = -J^T r, \qquad J = \partial r / \partial w$$

The diagonal of D is that of $J^T J$ at the start (Marquardt 1963), so steps do not depend on the units of weights and
states; with more weights than `MAX_WEIGHTS_WITH_UNITS` it is its largest entry. The damping follows Nielsen (1999,
"Damping parameter in Marquardt's method"). optimistix has this method too. Here the Jacobian is computed for some
windows at a time, in forward or reverse mode, whichever is cheaper, and only its Gram matrix is kept. Estimated states
of a window are coupled only to the weights, so they are eliminated window by window (Schur complement).

`discovery` has another implementation, for few coefficients. It keeps the whole Jacobian and solves by QR, since the
standard errors need the digits; with thousands of weights this would not fit into memory.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, PyTree

from .._checks import positive_integer
from ..integrators import Controller
from ..numerics import in_layers
from ..trajectories import Trajectories, Window
from .alike import alike, name_of
from .jacobians import NormalEquations, Residuals, check_memory, forward_or_reverse, normal_equations
from .lags import check_sensors_of
from .loss import Residual, evaluated
from .polish import ESTIMATED, MAX_WEIGHTS_WITH_UNITS, Polished, fixed_windows, polished, window_states
from .residuals import trajectory_residual

FIRST_DAMPING = 1e-3
"""Initial damping, relative to the curvature along each weight."""


def gauss_newton(
    model: Callable[[Array, Array], Array],
    trajectories: Trajectories,
    *,
    residual: Residual = trajectory_residual,
    steps: int = 50,
    horizon: int = 8,
    stride: int = 1,
    windows: int = 256,
    states: Float[np.ndarray, "trajectory time two_dof"] | None = None,
    stepsize_controller: Controller | None = None,
) -> Polished:
    """Minimise the mean square of a residual over a fixed set of windows by Levenberg-Marquardt steps, after `fit`.

    Each step solves for all weights together, and its cost grows with the cube of their number. For small networks and
    formulas in double precision it reaches a smaller loss than `polish` in the same time. The Jacobian is computed in
    forward mode if there are fewer weights than components of a window's residual, otherwise in reverse mode.

    **Arguments:**

    - `model`, `trajectories`, `horizon`, `stride`, `windows`, `stepsize_controller`: as for `polish`.
    - `residual`: `residual(model, window) -> array` of differences: `trajectory_residual`, `acceleration_residual`,
      `torque_residual`, or `weighted(trajectory_residual, ...)`.
    - `steps`: number of steps to try. A step that does not lower the mean square is not taken.
    - `states`: estimates of the true states of the trajectories, as for `polish`. The states of each window are
      optimised together with the weights, and the residual starts from them.

    **Returns:** a `Polished`. Its mean square is never larger than that of `model`.

    **Raises:** `StartError` if the residual of `model` is not finite: train it first. `ValueError` for impossible
    arguments, for sensors as `polish`, for a residual that is a single number (a loss: see `polish`), or if the
    curvature of all weights does not fit into memory.

    **Example:**

    ```python
    >>> import numpy as np, neural_lagrangian as nl
    >>> t = np.linspace(0.0, 2.0, 21)
    >>> motion = nl.Trajectories(t, np.stack([np.cos(2 * t), -2 * np.sin(2 * t)], axis=1))  # k / m = 4
    >>> spring = lambda t, q, v, *, k: (v @ v - k * q @ q) / 2
    >>> model = nl.NeuralLagrangian(nl.lagrangians.ParametricLagrangian(spring, dof=1, k=3.5))
    >>> round(float(nl.training.gauss_newton(model, motion, steps=5).model.network.coefficients["k"]), 2)
    4.0
    ```
    """
    steps = positive_integer("steps", steps)
    weights, static, rows, batch = fixed_windows(model, trajectories, horizon, stride, windows, stepsize_controller)
    own = None if states is None else window_states(states, trajectories, rows, batch)
    if own is None:
        check_sensors_of(weights, trajectories, option=ESTIMATED)
    best, estimates, losses, of_states = _minimized(weights, static, alike(residual), batch, own, steps)
    if own is not None and of_states == 0:
        raise ValueError(
            f"`states` are estimated, but {name_of(residual)} does not change with them; expected a residual that "
            f"starts from `window.states`, such as `trajectory_residual`"
        )
    return polished(model, best, losses, estimates)


def _size_of_residual(residual: Residual, weights: PyTree, static: PyTree, batch: Window, own: Array | None) -> int:
    """Number of components of the residual of one window; `ValueError` if the residual is not one array."""
    first = jax.tree.map(lambda x: x[0], batch if own is None else replace(batch, states=own))
    found = eqx.filter_eval_shape(
        lambda w, window: evaluated("residual", residual, eqx.combine(w, static), window), weights, first
    )
    if not isinstance(found, jax.ShapeDtypeStruct):
        raise ValueError(f"`residual` returns a {type(found).__name__}; expected one array of differences")
    if found.ndim == 0:
        raise ValueError(
            "`residual` returns a single number, as a loss does; expected an array of differences, such as "
            "`trajectory_residual`, `acceleration_residual` or `torque_residual`. `polish` takes a loss"
        )
    return found.size


class _State(NamedTuple):
    """State of the iteration: weights `w`, states `x`, the mean square `value` there, and its derivatives `blocks`."""

    w: Float[Array, " weight"]
    x: Float[Array, "window state"]
    value: Float[Array, ""]
    blocks: NormalEquations
    damping: Float[Array, ""]
    growth: Float[Array, ""]


def _scales_of_damping(B: NormalEquations, weights: PyTree) -> tuple[Array, Array]:
    """Curvatures of weights and of states, by which the damping is multiplied.

    The weights of a network share one: a unit that the data hardly reach has nearly no curvature, and would run away.
    """
    of_weights, of_states = B.curvatures
    if len(of_weights) > MAX_WEIGHTS_WITH_UNITS:
        return jnp.max(of_weights, keepdims=True), jnp.max(of_states, keepdims=True, initial=0)
    together = in_layers(weights)
    shared = jnp.max(jnp.diagonal(B.H), where=together, initial=0)
    return jnp.where(together & (shared > 0), shared, of_weights), of_states


@eqx.filter_jit
def _minimized(
    weights: PyTree,
    static: PyTree,
    residual: Residual,
    batch: Window,
    own: Array | None,
    steps: int,
) -> tuple[PyTree, Array | None, Array, Array]:
    """Weights, states if any, mean squares before each step and after the last, and the first curvature by states."""
    size = _size_of_residual(residual, weights, static, batch, own)
    check_memory(weights, own, size)
    tangent = forward_or_reverse(residual, weights, static, batch, own, size)
    start, unravel = ravel_pytree(weights)
    count = batch.ts.shape[0]
    first = jnp.zeros((count, 0), start.dtype) if own is None else own.reshape(count, -1)

    def residuals_of(static: PyTree) -> Residuals:
        def of_window(w: Array, x: Array, window: Window) -> Array:
            if own is not None:
                window = replace(window, states=x.reshape(own.shape[1:]))
            return evaluated("residual", residual, eqx.combine(unravel(w), static), window).reshape(-1)

        return of_window

    of_window = residuals_of(static)

    def mean_square(w: Array, x: Array) -> Array:
        value = jnp.mean(jax.vmap(of_window, (None, 0, 0))(w, x, batch) ** 2)
        return jnp.where(jnp.isfinite(value), value, jnp.inf)

    def blocks(w: Array, x: Array) -> NormalEquations:
        return normal_equations(
            of_window if tangent is None else residuals_of(tangent), w, x, batch, tangent is not None
        )

    begun = blocks(start, first)
    scales = _scales_of_damping(begun, weights)

    def trial(state: _State, _: None) -> tuple[_State, Array]:
        w, x, value, B, damping, growth = state
        of_weights, of_states = damping * jnp.broadcast_to(scales[0], w.shape), damping * scales[1]
        of_states = jnp.broadcast_to(of_states, x.shape[1:])
        step_w, step_x = B.step(of_weights, of_states)
        lower = mean_square(w + step_w, x + step_x)
        expected = step_w @ (of_weights * step_w - B.g_w) + jnp.sum(step_x * (of_states[None] * step_x - B.g_x))
        gain = (value - lower) / expected
        taken = jnp.isfinite(gain) & (gain > 0)
        B = jax.lax.cond(taken, lambda: blocks(w + step_w, x + step_x), lambda: B)
        usable = jnp.all(jnp.stack([jnp.all(jnp.isfinite(part)) for part in B]))
        eased = damping * jnp.maximum(1 / 3, 1 - (2 * gain - 1) ** 3)
        after = _State(w + step_w, x + step_x, lower, B, eased, jnp.full_like(growth, 2))
        stiffer = state._replace(damping=damping * growth, growth=2 * growth)
        moved = jax.tree.map(lambda new, old: jnp.where(taken & usable, new, old), after, stiffer)
        return moved, moved.value

    value = mean_square(start, first)
    damping, growth = jnp.asarray(FIRST_DAMPING, start.dtype), jnp.asarray(2, start.dtype)
    state = _State(start, first, value, begun, damping, growth)
    last, values = jax.lax.scan(trial, state, length=steps)
    estimates = None if own is None else last.x.reshape(own.shape)
    return unravel(last.w), estimates, jnp.concatenate([value[None], values]), begun.largest_of_states

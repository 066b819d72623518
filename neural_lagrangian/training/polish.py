"""`polish`: minimise the loss of a fixed set of windows by L-BFGS, after `fit`."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, PyTree

from .._checks import positive_integer
from .._errors import NeuralLagrangianError
from ..integrators import Controller, with_integration, without_integration
from ..networks import check_runs
from ..trajectories import Trajectories, Window, Windows
from .alike import alike
from .fit_options import Rollouts
from .lags import check_sensors_of
from .loss import Loss, evaluated
from .parameters import check_motion, parameters_of, warn_of_unused_states
from .rollout_losses import trajectory_mse
from .safe_gradient import scalar
from .stages import stages_of, with_controller
from .step import Estimated, weights_and_states

MAX_WEIGHTS_WITH_UNITS = 64
"""Number of weights up to which each has a unit of its own, as coefficients of a formula have. The weights of a network
have none."""
ESTIMATED = "`states=trajectories.ys`, so that states are estimated"
"""What estimates the states, for an error."""


class StartError(NeuralLagrangianError, ValueError):
    """The loss or the residual of the initial model is not finite."""


class Polished(NamedTuple):
    """The result of `polish` and `gauss_newton`.

    `model`: the optimised model. `loss`: the loss before each step and after the last one, shape `(step + 1,)`.
    `states`: the estimated states of each window, shape `(window, row, 2 dof)`; `None` if none were estimated.
    """

    model: Any
    loss: np.ndarray
    states: np.ndarray | None = None


def polish(
    model: Callable[[Array, Array], Array],
    trajectories: Trajectories,
    *,
    loss: Loss = trajectory_mse,
    steps: int = 200,
    horizon: int = 8,
    stride: int = 1,
    windows: int = 1024,
    states: Float[np.ndarray, "trajectory time two_dof"] | None = None,
    memory: int = 20,
    stepsize_controller: Controller | None = None,
) -> Polished:
    """Minimise the loss of a fixed set of windows by L-BFGS with a line search, after `fit`.

    The gradient has no noise from batches, so the curvature from past steps stays valid. For small networks and
    formulas in double precision, the loss falls by orders of magnitude below that of a stochastic optimiser. Up to 64
    weights, such as coefficients of a formula, are optimised in natural units, and so are their estimated states.

    **Arguments:**

    - `model`, `trajectories`, `loss`, `horizon`, `stride`, `stepsize_controller`: as for `fit`; `horizon` is one
      number.
    - `steps`: number of iterations. Each takes a few evaluations of the loss and its gradient.
    - `windows`: largest number of windows, chosen evenly from all. All of them are rolled out at once.
    - `states`: estimates of the true states of the trajectories, such as `FitResult.states` or the recorded `ys`. The
      states of each window are optimised together with the weights, and the loss starts from them.
    - `memory`: number of past steps that give the curvature.

    **Returns:** a `Polished`. Its loss is never larger than that of `model`.

    **Raises:** `StartError` if the loss of `model` is not finite: train it first. `ValueError` for impossible
    arguments, and without `states` for a trained delay, or a trained gain of the sensor that gave the recorded states.

    **Example:**

    ```python
    >>> import numpy as np, neural_lagrangian as nl
    >>> t = np.linspace(0.0, 2.0, 21)
    >>> motion = nl.Trajectories(t, np.stack([np.cos(2 * t), -2 * np.sin(2 * t)], axis=1))  # k / m = 4
    >>> spring = lambda t, q, v, *, k: (v @ v - k * q @ q) / 2
    >>> model = nl.NeuralLagrangian(nl.lagrangians.ParametricLagrangian(spring, dof=1, k=3.5))
    >>> round(float(nl.training.polish(model, motion, steps=20).model.network.coefficients["k"]), 2)
    4.0
    ```
    """
    weights, static, rows, batch = fixed_windows(model, trajectories, horizon, stride, windows, stepsize_controller)
    params = weights
    if states is not None:
        params = Estimated(weights, window_states(states, trajectories, rows, batch))
    else:
        check_sensors_of(weights, trajectories, option=ESTIMATED)
    steps = positive_integer("steps", steps)
    best, losses = _minimized(params, static, alike(loss), batch, memory, steps)
    found, estimates = weights_and_states(best)
    result = polished(model, found, losses, estimates)
    if estimates is not None:
        warn_of_unused_states(params.states, estimates)
    return result


def fixed_windows(
    model: Any, trajectories: Trajectories, horizon: int, stride: int, windows: int, controller: Controller | None
) -> tuple[PyTree, PyTree, tuple[Array, Array], Window]:
    """Of a model in training: its weights and the rest, stepped as asked for. And a fixed set of windows: where their
    rows are, and the windows, the batch axis first.
    """
    check_motion("trajectories", trajectories)
    check_runs(model, trajectories.parameters)
    if np.ndim(horizon):
        raise ValueError(f"`horizon` is {horizon!r}; expected one number")
    rollouts = Rollouts(stride=stride, stepsize_controller=controller)
    (stage,) = stages_of(model, horizon, 1, None, rollouts, [trajectories])
    weights, static, dtype = parameters_of(model)
    stepped = with_integration(static, with_controller(model, stage.controller))
    every = Windows(trajectories, stage.horizon, stride=stride, dtype=dtype)
    indices = every.evenly(positive_integer("windows", windows))
    return weights, stepped, every.rows(indices), every.gather(indices)


def window_states(states: Any, trajectories: Trajectories, rows: tuple[Array, Array], batch: Window) -> Array:
    """States of each window, shape `(window, row, 2 dof)`; `ValueError` if `states` does not fit the trajectories."""
    if np.shape(states) != trajectories.ys.shape:
        raise ValueError(f"`states` has shape {np.shape(states)}; expected {trajectories.ys.shape}, that of the `ys`")
    return jnp.asarray(states, batch.ys.dtype)[rows]


def polished(model: Any, weights: PyTree, losses: Array, estimates: Array | None) -> Polished:
    """The result: `model` with new weights and with its own integration.

    **Raises:** `StartError` if the first loss is not finite.
    """
    if not np.isfinite(losses[0]):
        raise StartError("the loss of `model` is not finite; train the model with `fit` first")
    found = with_integration(eqx.combine(weights, without_integration(model)), model)
    return Polished(found, np.asarray(losses), None if estimates is None else np.asarray(estimates))


@eqx.filter_jit
def _minimized(
    params: PyTree,
    static: PyTree,
    loss: Loss,
    batch: Window,
    memory: int,
    steps: int,
) -> tuple[PyTree, Array]:
    optimizer = optax.lbfgs(memory_size=memory)  # made here, since a new optimiser from outside would be compiled again

    def of_window(params, window):
        weights, states = weights_and_states(params)
        window = window if states is None else replace(window, states=states)
        return scalar("loss", evaluated("loss", loss, eqx.combine(weights, static), window))

    units, size = _natural_units(of_window, params, batch)

    def moved(by):
        return jax.tree.map(lambda start, unit, x: start + unit * x, params, units, by)

    def mean_loss(by):
        value = jnp.mean(jax.vmap(of_window, (_batch_axes(params), 0))(moved(by), batch)) / size
        return jnp.where(jnp.isfinite(value), value, jnp.inf)

    value_and_gradient = optax.value_and_grad_from_state(mean_loss)

    def step(carry, _):
        by, state, best, least = carry
        value, gradient = value_and_gradient(by, state=state)
        updates, state = optimizer.update(gradient, state, by, value=value, grad=gradient, value_fn=mean_loss)
        better = value < least
        best = jax.tree.map(lambda new, old: jnp.where(better, new, old), by, best)
        return (optax.apply_updates(by, updates), state, best, jnp.minimum(value, least)), value

    begin = jax.tree.map(jnp.zeros_like, params)
    start = (begin, optimizer.init(begin), begin, jnp.asarray(jnp.inf, jax.tree.leaves(params)[0].dtype))
    (last, _, best, least), losses = jax.lax.scan(step, start, length=steps)
    value = mean_loss(last)
    best = jax.tree.map(lambda new, old: jnp.where(value < least, new, old), last, best)
    return moved(best), jnp.append(losses, value) * size


def _batch_axes(params: PyTree) -> Any:
    """Weights are those of all windows, and states those of one."""
    return Estimated(None, 0) if isinstance(params, Estimated) else None  # pyright: ignore[reportArgumentType]


def _natural_units(of_window: Callable[[PyTree, Window], Array], params: PyTree, batch: Window) -> tuple[PyTree, Array]:
    r"""A natural unit for each weight and each component of states, $c / g$, and the natural unit $c$ of the loss.

    $g$ is the root mean square over the windows of the derivatives of their losses. Its square over the mean loss is
    about the curvature of a sum of squares. $c$ is the spread of the losses, so that a constant in them has no effect.
    All units are one for more weights than `MAX_WEIGHTS_WITH_UNITS`.
    """
    weights, _ = weights_and_states(params)
    one = jnp.ones((), jax.tree.leaves(params)[0].dtype)
    ones = jax.tree.map(lambda _: one, params)
    if sum(leaf.size for leaf in jax.tree.leaves(weights)) > MAX_WEIGHTS_WITH_UNITS:
        return ones, one

    losses, slopes = jax.vmap(jax.value_and_grad(of_window), (_batch_axes(params), 0))(params, batch)
    spread = jnp.std(losses)
    size = _usable(jnp.where(spread > 0, spread, jnp.abs(losses[0])))
    of_weights, of_states = weights_and_states(slopes)
    units = jax.tree.map(lambda g: _usable(size / jnp.sqrt(jnp.mean(g**2, axis=0))), of_weights)
    if of_states is None:
        return units, size
    each = _usable(size / jnp.sqrt(jnp.mean(of_states**2, axis=(0, 1))))
    return Estimated(units, jnp.broadcast_to(each, of_states.shape)), size


def _usable(unit: Array) -> Array:
    return jnp.where(jnp.isfinite(unit) & (unit > 0), unit, 1)

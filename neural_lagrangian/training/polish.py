"""The last digits of a training: all windows at once, and second derivatives."""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, PyTree

from .._checks import positive_integer
from ..integrators.rollout import Controller, with_integration
from ..trajectories import Trajectories, Windows
from .fit import parameters_of
from .losses import trajectory_mse
from .stages import stages_of, with_controller


class Polished(NamedTuple):
    """A `model`, and the `loss` before each step and after the last, shape `(step + 1,)`."""

    model: Any
    loss: np.ndarray


def polish(
    model: Callable[[Array, Array], Array],
    trajectories: Trajectories,
    *,
    loss: Callable[..., Array] = trajectory_mse,
    steps: int = 200,
    horizon: int = 8,
    stride: int = 1,
    windows: int = 1024,
    memory: int = 20,
    stepsize_controller: Controller | None = None,
) -> Polished:
    """Lower the loss of a fixed set of windows further by L-BFGS with a line search, after `fit`.

    Without noise in the gradient, curvature that was gathered stays valid: for small networks and formulas, in double
    precision, this gains orders of magnitude that no stochastic optimiser does.

    **Arguments:**

    - `model`, `trajectories`, `loss`, `horizon`, `stride`, `stepsize_controller`: as of `fit`, `horizon` one number.
    - `steps`: iterations, each of a few evaluations of the loss and its gradient.
    - `windows`: most windows, evenly from all. All of them are solved at once.
    - `memory`: past steps that the curvature is gathered from.

    **Returns:** `Polished`, never worse than the model given.

    **Raises:** `ValueError` for arguments that make no sense, or if the loss is not finite to begin with: train first.
    """
    if np.ndim(horizon):
        raise ValueError(f"`horizon` is {horizon!r}; expected one number")
    (stage,) = stages_of(model, horizon, steps, None, stepsize_controller)
    weights, static, dtype = parameters_of(model)
    stepped = with_integration(static, with_controller(model, stage.controller))
    every = Windows(trajectories, stage.horizon, stride=stride, dtype=dtype)
    count = min(positive_integer("windows", windows), len(every))
    batch = every.gather(jnp.linspace(0, len(every) - 1, count).astype(int))
    best, losses = _minimized(weights, stepped, loss, batch, optax.lbfgs(memory_size=memory), stage.steps)
    losses = np.asarray(losses)
    if not np.isfinite(losses[0]):
        raise ValueError("`model` has a loss that is not finite to begin with; expected one that was trained by `fit`")
    return Polished(with_integration(eqx.combine(best, static), model), losses)


@eqx.filter_jit
def _minimized(
    weights: PyTree,
    static: PyTree,
    loss: Callable[..., Array],
    batch: tuple[Array | None, ...],
    optimizer: optax.GradientTransformationExtraArgs,
    steps: int,
) -> tuple[PyTree, Array]:
    def mean_loss(weights):
        model = eqx.combine(weights, static)
        value = jnp.mean(jax.vmap(lambda *sample: loss(model, *sample))(*batch))
        return jnp.where(jnp.isfinite(value), value, jnp.inf)

    value_and_gradient = optax.value_and_grad_from_state(mean_loss)

    def step(carry, _):
        weights, state, best, least = carry
        value, gradient = value_and_gradient(weights, state=state)
        updates, state = optimizer.update(gradient, state, weights, value=value, grad=gradient, value_fn=mean_loss)
        better = value < least
        best = jax.tree.map(lambda new, old: jnp.where(better, new, old), weights, best)
        return (optax.apply_updates(weights, updates), state, best, jnp.minimum(value, least)), value

    start = (weights, optimizer.init(weights), weights, jnp.asarray(jnp.inf, jax.tree.leaves(weights)[0].dtype))
    (last, _, best, least), losses = jax.lax.scan(step, start, length=steps)
    value = mean_loss(last)
    best = jax.tree.map(lambda new, old: jnp.where(value < least, new, old), last, best)
    return best, jnp.append(losses, value)

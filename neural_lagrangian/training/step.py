"""Compiled training steps."""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree

from ..trajectories import Window, Windows
from .devices import on_devices
from .loss import Loss, evaluated
from .safe_gradient import CAUSES, SafeGradient, safe_gradient

MAX_STEPS_TOGETHER = 50
"""Largest number of steps in one compiled call: enough to make the cost of a call small."""
MEMBER = "member"
"""Name of the axis of members. In a loss or an optimiser, `jax.lax.axis_index(MEMBER)` is the index of the member."""
MAX_HELD_OUT_WINDOWS = 256
"""Largest number of validation windows, evenly from all."""


class Estimated(NamedTuple):
    """The trained parameters if states are estimated: weights, and the states of all trajectories."""

    weights: PyTree
    states: Float[Array, "trajectory time two_dof"]


def weights_and_states(params: PyTree) -> tuple[PyTree, Array | None]:
    """Split trained parameters into the weights and the estimated states (`None` if there are none)."""
    return params if isinstance(params, Estimated) else (params, None)


@eqx.filter_jit
def take_steps(
    params: PyTree,
    opt_state: PyTree,
    static: PyTree,
    windows: Windows,
    loss: Loss,
    optimizer: optax.GradientTransformation,
    key: PRNGKeyArray,
    span: Array,
    batch_size: int,
    members: int | None,
) -> tuple[PyTree, PyTree, tuple[Array, Array, Array]]:
    """Take `span[1]` training steps (at most `MAX_STEPS_TOGETHER`), from step number `span[0]`.

    Returns parameters, optimiser state, and for each step its loss, the causes of failures, and whether it was skipped.
    `params` are weights, or `Estimated`. With several members, the arrays of the model, of the optimiser state and of
    the records have the members as first axis, and each member has its own batches. If windows are sharded, each device
    works on its share of every batch.
    """
    update = optax.with_extra_args_support(optimizer).update

    def of_one(params, opt_state, static, windows, key, span):
        def sample_loss(params, window):
            return evaluated("loss", loss, eqx.combine(params, static), window)

        def step(i, state):
            params, opt_state, (losses, causes, skipped) = state
            indices = jax.random.randint(jax.random.fold_in(key, span[0] + i), (batch_size,), 0, len(windows))
            result = _gradient(sample_loss, params, windows, indices)
            # The loss is for optimisers that use it, such as `optax.contrib.reduce_on_plateau`.
            updates, stepped = update(result.gradient, opt_state, params, value=result.loss)
            moved = optax.apply_updates(params, updates)
            take = result.usable
            params, opt_state = jax.tree.map(
                lambda new, old: jnp.where(take, new, old), (moved, stepped), (params, opt_state)
            )
            record = (
                losses.at[i].set(jnp.where(take, result.loss, jnp.nan)),
                causes.at[i].set(result.causes),
                skipped.at[i].set(~take),
            )
            return params, opt_state, record

        dtype = jax.tree.leaves(params)[0].dtype
        n = MAX_STEPS_TOGETHER
        record = (jnp.zeros(n, dtype), jnp.zeros((n, len(CAUSES)), int), jnp.zeros(n, bool))
        return jax.lax.fori_loop(0, span[1], step, (params, opt_state, record))

    def of_all(params, opt_state, static, windows, key, span):
        if members is None:
            return of_one(params, opt_state, static, windows, key, span)
        own, same = eqx.if_array(0), None
        each = eqx.filter_vmap(of_one, in_axes=(own, own, own, same, own, same), axis_name=MEMBER)
        return each(params, opt_state, static, windows, jax.random.split(key, members), span)

    return on_devices(of_all, windows)(params, opt_state, static, windows, key, span)


def _gradient(
    loss: Callable[[PyTree, Window], Array], params: PyTree, windows: Windows, indices: Int[Array, " batch"]
) -> SafeGradient:
    """The gradient over a batch of windows, with respect to the estimated states too if there are any."""
    batch, (weights, states) = windows.gather(indices), weights_and_states(params)
    if states is None:
        return safe_gradient(loss, weights, batch, axis=windows.axis)
    at = windows.rows(indices)
    result = safe_gradient(loss, weights, replace(batch, states=states[at]))
    by_state = jnp.zeros_like(states).at[at].add(result.by_sample.states)
    return eqx.tree_at(lambda r: r.gradient, result, Estimated(result.gradient, by_state))


@eqx.filter_jit
def held_out_loss(
    params: PyTree, static: PyTree, windows: Windows, loss: Loss, members: int | None
) -> tuple[Array, Array]:
    """The validation loss, and the number of windows whose loss is not finite; for each member of an ensemble.

    The validation loss is the mean over the other windows; infinite if there are none.
    """
    batch, (weights, _) = windows.gather(windows.evenly(MAX_HELD_OUT_WINDOWS)), weights_and_states(params)

    def of_one(weights, static):
        model = eqx.combine(weights, static)
        losses = jax.vmap(lambda window: evaluated("loss", loss, model, window))(batch)
        finite = jnp.isfinite(losses)
        number = jnp.sum(finite)
        mean = jnp.sum(jnp.where(finite, losses, 0)) / jnp.maximum(number, 1).astype(losses.dtype)
        return jnp.where(number > 0, mean, jnp.inf), len(losses) - number

    return of_one(weights, static) if members is None else eqx.filter_vmap(of_one, axis_name=MEMBER)(weights, static)

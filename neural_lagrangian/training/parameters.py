"""The trained arrays of a model, and checks of the arguments of `fit`."""

import warnings
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, DTypeLike, PyTree

from ..integrators import without_integration
from ..numerics import trained_and_rest
from ..trajectories import Trajectories


def parameters_of(model: Any) -> tuple[PyTree, PyTree, Any]:
    """Split a model into its trained arrays and the rest, without integration options. Returns their dtype too.

    All floating-point arrays are trained, except those that are `Frozen`, a `Scaling` or a recorded control.

    **Raises:** `ValueError` if the model has no such arrays, or arrays of several dtypes.
    """
    weights, static = trained_and_rest(without_integration(model))
    dtypes = {leaf.dtype for leaf in jax.tree.leaves(weights)}
    if not dtypes:
        raise ValueError(
            f"`model` is a {type(model).__name__} without floating-point arrays that are not `Frozen`, so there is "
            f"nothing to train; expected weights among the leaves of its tree. JAX cannot see a network inside a "
            f"function (a closure): make the function an `eqx.Module` with the network as a field"
        )
    if len(dtypes) != 1:
        found = ", ".join(sorted(str(d) for d in dtypes))
        raise ValueError(f"`model` has parameters of {found}; expected all of one floating dtype")
    return weights, static, dtypes.pop()


def check_motion(name: str, motion: Any) -> None:
    """**Raises:** `ValueError` if `motion` is not `Trajectories`, such as a tuple of arrays."""
    if not isinstance(motion, Trajectories):
        raise ValueError(f"`{name}` is a {type(motion).__name__}; expected `nl.Trajectories(ts, ys)`")


def begun_states(trajectories: Trajectories, dtype: DTypeLike, members: int | None) -> Array:
    """Initial values of the estimated states: the recorded states, once for each member."""
    ys = jnp.asarray(trajectories.ys, dtype)
    return ys if members is None else jnp.broadcast_to(ys, (members, *ys.shape))


def warn_of_unused_states(before: Any, after: Any) -> None:
    """Warn if training has not changed the estimated states, since the loss does not use them."""
    if np.array_equal(before, after):
        warnings.warn(
            "the estimated states are still those that were recorded: does the loss start from `window.states`, as "
            "`trajectory_mse`, `trajectory_residual` and `multiple_shooting()` do?",
            stacklevel=3,
        )


def check_members(weights: PyTree, members: int | None) -> None:
    """**Raises:** `ValueError` if the weights are not a stack of `members` models."""
    if members is not None and (members < 1 or any(x.shape[:1] != (members,) for x in jax.tree.leaves(weights))):
        shapes = sorted({x.shape for x in jax.tree.leaves(weights)})
        raise ValueError(
            f"`members` is {members}, but `model` has arrays of shapes {shapes}; expected a stack of "
            f"{max(members, 1)} models, such as `eqx.filter_vmap(make)(jax.random.split(key, {max(members, 1)}))`"
        )


def check_key(key: Any) -> None:
    """**Raises:** `ValueError` if `key` is not one JAX random key."""
    try:
        data = jax.random.key_data(key)
    except (TypeError, ValueError):  # JAX's message does not name the argument
        data = None
    if data is None or data.ndim != 1:
        came = f"of shape {key.shape}, dtype {key.dtype}" if isinstance(key, Array) else repr(key)
        raise ValueError(f"`key` is {came}; expected one JAX random key, such as `jax.random.key(0)`")

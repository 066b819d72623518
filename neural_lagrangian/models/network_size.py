"""What a network maps: its input and output size, checked before anything runs."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp


def infer_dof(network: Callable[..., Any], dof: int | None) -> int | None:
    """Degrees of freedom from `dof` or the network's `in_size`; `None` where neither says.

    Raises `ValueError` where they disagree or make no sense.
    """
    if not callable(network):
        raise ValueError(f"`network` is {network!r}; expected a callable on states [q, v]")
    if dof is not None and (not isinstance(dof, int) or dof < 1):
        raise ValueError(f"`dof` is {dof!r}; expected a positive integer")
    in_size = getattr(network, "in_size", None)
    if not isinstance(in_size, int):
        return dof
    if in_size < 2 or in_size % 2:
        raise ValueError(f"`network` has in_size {in_size}; expected an even number, 2 dof, as it takes [q, v]")
    if dof is not None and in_size != 2 * dof:
        raise ValueError(f"`network` has in_size {in_size}; expected {2 * dof} for `dof` {dof}")
    return in_size // 2


def output_shape(network: Callable[..., Any], dof: int) -> tuple[int, ...]:
    """Shape that the network returns for one state; an error inside the network is raised as a `ValueError`."""
    state = jax.ShapeDtypeStruct((2 * dof,), network_dtype(network))
    try:
        out = eqx.filter_eval_shape(lambda f, y: f(y), network, state)
    except Exception as error:
        raise ValueError(f"`network` fails on a state of shape ({2 * dof},): {error}") from error
    if not hasattr(out, "shape") or not jnp.issubdtype(out.dtype, jnp.floating):
        raise ValueError(f"`network` returned {out}; expected one real floating array")
    return out.shape


def network_dtype(network: Callable[..., Any]) -> jnp.dtype:
    """Precision of the network's arrays; JAX's default for a network without any."""
    dtypes = [leaf.dtype for leaf in jax.tree.leaves(network) if eqx.is_inexact_array(leaf)]
    return jnp.result_type(*dtypes) if dtypes else jnp.result_type(float)

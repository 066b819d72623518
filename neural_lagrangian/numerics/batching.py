"""Decisions that a whole batch takes together."""

import jax.numpy as jnp
from jax.custom_batching import custom_vmap
from jaxtyping import Array


@custom_vmap
def any_in_batch(flag: Array) -> Array:
    """`flag`; under `vmap` whether any of the batch is set, hence not batched: `lax.cond` on it stays a branch."""
    return flag


@any_in_batch.def_vmap
def _(axis_size, in_batched, flag):
    return any_in_batch(jnp.any(flag)), False

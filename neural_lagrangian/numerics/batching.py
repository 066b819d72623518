"""A branch condition for a whole batch, so that `lax.cond` stays a branch under `vmap`."""

import jax.numpy as jnp
from jax.custom_batching import custom_vmap
from jaxtyping import Array


@custom_vmap
def any_in_batch(flag: Array) -> Array:
    """`flag` itself. Under `vmap`: whether any flag of the batch is set. This value is not batched."""
    return flag


@any_in_batch.def_vmap
def _(axis_size, in_batched, flag):
    return any_in_batch(jnp.any(flag)), False

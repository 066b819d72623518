"""Shape and precision of a network's output, found without running it."""

import equinox as eqx
import jax
import jax.numpy as jnp

from .._types import Network


def network_dtype(network: Network) -> jnp.dtype:
    """Precision of the network's arrays. JAX's default if the network has none."""
    dtypes = [leaf.dtype for leaf in jax.tree.leaves(network) if eqx.is_inexact_array(leaf)]
    return jnp.result_type(*dtypes) if dtypes else jnp.result_type(float)


def output_shape(network: Network, *shapes: tuple[int, ...]) -> tuple[int, ...]:
    """The output shape of the network for arguments of these shapes.

    **Raises:** `ValueError` if the network fails, or does not return one real floating-point array.
    """
    arguments = [jax.ShapeDtypeStruct(shape, network_dtype(network)) for shape in shapes]
    try:
        out = eqx.filter_eval_shape(lambda f, args: f(*args), network, arguments)
    except Exception as error:  # a user's network may raise anything
        named = ", ".join(map(str, shapes))
        raise ValueError(
            f"`network` fails on inputs of shape {named}: {error}; expected a network that takes such an input"
        ) from error
    if not hasattr(out, "shape") or not jnp.issubdtype(out.dtype, jnp.floating):
        raise ValueError(f"`network` returned {out}; expected one real floating array")
    return out.shape

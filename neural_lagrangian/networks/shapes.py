"""What a network maps: the shape and the precision of its output, known before anything runs."""

import equinox as eqx
import jax
import jax.numpy as jnp

from .._types import Network


def network_dtype(network: Network) -> jnp.dtype:
    """Precision of the network's arrays; JAX's default for a network without any."""
    dtypes = [leaf.dtype for leaf in jax.tree.leaves(network) if eqx.is_inexact_array(leaf)]
    return jnp.result_type(*dtypes) if dtypes else jnp.result_type(float)


def output_shape(network: Network, *shapes: tuple[int, ...]) -> tuple[int, ...]:
    """Shape that the network returns for arguments of these shapes; an error inside it is raised as a `ValueError`."""
    arguments = [jax.ShapeDtypeStruct(shape, network_dtype(network)) for shape in shapes]
    try:
        out = eqx.filter_eval_shape(lambda f, args: f(*args), network, arguments)
    except Exception as error:  # a user's network may raise anything
        named = ", ".join(map(str, shapes))
        raise ValueError(f"`network` fails on a state of shape {named}: {error}") from error
    if not hasattr(out, "shape") or not jnp.issubdtype(out.dtype, jnp.floating):
        raise ValueError(f"`network` returned {out}; expected one real floating array")
    return out.shape

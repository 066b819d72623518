"""The number whose softplus is given."""

import jax.numpy as jnp
from jaxtyping import Array


def inverse_softplus(x: Array) -> Array:
    r"""$s$ with $\log(1 + e^s) = x$, for $x > 0$: $s = x + \log(1 - e^{-x})$, which loses no digits at either end."""
    return x + jnp.log(-jnp.expm1(-x))

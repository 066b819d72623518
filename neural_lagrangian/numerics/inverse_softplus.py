"""The inverse of the softplus function."""

import jax.numpy as jnp
from jaxtyping import Array


def inverse_softplus(x: Array) -> Array:
    r"""The inverse of softplus: $s$ with $\log(1 + e^s) = x$, for $x > 0$.

    The form $s = x + \log(1 - e^{-x})$ is accurate for small and for large $x$.
    """
    return x + jnp.log(-jnp.expm1(-x))

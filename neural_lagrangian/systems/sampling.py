"""Random initial states."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, PRNGKeyArray

from .parameter import Value


def box(key: PRNGKeyArray, count: int, limits: Sequence[ArrayLike]) -> Array:
    """Random states, each component uniform between minus and plus its limit, shape `(count, len(limits))`."""
    draw = jax.random.uniform(key, (count, len(limits)), minval=-1.0)
    return draw * jnp.asarray(limits, draw.dtype)[None]


def orbits(key: PRNGKeyArray, count: int, pull: Value, *, size: float, eccentricity: float) -> Array:
    r"""Random states on counter-clockwise Kepler orbits with the acceleration $-\mu q / |q|^3$, shape `(count, 4)`.

    **Arguments:**

    - `pull`: $\mu$.
    - `size`: semi-major axes are within 20 % of it.
    - `eccentricity`: maximum eccentricity. Orientation and true anomaly are uniform.
    """
    a, e, f, w = jax.random.uniform(key, (4, count))
    a, e, f, w = size * (0.8 + 0.4 * a), eccentricity * e, 2 * jnp.pi * f, 2 * jnp.pi * w
    p = a * (1 - e**2)
    r, speed = p / (1 + e * jnp.cos(f)), jnp.sqrt(jnp.asarray(pull, a.dtype) / p)
    outward = jnp.stack([jnp.cos(f + w), jnp.sin(f + w)])
    forward = jnp.stack([-outward[1], outward[0]])
    velocity = speed[None] * ((e * jnp.sin(f))[None] * outward + (1 + e * jnp.cos(f))[None] * forward)
    return jnp.concatenate([r[None] * outward, velocity]).T

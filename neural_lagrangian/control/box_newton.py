"""Minimum of a small quadratic function between bounds."""

import jax
import jax.numpy as jnp
from jaxtyping import Array

NEWTON_STEPS = 8
"""Steps of the projected Newton method. One control needs two."""


def box_minimum(H: Array, g: Array, lower: Array, upper: Array) -> tuple[Array, Array]:
    r"""Minimise $\tfrac12 x^\top H x + g^\top x$ for `lower <= x <= upper` by the projected Newton method.

    **Returns:** the minimum, shape `(m,)`, and which entries are free (not at a bound), booleans, shape `(m,)`.
    (Tassa, Mansard and Todorov 2014, section III.)
    """

    def free_at(x):
        gradient = H @ x + g
        return ~(((x <= lower) & (gradient > 0)) | ((x >= upper) & (gradient < 0)))

    def step(_, x):
        free = free_at(x)
        move = jnp.where(free, H @ x + g, 0)
        return jnp.clip(x - jnp.linalg.solve(of_free(H, free), move), lower, upper)

    x = jax.lax.fori_loop(0, NEWTON_STEPS, step, jnp.clip(jnp.zeros_like(g), lower, upper))
    return x, free_at(x)


def of_free(H: Array, free: Array) -> Array:
    """`H` with the rows and columns of entries at a bound replaced by those of the identity."""
    both = free[:, None] & free[None, :]
    return jnp.where(both, H, jnp.eye(H.shape[0], dtype=H.dtype))

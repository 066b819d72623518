"""Motion that may run backwards: networks even in the velocities."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array


class TimeReversible(eqx.Module):
    r"""A network made exactly even in the velocities, $f(q, v) = \tfrac12 [N(q, v) + N(q, -v)]$.

    An even Lagrangian, or an even acceleration of a second-order `NeuralODE`, has time-reversible motion: a film of
    it played backwards is another motion. True of every system without friction, magnetic or Coriolis forces. Not
    for a first-order `NeuralODE`, whose upper half is odd in the velocities.

    **Arguments:**

    - `network`: any callable on states `[q, v]`.
    """

    network: Callable[..., Any]

    @property
    def in_size(self) -> int:
        """That of the network."""
        return self.network.in_size  # pyright: ignore[reportFunctionMemberAccess]

    def __call__(self, y: Array) -> Array:
        q, v = jnp.split(y, 2)
        both = jnp.stack([y, jnp.concatenate([q, -v])])
        return jnp.mean(jax.vmap(self.network)(both), axis=0)

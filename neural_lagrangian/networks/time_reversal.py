"""Motion that may run backwards: networks even in the velocities."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array

from .._types import Network
from .embedding import clock_and_state


class TimeReversible(eqx.Module):
    r"""A network made exactly even in the velocities, $f(q, v) = \tfrac12 [N(q, v) + N(q, -v)]$.

    An even Lagrangian, or an even acceleration of a second-order `NeuralODE`, has time-reversible motion: a film of
    it played backwards is another motion. True of every system without friction, magnetic or Coriolis forces. Not
    for a first-order `NeuralODE`, whose upper half is odd in the velocities.

    **Arguments:**

    - `network`: any callable on states `[q, v]`.
    - `dof`: degrees of freedom; needed only where something stands before the state, such as a clock, which is passed
      on. (Then a film played backwards is a motion of the drive played backwards.)

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> network = lambda y: y[1] ** 3 + y[1] ** 2  # the odd part does not survive
    >>> float(nl.networks.TimeReversible(network)(jnp.array([0.0, 3.0])))
    9.0
    ```
    """

    network: Network
    dof: int | None = eqx.field(static=True, default=None)

    @property
    def in_size(self) -> int:
        """That of the network."""
        if self.dof is not None:
            return 2 * self.dof
        return self.network.in_size  # pyright: ignore[reportFunctionMemberAccess]

    def __call__(self, y: Array) -> Array:
        clock, q, v = clock_and_state(y, y.shape[0] // 2 if self.dof is None else self.dof)
        both = jnp.stack([y, jnp.concatenate([clock, q, -v])])
        return jnp.mean(jax.vmap(self.network)(both), axis=0)


def check_state_is_told_apart(network: Network) -> None:
    """`ValueError` if a `TimeReversible` part would take the clock before a state for a part of it."""
    parts = jax.tree.leaves(network, is_leaf=lambda x: isinstance(x, TimeReversible))
    if any(isinstance(part, TimeReversible) and part.dof is None for part in parts):
        raise ValueError(
            "`network` has a TimeReversible part of `dof` None; expected its dof, since a clock comes first"
        )

"""Time-reversal symmetry: networks that are even in the velocities."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array

from .._types import Network
from .embedding import clock_and_state


class TimeReversible(eqx.Module):
    r"""A network that is exactly even in the velocities, $f(q, v) = \tfrac12 [N(q, v) + N(q, -v)]$.

    If the Lagrangian, or the acceleration of a second-order `NeuralODE`, is even, the motion is time-reversible: played
    backwards it is also a solution. This holds for every system without friction, magnetic or Coriolis forces. Do not
    use it for a first-order `NeuralODE`: the first half of its output, the velocity, is odd in the velocities.

    **Arguments:**

    - `network`: any callable on states `[q, v]`.
    - `dof`: degrees of freedom. Needed only if features of time (a clock) or a control are in front of the state; these
      are passed on. The motion played backwards is then a solution for the drive played backwards.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> network = lambda y: y[1] ** 3 + y[1] ** 2  # averaging removes the odd part
    >>> float(nl.networks.TimeReversible(network)(jnp.array([0.0, 3.0])))
    9.0
    ```
    """

    network: Network
    dof: int | None = eqx.field(static=True, default=None)

    @property
    def in_size(self) -> int:
        """Size of the input state `[q, v]`."""
        if self.dof is not None:
            return 2 * self.dof
        return self.network.in_size  # pyright: ignore[reportFunctionMemberAccess]

    def __call__(self, y: Array) -> Array:
        clock, q, v = clock_and_state(y, y.shape[0] // 2 if self.dof is None else self.dof)
        both = jnp.stack([y, jnp.concatenate([clock, q, -v])])
        return jnp.mean(jax.vmap(self.network)(both), axis=0)


def check_time_reversible_dof(network: Network) -> None:
    """Raise `ValueError` if a `TimeReversible` part has no `dof` and cannot separate the clock from the state."""
    parts = jax.tree.leaves(network, is_leaf=lambda x: isinstance(x, TimeReversible))
    if any(isinstance(part, TimeReversible) and part.dof is None for part in parts):
        raise ValueError(
            "`network` has a TimeReversible part whose `dof` is None; expected its `dof`, since a clock or a "
            "control is in front of the state: TimeReversible(network, dof)"
        )

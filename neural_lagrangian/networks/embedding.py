"""Input features for angles: cosine and sine in place of the raw coordinate."""

from collections.abc import Sequence

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array

from .._checks import positive_integer
from .._types import Network


class PeriodicEmbedding(eqx.Module):
    r"""A network that is exactly $2 \pi$-periodic in the angles: each angle enters as $(\cos q_i, \sin q_i)$.

    The wrapped network receives `[cos q_periodic, sin q_periodic, q_other, v]`, so its input size is
    `2 dof + len(periodic)`. If the input is only the coordinates, shape `(dof,)`, as in a `MechanicalLagrangian`, the
    network receives `dof + len(periodic)` features. Time features in front of the state, such as the clock of a
    `TimeDependent` Lagrangian, stay in front.

    **Arguments:**

    - `network`: any callable on the features.
    - `dof`: degrees of freedom n of the state `[q, v]`.
    - `periodic`: indices of the coordinates that are angles in radians. `None` means all.

    **Example:**

    ```python
    >>> import equinox as eqx, jax, jax.numpy as jnp, neural_lagrangian as nl
    >>> mlp = eqx.nn.MLP(3, "scalar", 8, 1, key=jax.random.key(0))  # takes cos q, sin q and v
    >>> network = nl.PeriodicEmbedding(mlp, dof=1)
    >>> a_turn_apart = network(jnp.array([1.0, 0.5])), network(jnp.array([1.0 + 2 * jnp.pi, 0.5]))
    >>> bool(jnp.allclose(*a_turn_apart, atol=1e-5))
    True
    ```
    """

    network: Network
    dof: int = eqx.field(static=True)
    periodic: tuple[int, ...] = eqx.field(static=True)

    def __init__(self, network: Network, dof: int, periodic: Sequence[int] | None = None):
        positive_integer("dof", dof)
        periodic = tuple(range(dof)) if periodic is None else tuple(periodic)
        if any(i not in range(dof) for i in periodic) or len(set(periodic)) != len(periodic):
            raise ValueError(f"`periodic` is {periodic}; expected distinct indices from 0 to {dof - 1}")
        self.network = network
        self.dof = dof
        self.periodic = periodic

    @property
    def in_size(self) -> int:
        """Size of the input state `[q, v]`."""
        return 2 * self.dof

    def __call__(self, y: Array) -> Array:
        clock, q, v = clock_and_state(y, self.dof)
        angles = q[jnp.array(self.periodic, dtype=int)]
        others = q[jnp.array([i for i in range(self.dof) if i not in self.periodic], dtype=int)]
        return self.network(jnp.concatenate([clock, jnp.cos(angles), jnp.sin(angles), others, v]))


def clock_and_state(y: Array, dof: int) -> tuple[Array, Array, Array]:
    """Split a network input into time features, coordinates and velocities.

    The input is `[clock, q, v]`, with any number of time features, or only `q`, shape `(dof,)`. In the second case the
    clock and the velocities are empty.
    """
    if y.shape == (dof,):
        return y[:0], y, y[:0]
    if y.ndim != 1 or y.shape[0] < 2 * dof:
        raise ValueError(f"`y` has shape {y.shape}; expected ({2 * dof},), as [q, v], or ({dof},), as q")
    clock, q, v = jnp.split(y, [y.shape[0] - 2 * dof, y.shape[0] - dof])
    return clock, q, v

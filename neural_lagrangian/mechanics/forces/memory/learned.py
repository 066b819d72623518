"""Forces with memory whose laws are networks."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike

from ...._checks import check_instance, positive_integer
from ...._types import Coordinates, Network, Scalar
from ..control import ControlForce
from ..dead_time import DeadTime
from .force_with_memory import AbstractForceWithMemory, InternalStates


class LearnedMemory(AbstractForceWithMemory):
    r"""A force with memory whose two laws are networks.

    $$\dot z = f([q, v, z, u]), \qquad Q = g([q, v, z, u]).$$

    The internal states start from zero. They have no meaning of their own: any invertible change of $z$ gives the same
    motion. Nothing makes the force passive, and it counts as storing no energy.

    **Arguments:**

    - `rate`: $f$, callable from shape `(2 dof + internal + m,)` to `(internal,)`.
    - `output`: $g$, callable from the same input to `(dof,)`.
    - `internal`: number of internal states.
    - `motor`: optional `ControlForce` or `DeadTime`. The networks see its command u; `models.with_control` and controls
      in the data set it. Its matrix has no effect, apart from the number m of controls. `None`: the networks see no u.

    **Raises:** `ValueError` for arguments of another kind; in use, for outputs of another shape.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> # one degree of freedom, one internal state: x = [q, v, z]
    >>> dashpot = nl.mechanics.LearnedMemory(lambda x: x[1:2] - x[2:], lambda x: -3.0 * x[2:], internal=1)
    >>> dashpot.force(0.0, jnp.zeros(1), jnp.zeros(1), jnp.array([2.0])).tolist()
    [-6.0]
    ```
    """

    law: Network
    output: Network
    motor: ControlForce | DeadTime | None
    internal: int = eqx.field(static=True)

    def __init__(self, rate: Network, output: Network, internal: int, *, motor: ControlForce | DeadTime | None = None):
        for name, network in (("rate", rate), ("output", output)):
            if not callable(network):
                raise ValueError(f"`{name}` is {network!r}; expected a callable of [q, v, z]")
        check_instance("motor", motor, ControlForce, DeadTime, optional=True)
        self.law = rate
        self.output = output
        self.motor = motor
        self.internal = positive_integer("internal", internal)

    def size(self, dof: int) -> int:
        return self.internal

    def initial(self, t: ArrayLike, q: Array, v: Array) -> InternalStates:
        return jnp.zeros(self.internal, q.dtype)

    def force(self, t: ArrayLike, q: Array, v: Array, z: Array) -> Coordinates:
        return _of_shape("output", self.output(self._seen(t, q, v, z)), q.shape)

    def rate(self, t: ArrayLike, q: Array, v: Array, z: Array) -> InternalStates:
        return _of_shape("rate", self.law(self._seen(t, q, v, z)), (self.internal,))

    def stored_energy(self, t: ArrayLike, q: Array, v: Array, z: Array) -> Scalar:
        return jnp.zeros((), z.dtype)

    def _seen(self, t: ArrayLike, q: Array, v: Array, z: Array) -> Array:
        u = [] if self.motor is None else [self.motor.command(t, q)]
        return jnp.concatenate([q, v, z, *u])


def _of_shape(name: str, value: Array, shape: tuple[int, ...]) -> Array:
    if jnp.shape(value) != shape:
        raise ValueError(f"`{name}` returned shape {jnp.shape(value)}; expected {shape}")
    return value

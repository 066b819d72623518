"""Forces with memory at joints whose rates are linear combinations of the velocities."""

from collections.abc import Sequence

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike

from ...._checks import check_instance
from ...._types import Coordinates, Scalar
from .force_with_memory import AbstractForceWithMemory, InternalStates


class MemoryAtJoints(AbstractForceWithMemory):
    r"""A force with memory that acts at joints, on the joint rates $B v$ instead of $v$. See `AtJoints`.

    $$Q = B^\top f(t, B q, B v, z), \qquad \dot z = \dot z(t, B q, B v, z).$$

    Stored energy and dissipation are those of the joint law.

    **Arguments:**

    - `law`: the force with memory, such as a `LuGre` with one constant for each joint.
    - `joints`: the matrix $B$, shape `(joint, dof)`, numbers. It is never trained.

    **Raises:** `ValueError` if `joints` is not a matrix of numbers, or `law` is not a force with memory.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> rubber = nl.mechanics.Maxwell([2.0, 2.0], relaxation_time=[1.0, 1.0])
    >>> joints = nl.mechanics.MemoryAtJoints(rubber, [[1, 0], [-1, 1]])  # rates v1 and v2 - v1
    >>> joints.force(0.0, jnp.zeros(2), jnp.zeros(2), jnp.array([0.0, 1.0])).round(3).tolist()
    [2.0, -2.0]
    ```
    """

    law: AbstractForceWithMemory
    joints: tuple[tuple[float, ...], ...] = eqx.field(static=True)

    def __init__(self, law: AbstractForceWithMemory, joints: Sequence[Sequence[float | int]]):
        check_instance("law", law, AbstractForceWithMemory)
        B = np.asarray(joints, np.float64)
        if B.ndim != 2 or not np.all(np.isfinite(B)):
            raise ValueError(f"`joints` is {joints!r}; expected finite numbers, shape (joint, dof)")
        self.law = law
        self.joints = tuple(map(tuple, B.tolist()))

    def size(self, dof: int) -> int:
        return self.law.size(len(self.joints))

    def initial(self, t: ArrayLike, q: Array, v: Array) -> InternalStates:
        B = self._matrix(q)
        return self.law.initial(t, B @ q, B @ v)

    def force(self, t: ArrayLike, q: Array, v: Array, z: Array) -> Coordinates:
        B = self._matrix(q)
        return self.law.force(t, B @ q, B @ v, z) @ B

    def rate(self, t: ArrayLike, q: Array, v: Array, z: Array) -> InternalStates:
        B = self._matrix(q)
        return self.law.rate(t, B @ q, B @ v, z)

    def stored_energy(self, t: ArrayLike, q: Array, v: Array, z: Array) -> Scalar:
        B = self._matrix(q)
        return self.law.stored_energy(t, B @ q, B @ v, z)

    def _matrix(self, q: Array) -> Array:
        B = jnp.asarray(self.joints, q.dtype)
        if B.shape[1:] != q.shape:
            raise ValueError(f"`joints` has shape {B.shape}; expected (joint, {q.shape[0]})")
        return B

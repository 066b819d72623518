"""Forces at joints whose rates are linear combinations of the velocities."""

from collections.abc import Sequence

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike

from ..._types import Coordinates, Force
from .force import AbstractForce, has_damping_matrix


class AtJoints(AbstractForce):
    r"""A force that acts at joints, on the joint rates $B v$ instead of $v$ (principle of virtual work):

    $$Q(t, q, v) = B^\top f(t, B q, B v), \qquad Q \cdot v = f \cdot (B v).$$

    Its power is that of $f$. Example: two arms with absolute angles have the joint rates $(v_1, v_2 - v_1)$, so their
    damping is `AtJoints(LinearDamping([0.1, 0.1]), [[1, 0], [-1, 1]])`.

    **Arguments:**

    - `force`: $f$, callable `(t, q, v)` of joint coordinates and rates, shape `(joint,)` each, to shape `(joint,)`.
    - `joints`: the matrix $B$, shape `(joint, dof)`, numbers. It is never trained.

    **Raises:** `ValueError` if `joints` is not a matrix, or its shape does not match.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> damping = nl.mechanics.LinearDamping([1.0, 2.0])  # coefficients 1 and 4
    >>> force = nl.mechanics.AtJoints(damping, [[1, 0], [-1, 1]])
    >>> force(0.0, jnp.zeros(2), jnp.array([1.0, 3.0])).tolist()  # joint rates 1 and 2
    [7.0, -8.0]
    ```
    """

    force: Force
    joints: tuple[tuple[float, ...], ...] = eqx.field(static=True)

    def __init__(self, force: Force, joints: Sequence[Sequence[float | int]]):
        B = np.asarray(joints, np.float64)
        if B.ndim != 2 or not np.all(np.isfinite(B)):
            raise ValueError(f"`joints` is {joints!r}; expected finite numbers, shape (joint, dof)")
        if not callable(force):
            raise ValueError(f"`force` is {force!r}; expected a callable (t, q, v) -> (joint,)")
        self.force = force
        self.joints = tuple(map(tuple, B.tolist()))

    def damping_matrix(self, q: Array, v: Array) -> Array:
        r"""The damping matrix $B^\top D(B q, B v)\, B$, shape `(dof, dof)`, with $D$ the damping matrix of `force`.

        **Raises:** `ValueError` if `force` has no damping matrix.
        """
        if not has_damping_matrix(self.force):
            raise ValueError(f"`force` is {self.force!r}, which has no damping matrix; expected a LinearDamping in it")
        B = jnp.asarray(self.joints, v.dtype)
        return B.T @ self.force.damping_matrix(B @ q, B @ v) @ B  # pyright: ignore[reportFunctionMemberAccess]

    def __repr__(self) -> str:
        return f"AtJoints({self.force!r}, joints={[list(row) for row in self.joints]})"

    def __call__(self, t: ArrayLike, q: Array, v: Array) -> Coordinates:
        B = jnp.asarray(self.joints, v.dtype)
        if B.shape[1:] != v.shape:
            raise ValueError(f"`joints` has shape {B.shape}; expected (joint, {v.shape[0]})")
        f = jnp.asarray(self.force(t, B @ q, B @ v))
        if f.shape != B.shape[:1]:
            raise ValueError(f"`force` returned shape {f.shape}; expected {B.shape[:1]}, one for each joint")
        return f @ B

"""Inertia of motors, as seen from the joints."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from .._checks import floating, is_concrete
from .._types import Scalar
from ..mechanics import AbstractMassSolve, Cholesky
from ..numerics import inverse_softplus
from .lagrangian import AbstractLagrangian


class Armature(AbstractLagrangian):
    r"""Armature: the inertia of motors and gears at the joints, a diagonal addition to the mass matrix,

    $$L = \tfrac12 \sum_i I_i v_i^2, \qquad I_i > 0.$$

    A rotor of inertia $J$ behind a gear of ratio $r$ has $I = r^2 J$. The inertias are trained and stay positive
    (softplus). Add it to any Lagrangian: a sum with a `MechanicalLagrangian` keeps `Cholesky`.

    **Arguments:**

    - `inertia`: initial values of $I$, shape `(dof,)`, in kg m^2 (or kg, of a coordinate in metres).

    **Raises:** `ValueError` for another shape or (outside `jit`) values that are not positive.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> arms = nl.systems.DoublePendulum()
    >>> geared = nl.lagrangians.Armature([0.5, 0.25]) + arms.lagrangian
    >>> nl.mass_matrix(geared, 0.0, jnp.zeros(2), jnp.zeros(2)).round(3).tolist()
    [[2.5, 1.0], [1.0, 1.25]]
    ```
    """

    raw_inertia: Float[Array, " dof"]

    def __init__(self, inertia: ArrayLike | Sequence[float]):
        given = floating("inertia", inertia, ("dof",))
        if is_concrete(given) and not bool(jnp.all(given > 0)):
            raise ValueError(f"`inertia` is {given}; expected positive numbers")
        self.raw_inertia = inverse_softplus(given)

    @property
    def inertia(self) -> Float[Array, " dof"]:
        """The inertias $I$, shape `(dof,)`."""
        return jax.nn.softplus(self.raw_inertia)

    @property
    def dof(self) -> int:
        return self.raw_inertia.shape[0]

    @property
    def mass_solve(self) -> AbstractMassSolve:
        return Cholesky()

    def __call__(self, t: ArrayLike, q: Array, v: Array) -> Scalar:
        return 0.5 * jnp.sum(self.inertia * v**2)

"""The Maxwell element of viscoelasticity."""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from ...._types import Coordinates, Scalar
from .constants import Constants, exp_of, log_of_positive, one_per_joint
from .force_with_memory import AbstractForceWithMemory, InternalStates


class Maxwell(AbstractForceWithMemory):
    r"""A Maxwell element: a spring and a dashpot in series. One internal state for each degree of freedom.

    $$\dot z = v - z / \tau, \qquad Q = -k z.$$

    $z$ is the stretch of the spring, in the unit of $q$. It starts from zero. After a step of $q$ the force decays as
    $e^{-t / \tau}$. Several elements in parallel are a generalised Maxwell (Wiechert) model; a spring in the Lagrangian
    beside one element is the standard linear solid. The spring stores $k z^2 / 2$, and the dashpot dissipates
    $k z^2 / \tau \ge 0$.

    The constants are trained as logarithms. `networks.Frozen(numbers)` is not trained.

    **Arguments:**

    - `stiffness`: $k$, shape `(dof,)`, in newtons per unit of $q$.
    - `relaxation_time`: $\tau$, shape `(dof,)`, in seconds.

    **Raises:** `ValueError` for other shapes, or (outside `jit`) for values that are not positive.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> rubber = nl.mechanics.Maxwell([200.0], relaxation_time=[0.5])
    >>> rubber.force(0.0, jnp.zeros(1), jnp.zeros(1), jnp.array([0.01])).round(3).tolist()
    [-2.0]
    ```
    """

    log_stiffness: Any
    log_relaxation_time: Any

    def __init__(self, stiffness: Constants, relaxation_time: Constants):
        self.log_stiffness = log_of_positive("stiffness", stiffness)
        self.log_relaxation_time = log_of_positive("relaxation_time", relaxation_time, jnp.shape(self.stiffness))

    @property
    def stiffness(self) -> Float[Array, " dof"]:
        """Stiffness of the spring $k$, shape `(dof,)`."""
        return exp_of(self.log_stiffness)

    @property
    def relaxation_time(self) -> Float[Array, " dof"]:
        r"""Relaxation time $\tau$, shape `(dof,)`."""
        return exp_of(self.log_relaxation_time)

    def size(self, dof: int) -> int:
        return dof

    def initial(self, t: ArrayLike, q: Array, v: Array) -> InternalStates:
        one_per_joint("stiffness", self.stiffness, v)
        return jnp.zeros_like(v)

    def force(self, t: ArrayLike, q: Array, v: Array, z: Array) -> Coordinates:
        one_per_joint("stiffness", self.stiffness, v)
        return -self.stiffness * z

    def rate(self, t: ArrayLike, q: Array, v: Array, z: Array) -> InternalStates:
        return v - z / self.relaxation_time

    def stored_energy(self, t: ArrayLike, q: Array, v: Array, z: Array) -> Scalar:
        return jnp.dot(self.stiffness * z, z) / 2

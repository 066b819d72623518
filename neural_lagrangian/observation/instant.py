"""What a sensor can read at one instant of a motion: time, coordinates, velocities, accelerations and forces."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array

from .._types import Coordinates, Scalar, State
from ..integrators import AbstractMotionModel


class Instant(eqx.Module):
    r"""One instant of a motion. Accelerations and forces are computed by the model when they are read.

    **Arguments:**

    - `model`: the model of the motion, driven by its controls if it has any.
    - `t`: time in seconds. `y`: the state `[q, v]`, shape `(2 dof,)`.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> spring = nl.systems.HarmonicOscillator(stiffness=4.0)
    >>> now = nl.observation.Instant(spring, jnp.array(0.0), jnp.array([0.5, 1.0]))
    >>> now.q.tolist(), now.v.tolist(), now.a.tolist()
    ([0.5], [1.0], [-2.0])
    ```
    """

    model: AbstractMotionModel
    t: Scalar
    y: State

    @property
    def q(self) -> Coordinates:
        """Coordinates, shape `(dof,)`."""
        return self.y[: len(self.y) // 2]

    @property
    def v(self) -> Coordinates:
        """Velocities, shape `(dof,)`."""
        return self.y[len(self.y) // 2 :]

    @property
    def a(self) -> Coordinates:
        """Accelerations, shape `(dof,)`."""
        return self.model.vector_field(self.t, self.y)[len(self.y) // 2 :]

    @property
    def force(self) -> Array:
        """The generalised force $Q$ of the model's `force`, shape `(dof,)`.

        **Raises:** `ValueError` if the model has no force.
        """
        force = getattr(self.model, "force", None)
        if force is None:
            raise ValueError(
                f"`model` is a {type(self.model).__name__} without a `force`; expected one for the sensor to read, "
                f"such as `NeuralLagrangian(network, force=ControlForce())`"
            )
        return jnp.asarray(force(self.t, self.q, self.v))

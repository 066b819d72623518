"""Applied forces and torques, as load cells and torque sensors read them."""

import equinox as eqx
from jaxtyping import Array

from .instant import Instant
from .reading import AbstractReading, picked


class AppliedForce(AbstractReading):
    """The generalised force $Q_i$ that the model's `force` applies, as a torque sensor or a load cell at a motor reads.

    **Arguments:**

    - `coordinates`: indices of the coordinates, one column for each. All of them if none is given.

    **Raises:** `ValueError`, when it reads, for an index that does not exist, or if the model has no force.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> free, friction = (lambda t, q, v: 0.5 * v @ v), (lambda t, q, v: -0.5 * v)
    >>> model = nl.NeuralLagrangian.from_lagrangian(free, force=friction)
    >>> now = nl.observation.Instant(model, jnp.array(0.0), jnp.array([0.0, 2.0]))
    >>> nl.observation.AppliedForce(0)(now).tolist()
    [-1.0]
    ```
    """

    coordinates: tuple[int, ...] = eqx.field(static=True)

    def __init__(self, *coordinates: int):
        self.coordinates = coordinates

    def __call__(self, now: Instant) -> Array:
        return picked(now.force, self.coordinates)

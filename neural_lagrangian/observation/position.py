"""Positions, as encoders and rulers read them."""

import equinox as eqx
from jaxtyping import Array

from .instant import Instant
from .reading import AbstractReading, picked


class Position(AbstractReading):
    """Coordinates $q_i$, as an encoder or a ruler reads them, in the units of the model.

    **Arguments:**

    - `coordinates`: indices of the coordinates, one column for each. All of them if none is given.

    **Raises:** `ValueError`, when it reads, for an index that does not exist.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> now = nl.observation.Instant(nl.systems.DoublePendulum(), jnp.array(0.0), jnp.array([0.1, 0.2, 3.0, 4.0]))
    >>> [round(float(x), 1) for x in nl.observation.Position(1)(now)]
    [0.2]
    ```
    """

    coordinates: tuple[int, ...] = eqx.field(static=True)

    def __init__(self, *coordinates: int):
        self.coordinates = coordinates

    def __call__(self, now: Instant) -> Array:
        return picked(now.q, self.coordinates)

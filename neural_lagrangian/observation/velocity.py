"""Velocities, as tachometers read them."""

import equinox as eqx
from jaxtyping import Array

from .instant import Instant
from .reading import AbstractReading, picked


class Velocity(AbstractReading):
    r"""Velocities $\dot q_i$, as a tachometer reads them, in the units of the model.

    **Arguments:**

    - `coordinates`: indices of the coordinates, one column for each. All of them if none is given.

    **Raises:** `ValueError`, when it reads, for an index that does not exist.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> now = nl.observation.Instant(nl.systems.DoublePendulum(), jnp.array(0.0), jnp.array([0.1, 0.2, 3.0, 4.0]))
    >>> nl.observation.Velocity()(now).tolist()
    [3.0, 4.0]
    ```
    """

    coordinates: tuple[int, ...] = eqx.field(static=True)

    def __init__(self, *coordinates: int):
        self.coordinates = coordinates

    def __call__(self, now: Instant) -> Array:
        return picked(now.v, self.coordinates)

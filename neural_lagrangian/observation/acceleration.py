"""Accelerations of coordinates, as angular accelerometers and accelerometers on level sliders read them."""

import equinox as eqx
from jaxtyping import Array

from .instant import Instant
from .reading import AbstractReading, picked


class Acceleration(AbstractReading):
    r"""Accelerations $\ddot q_i$ of coordinates, in the units of the model. They contain no gravity.

    An angular accelerometer reads this, and an accelerometer on a slider along its level rail. An accelerometer whose
    axis turns or tilts also feels gravity: it is an `Accelerometer`.

    **Arguments:**

    - `coordinates`: indices of the coordinates, one column for each. All of them if none is given.

    **Raises:** `ValueError`, when it reads, for an index that does not exist.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> spring = nl.systems.HarmonicOscillator(stiffness=4.0)
    >>> now = nl.observation.Instant(spring, jnp.array(0.0), jnp.array([0.5, 1.0]))
    >>> nl.observation.Acceleration(0)(now).tolist()
    [-2.0]
    ```
    """

    coordinates: tuple[int, ...] = eqx.field(static=True)

    def __init__(self, *coordinates: int):
        self.coordinates = coordinates

    def __call__(self, now: Instant) -> Array:
        return picked(now.a, self.coordinates)

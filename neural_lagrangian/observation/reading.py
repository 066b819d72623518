"""The base class of readings: what an ideal sensor would read."""

import abc

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .instant import Instant


class AbstractReading(eqx.Module):
    """Base class of readings: what a sensor without error reads at one instant.

    A new kind of sensor is one formula, `__call__`. Gain, offset, delay and noise are added by `Sensor`.
    """

    @abc.abstractmethod
    def __call__(self, now: Instant) -> Float[Array, " column"]:
        """The reading at the instant `now`, shape `(column,)`."""


def picked(values: Array, coordinates: tuple[int, ...]) -> Array:
    """The entries of the given coordinates; all of them if none is given.

    **Raises:** `ValueError` for an index that does not exist.
    """
    if wrong := [i for i in coordinates if not isinstance(i, int | np.integer) or i not in range(len(values))]:
        raise ValueError(f"coordinate {wrong[0]!r} is unknown; expected an index from 0 to {len(values) - 1}")
    return values[jnp.array(coordinates)] if coordinates else values

"""What an ideal sensor of a channel reads."""

from collections.abc import Callable, Sequence

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array

from ...observation import AbstractReading, Acceleration, Instant, Position, Velocity
from .channels import Channel

READINGS: dict[str, type[Position] | type[Velocity] | type[Acceleration]] = {
    "velocity": Velocity,
    "acceleration": Acceleration,
}
"""What reads the coordinates of each kind of channel, if not their positions."""
FUNCTIONS: dict[str, Callable[[Array], Array]] = {"sine": jnp.sin, "cosine": jnp.cos}
"""Functions of the sum that a kind of channel sees, if not the sum itself."""


class _SumReading(AbstractReading):
    r"""A function of a sum with signs, $f(\sum_i s_i x_i)$, of the columns $x_i$ of another reading.

    **Arguments:**

    - `reading`: what gives the columns, such as `Position(0, 1)`.
    - `signs`: factor of each column.
    - `function`: callable on arrays, such as `jnp.sin`; `None` for the sum itself.
    """

    reading: AbstractReading
    signs: tuple[int, ...] = eqx.field(static=True)
    function: Callable[[Array], Array] | None = eqx.field(static=True, default=None)

    def __call__(self, now: Instant) -> Array:
        values = self.reading(now)
        total = jnp.sum(values * jnp.asarray(self.signs, values.dtype), keepdims=True)
        return total if self.function is None else self.function(total)


def reading_of(channel: Channel, coordinates: Sequence[str]) -> AbstractReading:
    """What an ideal sensor of a channel reads, with `coordinates` in the order of the state."""
    columns = READINGS.get(channel.kind, Position)(*map(coordinates.index, channel.coordinates))
    function = FUNCTIONS.get(channel.kind)
    if len(channel.terms) == 1 and function is None:
        return columns
    return _SumReading(columns, tuple(sign for _, sign in channel.terms), function)

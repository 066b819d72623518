"""Parts of a model that see the motion as a sensor does: late, scaled and shifted."""

import abc
from typing import Any

import equinox as eqx


class AbstractLate(eqx.Module):
    """A part of a model that sees the motion at earlier instants, scaled and shifted, such as a sensor."""

    @property
    @abc.abstractmethod
    def lags(self) -> Any:
        """The quantities that say how much earlier: a pytree of arrays; those that are absent are `None`."""

    @property
    @abc.abstractmethod
    def scales(self) -> Any:
        """The quantities that scale and shift what it sees, likewise."""

"""Parts of a model that see the motion late."""

import abc
from typing import Any

import equinox as eqx


class AbstractLate(eqx.Module):
    """A part of a model that sees the motion at earlier instants, such as a sensor with a delay."""

    @property
    @abc.abstractmethod
    def lags(self) -> Any:
        """The quantities that say how much earlier: a pytree of arrays; those that are absent are `None`."""

"""Observations of trajectories: what sensors recorded, by the name of the channel."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .._checks import is_named
from .errors import NonFiniteError, ShapeError

PREFIX = "observations["
"""Begins the names of observations among the other optional arrays of trajectories."""


def columns_of(observations: Any) -> dict[str, Any]:
    """Observations as optional arrays by name. A channel of one number for each sample becomes one column.

    **Raises:** `ShapeError` if `observations` is not a mapping from names of channels to arrays.
    """
    if observations is None:
        return {}
    if not is_named(observations):
        raise ShapeError(
            f"`observations` is {observations!r:.80}; expected a dictionary from names of channels to arrays, such as "
            f'{{"angle": array of shape (trajectory, time)}}'
        )
    return {f"{PREFIX}{name!r}]": value for name, value in observations.items()}


def named(names: Any, columns: Mapping[str, np.ndarray]) -> dict[str, np.ndarray] | None:
    """The observations among the optional arrays, by the names of their channels."""
    return None if names is None else {name: columns[f"{PREFIX}{name!r}]"] for name in names}


def is_observation(name: str) -> bool:
    """Whether an optional array is an observation, which may have missing values."""
    return name.startswith(PREFIX)


def as_columns(name: str, value: Any, ndim: int) -> Any:
    """An observation with one axis for its columns: `ndim` axes, or one fewer for a channel of one number."""
    if not is_observation(name) or isinstance(value, Sequence) or np.ndim(value) != ndim - 1:
        return value
    return value[..., None]


def check_present(name: str, array: np.ndarray, mask: np.ndarray) -> None:
    """**Raises:** `NonFiniteError` if a column of an observation has no value in any trajectory."""
    empty = np.atleast_1d(~np.isfinite(array[mask]).any(axis=0))
    if empty.any():
        column = f" in column {int(np.argmax(empty))}" if len(empty) > 1 else ""
        raise NonFiniteError(f"`{name}` has no value at all{column}, only NaN; leave this channel out")

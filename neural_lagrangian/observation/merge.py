"""Channels with times of their own, on one clock."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from .._checks import is_named


def merge_channels(
    channels: Mapping[str, tuple[Any, Any]],
) -> tuple[Float[np.ndarray, " time"], dict[str, Float[np.ndarray, "time column"]]]:
    """Put channels with times of their own on one clock, with NaN where a channel has no value.

    **Arguments:**

    - `channels`: for each name, a pair: times in seconds, strictly increasing, shape `(sample,)`, and values, shape
      `(sample,)` or `(sample, column)`. Counts become floating numbers. All times count from the same instant. The
      clock of a sensor may be late or drift: see the arguments `delay` and `drift` of `Sensor`.

    **Returns:** all times, shape `(time,)`, and `observations` for `Trajectories`.

    **Raises:** `ValueError` for times that do not increase, or do not fit the values, and for values that are no
    numbers.

    **Example:**

    ```python
    >>> import numpy as np, neural_lagrangian as nl
    >>> fast, slow = np.array([0.0, 0.1, 0.2]), np.array([0.1, 0.25])
    >>> ts, seen = nl.observation.merge_channels({"encoder": (fast, np.ones(3)), "camera": (slow, np.zeros(2))})
    >>> ts.tolist(), seen["camera"][:, 0].tolist()
    ([0.0, 0.1, 0.2, 0.25], [nan, 0.0, nan, 0.0])
    ```
    """
    if not is_named(channels):
        raise ValueError(f"`channels` is {channels!r:.80}; expected a dictionary such as {{'angle': (ts, values)}}")
    sampled = {name: _pair(name, pair) for name, pair in channels.items()}
    for name, (ts, values) in sampled.items():
        if ts.ndim != 1 or values.ndim not in (1, 2) or len(values) != len(ts):
            raise ValueError(
                f"channel {name!r} has times of shape {ts.shape} and values of shape {values.shape}; expected "
                f"(sample,), and (sample,) or (sample, column)"
            )
        if len(ts) == 0:
            raise ValueError(f"channel {name!r} has no values; leave it out")
        if not (np.diff(ts) > 0).all() or not np.isfinite(ts).all():
            raise ValueError(f"the times of channel {name!r} do not strictly increase; sort them, without repetitions")
    clock = np.unique(np.concatenate([ts for ts, _ in sampled.values()]))
    observations = {}
    for name, (ts, values) in sampled.items():
        columns = values.reshape(len(ts), -1)
        observations[name] = np.full((len(clock), columns.shape[1]), np.nan, columns.dtype)
        observations[name][np.searchsorted(clock, ts)] = columns
    return clock, observations


def _pair(name: str, pair: Any) -> tuple[np.ndarray, np.ndarray]:
    """Times and values of a channel. Counts become floating numbers, since an integer has no NaN."""
    if not isinstance(pair, Sequence) or isinstance(pair, str) or len(pair) != 2:
        raise ValueError(f"channel {name!r} is {pair!r:.80}; expected a pair (ts, values)")
    ts, values = np.asarray(pair[0]), np.asarray(pair[1])
    if ts.dtype.kind not in "iuf" or values.dtype.kind not in "biuf":
        raise ValueError(f"channel {name!r} has the dtypes {ts.dtype} and {values.dtype}; expected real numbers")
    return ts, values if values.dtype.kind == "f" else values.astype(np.float64)

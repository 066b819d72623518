"""Whether the sensors of a model can be learned: windows must show them, and start from other states than they gave."""

import warnings
from typing import Any

import jax
import numpy as np
from jaxtyping import PyTree

from ..networks import AbstractLate
from ..trajectories import Trajectories

MIN_CHANGE_OF_VELOCITY = 0.7
"""Root mean square change of the velocities from the first to the last row of a window, over their standard deviation,
below which a delay is hardly seen: it then shifts the readings of the window by a constant, as another initial state
does. Measured on a pendulum with a delay of 37 ms, after 3000 steps: an error of 0.02 ms at 0.79 and of 3 ms at
0.39.
"""
SAME = 1e-6
"""Relative distance of a recorded state from a linear function of a channel below which the channel gave the state."""


def check_sensors_of(weights: PyTree, trajectories: Trajectories, *, option: str) -> None:
    """Check sensors that are trained over windows that start from recorded states.

    **Arguments:**

    - `weights`: the trained arrays of the model, in its structure.
    - `option`: what estimates the states, for the error.

    **Raises:** `ValueError` if a delay is trained: errors of the states would count as one. So does a gain or an offset
    of a channel from which recorded states were computed: these states have the same gain and offset.
    """
    late = _late_parts(weights)
    if jax.tree.leaves([part.lags for _, part in late]):
        raise ValueError(
            f"`model` has sensors with a trained delay or drift, and windows start from the recorded states, whose "
            f"errors would count as a delay; expected {option}, or known delays, `Frozen(delay)`. "
            f"`observation.calibrate` estimates states and delays in fewer steps"
        )
    for name, part in late:
        if jax.tree.leaves(part.scales) and _gave_a_state(name, trajectories):
            raise ValueError(
                f"the sensor {name!r} of `model` has a trained gain or offset, and windows start from recorded states "
                f"that are its own readings up to scale and shift, so the wrong scale would be that of the motion; "
                f"expected {option}, or a known `Frozen(gain)` and `Frozen(offset)`"
            )


def warn_of_short_windows(weights: PyTree, trajectories: Trajectories, horizon: int, stride: int) -> None:
    """Warn if delays are trained over windows that hardly show them.

    **Arguments:**

    - `weights`: as for `check_sensors_of`. `horizon`, `stride`: of the last stage.
    """
    if not jax.tree.leaves([part.lags for _, part in _late_parts(weights)]):
        return
    change = _change_of_velocity(trajectories, horizon * stride)
    if change < MIN_CHANGE_OF_VELOCITY:
        warnings.warn(
            f"`horizon` is {horizon}, so velocities change by {change:.2g} of their standard deviation in a window, "
            f"and a trained delay is hardly seen; expected windows of a sixth of a period or more in the last stage, "
            f"or known delays, `Frozen(delay)`, until `observation.calibrate` with longer windows finds them",
            stacklevel=3,
        )


def _late_parts(weights: PyTree) -> list[tuple[str, AbstractLate]]:
    """The sensors of a model, by the last name on the way to them."""
    parts = jax.tree_util.tree_leaves_with_path(weights, is_leaf=_is_late)
    return [(str(getattr(path[-1], "key", "")) if path else "", part) for path, part in parts if _is_late(part)]


def _is_late(part: Any) -> bool:
    return isinstance(part, AbstractLate)


def _gave_a_state(name: str, trajectories: Trajectories) -> bool:
    """Whether a component of the recorded states is a linear function of the readings of a channel."""
    seen = (trajectories.observations or {}).get(name)
    if seen is None:
        return False
    z, y = (np.asarray(part[trajectories.mask], np.float64) for part in (seen, trajectories.ys))
    whole = np.isfinite(z).all(axis=1)
    z, y = z[whole], y[whole]
    if len(z) <= z.shape[1] + 1:
        return False
    z, y = z - z.mean(axis=0), y - y.mean(axis=0)
    left = y - z @ np.linalg.lstsq(z, y, rcond=None)[0]
    size = np.sqrt(np.sum(y**2, axis=0))
    return bool(np.any((np.sqrt(np.sum(left**2, axis=0)) < SAME * size) & (size > 0)))


def _change_of_velocity(trajectories: Trajectories, intervals: int) -> float:
    """Root mean square change of the velocities over so many intervals, over their standard deviation, for the velocity
    where it is largest; infinite if there are no velocities, or no windows of this length.
    """
    runs = [y[:, trajectories.dof :] for _, y in trajectories]
    changes = [v[intervals:] - v[:-intervals] for v in runs if len(v) > intervals]
    deviation = np.concatenate(runs).std(axis=0)
    if not changes or not (deviation > 0).all():
        return np.inf
    return float((np.sqrt(np.mean(np.concatenate(changes) ** 2, axis=0)) / deviation).max())

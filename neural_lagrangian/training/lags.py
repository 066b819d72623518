"""Whether `fit` can learn delays: the windows must show them."""

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


def check_lags(weights: PyTree, trajectories: Trajectories, horizon: int, stride: int, *, estimated: bool) -> None:
    """Check that delays, if some are trained, can be learned from these windows; warn if the windows are short.

    **Arguments:**

    - `weights`: the trained arrays of the model, in its structure. `horizon`, `stride`: of the last stage.
    - `estimated`: whether the states are estimated.

    **Raises:** `ValueError` if windows start from recorded states: their errors would count as a delay.
    """
    late = [part for part in jax.tree.leaves(weights, is_leaf=_is_late) if _is_late(part)]
    if not jax.tree.leaves([part.lags for part in late]):
        return
    if not estimated:
        raise ValueError(
            "`model` has sensors with a trained delay or drift, and windows start from the recorded states, whose "
            "errors would count as a delay; expected `rollouts=Rollouts(estimate_states=True)`, or known delays, "
            "`Frozen(delay)`. `observation.calibrate` estimates states and delays in fewer steps"
        )
    change = _change_of_velocity(trajectories, horizon * stride)
    if change < MIN_CHANGE_OF_VELOCITY:
        warnings.warn(
            f"`horizon` is {horizon}, so velocities change by {change:.2g} of their standard deviation in a window, "
            f"and a trained delay is hardly seen; expected windows of a sixth of a period or more in the last stage, "
            f"or known delays, `Frozen(delay)`, until `observation.calibrate` with longer windows finds them",
            stacklevel=3,
        )


def _is_late(part: Any) -> bool:
    return isinstance(part, AbstractLate)


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

"""Recorded motion from several starts on. Predictions are compared with it."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..trajectories import Trajectories, Windows

MAX_STARTS = 50
"""Number of states from which rollouts start, at most."""
PREDICTED_SHARE = 2 / 3
"""Share of a piece that a rollout predicts. Rollouts start in the rest."""


class Starts(NamedTuple):
    """Recorded motion from several starts on: times `(start, time)`, and states."""

    ts: Float[Array, "start time"]
    ys: Float[Array, "start time two_dof"]

    @property
    def times(self) -> np.ndarray:
        """Time since the start in seconds, median over starts, shape `(time,)`."""
        return np.median(np.asarray(self.ts - self.ts[:, :1]), axis=0)


def starts_of(trajectories: Trajectories, stride: int) -> Starts:
    """States spread evenly over the pieces, early enough that most of a piece is left to be predicted."""
    longest = (int(trajectories.lengths.max()) - 1) // stride
    windows = Windows(
        trajectories, max(1, round(PREDICTED_SHARE * longest)), stride=stride, dtype=jnp.result_type(float)
    )
    starts = windows.gather(windows.evenly(MAX_STARTS))
    return Starts(jnp.asarray(starts.ts), jnp.asarray(starts.ys))

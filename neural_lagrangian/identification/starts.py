"""Recorded motion from several start states, to compare predictions with."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..trajectories import Trajectories, Windows

MAX_STARTS = 50
"""Largest number of start states."""
PREDICTED_SHARE = 2 / 3
"""Length of a rollout, as a share of the longest piece. Start states lie in the rest of a piece."""


class Starts(NamedTuple):
    """Recorded motion from several start states: times, and states in SI units."""

    ts: Float[Array, "start time"]
    ys: Float[Array, "start time two_dof"]

    @property
    def times(self) -> np.ndarray:
        """Times since the start in seconds, shape `(time,)`; median over starts, as sampling may be uneven."""
        return np.median(np.asarray(self.ts - self.ts[:, :1]), axis=0)


def starts_of(trajectories: Trajectories, stride: int) -> Starts:
    """Choose start states spread evenly over the pieces, with `PREDICTED_SHARE` of the longest piece after each."""
    longest = (int(trajectories.lengths.max()) - 1) // stride
    windows = Windows(
        trajectories, max(1, round(PREDICTED_SHARE * longest)), stride=stride, dtype=jnp.result_type(float)
    )
    starts = windows.gather(windows.evenly(MAX_STARTS))
    return Starts(jnp.asarray(starts.ts), jnp.asarray(starts.ys))

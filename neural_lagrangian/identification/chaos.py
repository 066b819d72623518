"""Whether a motion is chaotic: the Lyapunov time, from rollouts that other parts of the judgement share."""

from typing import Any

import jax.numpy as jnp
import numpy as np

from .judging import rollouts_of
from .recordings import Measure, Starts

PERIODS = 20
"""Number of periods over which the growth of a disturbance is computed, at least."""
MIN_LOG_GROWTH = 10.0
"""Threshold for chaos: natural logarithm of the growth of a disturbance. In regular motion a disturbance grows in
proportion to time, which gives a logarithm of about 5.
"""
DISTURBANCE, MAX_DISTURBANCE = 1e-3, 0.1
"""Size of the disturbance at the start, well above the tolerances of rollouts, and the size from which on its growth is
not exponential; in spreads of the motion.
"""


def lyapunov_time(model: Any, starts: Starts, measure: Measure) -> float:
    """Time in seconds in which a small disturbance of the model's motion grows by a factor of e, median over starts.

    It is infinite if the motion is not chaotic, as is always so with one degree of freedom. Two rollouts begin at
    neighbouring states; where they have come too far apart, or end, the second is moved back towards the first
    (Benettin et al. 1980). They have the times of `starts`, so they need no program of their own.
    """
    ys = np.asarray(starts.ys, np.float64)
    if ys.shape[2] < 4:
        return np.inf
    units = np.concatenate([measure.spreads, measure.spreads * 2 * np.pi / measure.period])
    y0s, w = ys[:, 0], np.full_like(ys[:, 0], 1 / np.sqrt(ys.shape[2]))
    logarithm, elapsed = np.zeros(len(ys)), np.zeros(len(ys))
    every = np.arange(len(ys))
    while np.median(elapsed) < PERIODS * measure.period:
        first, second = (_rolled(model, starts, states) for states in (y0s, y0s + DISTURBANCE * w * units))
        apart = (second - first) / (DISTURBANCE * units)
        size = np.linalg.norm(apart, axis=2)
        if np.mean(np.isfinite(size[:, -1])) < 0.5:
            return np.inf  # most rollouts fail
        large = ~(size * DISTURBANCE <= MAX_DISTURBANCE)
        large[:, 0], large[:, -1] = False, True
        at = large.argmax(axis=1)
        logarithm += np.log(size[every, at])
        elapsed += starts.times[at]
        y0s, w = first[every, at], apart[every, at] / size[every, at][:, None]
    growth = float(np.nanmedian(logarithm / elapsed)) * PERIODS * measure.period
    return np.inf if not growth >= MIN_LOG_GROWTH else PERIODS * measure.period / growth


def _rolled(model: Any, starts: Starts, y0s: np.ndarray) -> np.ndarray:
    ys = starts.ys.at[:, 0].set(jnp.asarray(y0s, starts.ys.dtype))
    return np.asarray(rollouts_of(model, starts._replace(ys=ys)), np.float64)

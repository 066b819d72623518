"""How large the errors of a model are, compared with the noise of the recording."""

import numpy as np
from jaxtyping import Float

from ..discovery import noise_of
from ..trajectories import Trajectories

ORDER, GAIN = 6, np.sqrt(924.0)
"""Order of the differences that show noise and hardly any motion, and the factor by which they amplify white noise."""
KEPT, KEPT_DEVIATION = 0.95, 0.8711
"""Share of the smallest values that count, and the standard deviation of this part of a normal distribution."""
MAX_UNEVEN = 0.05
"""Largest relative deviation of the intervals of a recording that differences can be taken of."""
MAX_EXPLAINED, MIN_UNEXPLAINED = 1.2, 2.0
"""Errors in units of the noise: up to the first, no model can be much better; from the second on, something is missing.
"""


def noise_level(observed: Trajectories, least: Float[np.ndarray, " dof"]) -> Float[np.ndarray, " dof"]:
    """Standard deviation of the noise of each recorded coordinate, without outliers.

    It is that of the sixth differences, of which the largest are left out. For uneven samples and for smoothed noise it
    is the residual of local polynomials.

    **Arguments:**

    - `observed`: the coordinates as recorded. `least`: the smallest answer, for exact recordings.
    """
    pieces = [(np.asarray(t, np.float64), np.asarray(y, np.float64)) for t, y in observed]
    dof = observed.dof
    noise, smoothed = (part[:dof] for part in noise_of(pieces, np.full(dof, 2 * np.pi)))
    steps = np.concatenate([np.diff(t) for t, _ in pieces])
    long = [np.diff(y[:, :dof], ORDER, axis=0) for _, y in pieces if len(y) > 2 * ORDER]
    if long and np.mean(np.abs(steps / np.median(steps) - 1) > MAX_UNEVEN) < 1 - KEPT:
        noise = np.where(smoothed, noise, trimmed(np.concatenate(long)) / GAIN)
    return np.maximum(noise, least)


def trimmed(values: Float[np.ndarray, "sample channel"]) -> Float[np.ndarray, " channel"]:
    """Standard deviation of normal values with mean zero, from the smaller ones: a few outliers do not count."""
    count = max(1, round(KEPT * len(values)))
    small = np.sort(np.abs(values), axis=0)[:count]
    return np.sqrt(np.mean(small**2, axis=0)) / KEPT_DEVIATION


def rest_of(
    residuals: Float[np.ndarray, "window row dof"],
    counts: Float[np.ndarray, "window row"],
    level: Float[np.ndarray, " dof"],
) -> float:
    """Errors of the coordinates in units of the noise, of the coordinate that is explained worst.

    The initial states of the windows are fitted, so the residuals are a little smaller than the noise.
    """
    some = residuals[counts > 0]
    rows = np.maximum(counts.sum(axis=1), 1).max()
    fitted = np.sqrt(max(1 - 2 / rows, 0.1))
    return float(np.max(trimmed(some) / level / fitted)) if len(some) else np.nan

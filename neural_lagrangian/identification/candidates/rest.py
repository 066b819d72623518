"""How large the errors of a model are, compared with the noise of the recording."""

import numpy as np
from jaxtyping import Bool, Float

from ...discovery import noise_of
from ...numerics import DEVIATION_OF_MEDIAN
from ...trajectories import Trajectories

ORDER, GAIN = 6, np.sqrt(924.0)
"""Order of the differences that show noise and hardly any motion, and the factor by which they amplify white noise."""
KEPT, KEPT_DEVIATION = 0.95, 0.8711
"""Share of the smallest differences that count, and the standard deviation of this part of a normal distribution."""
MAX_UNEVEN = 0.05
"""Largest relative deviation of the intervals of a recording that differences can be taken of."""
MIN_ON_GRID, GRID_TOLERANCE = 0.95, 1e-3
"""A sensor has steps if at least this share of the changes from sample to sample are multiples of the smallest one that
occurs twice, up to this share of it.
"""
NEIGHBOURS, MIN_OUTLIER, MAX_OUTLIERS = 7, 6.0, 0.05
"""An outlier differs from the median of this many neighbours in time by more than this many standard deviations of such
differences. At most this share of the residuals are outliers.
"""
MAX_EXPLAINED, MIN_UNEXPLAINED = 1.2, 1.5
"""Errors in units of the noise, each with two standard errors of its own: up to the first, no model can be much better;
from the second on, something is missing.

Simulated errors of a true model, with white noise and fitted initial states, 400 seeds each; the noise level comes from
seven times as many samples. The share of seeds in which they exceed 1.2, and 1.2 with two standard errors of their own
for so many rows, `sqrt(2 / rows)`:

| rows | one coordinate | with the standard error | three coordinates | with the standard error |
| --- | --- | --- | --- | --- |
| 8 | 21 % | 4 % | 54 % | 11 % |
| 15 | 17 % | 1 % | 43 % | 4 % |
| 30 | 11 % | 1 % | 28 % | 2 % |
| 60 | 6 % | 1 % | 15 % | 0 |
| 126 | 1 % | 0 | 3 % | 0 |
| 504 and more | 0 | 0 | 0 | 0 |

They exceed 1.5 with two standard errors in at most 2.5 % of the seeds with 8 rows, in 0.8 % with 15, and in none with
more. An additional error that grows along windows of 42 rows is noticed in half of the seeds (504 rows) by the first
threshold if it ends at 1.4 noise levels, and by the second one if it ends at 2.1.
"""


def noise_level(observed: Trajectories, least: Float[np.ndarray, " dof"]) -> Float[np.ndarray, " dof"]:
    """Standard deviation of the noise of each recorded coordinate, without outliers.

    It is that of the sixth differences, of which the largest are left out. For uneven samples and for smoothed noise it
    is the residual of local polynomials. A sensor with steps d has at least the noise d / sqrt(12) of its rounding,
    which differences of fast samples do not show: most of them are zero.

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
    rounding = [resolution([y[:, i] for _, y in pieces]) / np.sqrt(12) for i in range(dof)]
    return np.maximum.reduce([noise, rounding, least])


def resolution(runs: list[Float[np.ndarray, " _"]]) -> float:
    """The step of a digital sensor; zero if its readings have none."""
    changes = np.concatenate([np.abs(np.diff(values)) for values in runs])
    rounding = 64 * np.finfo(float).eps * max(np.abs(values).max() for values in runs)
    changes = np.sort(changes[changes > rounding])
    repeated = changes[:-1][np.diff(changes) < GRID_TOLERANCE * changes[:-1]]
    if not len(repeated):
        return 0.0
    multiples = changes / repeated[0]
    on_grid = np.abs(multiples - np.round(multiples)) < GRID_TOLERANCE
    return float(repeated[0]) if np.mean(on_grid) > MIN_ON_GRID else 0.0


def trimmed(values: Float[np.ndarray, "sample channel"]) -> Float[np.ndarray, " channel"]:
    """Standard deviation of normal values with mean zero, from the smaller ones: a few outliers do not count."""
    count = max(1, round(KEPT * len(values)))
    small = np.sort(np.abs(values), axis=0)[:count]
    return np.sqrt(np.mean(small**2, axis=0)) / KEPT_DEVIATION


def outliers(
    residuals: Float[np.ndarray, "window row dof"], level: Float[np.ndarray, " dof"]
) -> Bool[np.ndarray, "window row dof"]:
    """Whether each residual is an outlier: single samples or bursts that no motion has.

    It differs too much from the median of its neighbours in time, or it is as large as that beside such a one. Only the
    largest ones count if there are too many. Errors of a model change slowly, so they are none.
    """
    size, apart = np.abs(residuals), np.abs(residuals - np.median(_neighbours(residuals), axis=-1))
    least = MIN_OUTLIER * np.maximum(DEVIATION_OF_MEDIAN * np.median(apart, axis=(0, 1)), level)
    found = apart > least
    found |= _neighbours(found).any(axis=-1) & (size > least)
    sizes = np.sort(np.where(found, size, 0.0).reshape(-1, size.shape[-1]), axis=0)
    return found & (size > sizes[-1 - int(MAX_OUTLIERS * len(sizes))])


def _neighbours(values: np.ndarray) -> np.ndarray:
    """Each value and those before and after it in its window, mirrored at the ends, along a new last axis."""
    padded = np.pad(values, ((0, 0), (NEIGHBOURS // 2, NEIGHBOURS // 2), (0, 0)), mode="reflect")
    return np.lib.stride_tricks.sliding_window_view(padded, NEIGHBOURS, axis=1)


def rest_of(
    residuals: Float[np.ndarray, "window row dof"],
    counts: Float[np.ndarray, "window row"],
    level: Float[np.ndarray, " dof"],
) -> float:
    """Errors of the coordinates in units of the noise, of the coordinate that is explained worst, without outliers.

    The initial states of the windows are fitted, so the residuals are a little smaller than the noise.
    """
    rows = counts.sum(axis=1)
    if not rows.any():
        return np.nan
    some, used = residuals[rows > 0], counts[rows > 0][..., None] > 0
    used = used & ~outliers(some, level)
    squares = np.sum(np.where(used, some, 0.0) ** 2, axis=(0, 1)) / np.maximum(np.sum(used, axis=(0, 1)), 1)
    fitted = max(1 - 2 / rows.max(), 0.1)
    return float(np.max(np.sqrt(squares / fitted) / level))

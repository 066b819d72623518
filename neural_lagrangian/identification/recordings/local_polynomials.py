"""Positions and velocities from local polynomials, whose window length follows from cross-validation."""

import math
from dataclasses import replace

import numpy as np

from ...trajectories import Trajectories, differentiate, noise_gain, without_velocities

CANDIDATE_WINDOWS = (7, 9, 11, 15, 21, 31, 41, 61, 81, 121)
"""Window lengths, in samples, from which cross-validation chooses."""
MAX_SAMPLES_FOR_WINDOW = 8_000
"""Largest number of samples that cross-validation uses, to bound its run time."""


def window_for(samples: int, window: int) -> int:
    """The longest candidate window, at most `window`, that fits into a run of so many samples."""
    return max(w for w in CANDIDATE_WINDOWS if w <= min(window, samples))


def smoothed_runs(runs: Trajectories, window: int) -> Trajectories:
    """Positions and velocities from local polynomials. Runs shorter than the window get a smaller one."""
    found = [
        differentiate(t, q, window=window_for(len(t), window), gap=math.inf).ys[0]
        for t, q in zip(*without_velocities(runs), strict=True)
    ]
    return replace(runs, ys=padded(found, runs))


def padded(rows: list[np.ndarray], trajectories: Trajectories) -> np.ndarray:
    """Put the rows of each trajectory into one array, zero after their end."""
    ys = np.zeros_like(trajectories.ys)
    for y, row in zip(ys, rows, strict=True):
        y[: len(row)] = row
    return ys


def window_by_cross_validation(ts: list[np.ndarray], qs: list[np.ndarray]) -> int:
    r"""Choose the window length of `differentiate` by leave-one-out cross-validation.

    The error of a fit without sample $i$ is $(q_i - \hat q_i) / (1 - h_i)$, where $h_i$ is the square of the noise gain
    of positions (Allen 1974). The window with the smallest mean square error is chosen. Only runs count that are at
    least half as long as the longest, or long enough for every window.
    """
    enough = min(max(CANDIDATE_WINDOWS), -(-max(map(len, ts)) // 2))
    long = [i for i, t in enumerate(ts) if len(t) >= enough]
    each = max(MAX_SAMPLES_FOR_WINDOW // len(long), max(CANDIDATE_WINDOWS))
    ts, qs = [ts[i][:each] for i in long], [qs[i][:each] for i in long]
    scale = np.concatenate(qs).std(axis=0)
    scale = np.where(scale > 0, scale, 1.0)

    def error(window: int) -> float:
        missed = [
            (q - y[:, : q.shape[1]]) / (1 - noise_gain(t, window=window, gap=math.inf)[:, :1] ** 2) / scale
            for t, q, (_, y) in zip(ts, qs, differentiate(ts, qs, window=window, gap=math.inf), strict=True)
        ]
        return float(np.mean(np.concatenate(missed) ** 2))

    return min((window for window in CANDIDATE_WINDOWS if window <= min(map(len, ts))), key=error)

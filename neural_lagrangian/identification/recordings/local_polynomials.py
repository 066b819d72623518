"""Positions and velocities from local polynomials, whose window length follows from cross-validation."""

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from ...trajectories import Trajectories, differentiate, noise_gain, without_velocities

CANDIDATE_WINDOWS = (7, 9, 11, 15, 21, 31, 41, 61, 81, 121)
"""Window lengths, in samples, from which cross-validation chooses."""
MAX_SAMPLES_FOR_WINDOW = 8_000
"""Largest number of samples that cross-validation uses, to bound its run time."""


def window_for(samples: int, window: int) -> int:
    """The window, or the longest candidate that fits into a run of so many samples."""
    return window if window <= samples else max(w for w in CANDIDATE_WINDOWS if w <= samples)


def smoothed_runs(runs: Trajectories, window: int) -> Trajectories:
    """Positions and velocities from local polynomials. Runs shorter than the window get a smaller one."""
    found = []
    for t, q in zip(*without_velocities(runs), strict=True):
        y = np.empty((len(t), 2 * q.shape[1]))
        for rows, samples in _used(len(t), window):
            y[rows] = differentiate(t[rows], q[rows], window=samples, gap=math.inf).ys[0]
        found.append(y)
    return replace(runs, ys=padded(found, runs))


def gains(t: np.ndarray, window: int) -> np.ndarray:
    """The `noise_gain` of `smoothed_runs` for a run with these times, shape `(time, 3)`."""
    found = np.empty((len(t), 3))
    for rows, samples in _used(len(t), window):
        found[rows] = noise_gain(t[rows], window=samples, gap=math.inf)
    return found


def _used(samples: int, window: int) -> Iterator[tuple[slice, int]]:
    """The rows that are fitted together, and their number in a window. Of a window longer than every candidate, only
    each second sample is used, or each third, ...: its neighbours hardly tell more, since they have the same error.
    """
    window = window_for(samples, window)
    apart = -(-window // max(CANDIDATE_WINDOWS))
    for first in range(apart):
        yield slice(first, None, apart), (window // apart - 1) // 2 * 2 + 1


def padded(rows: list[np.ndarray], trajectories: Trajectories) -> np.ndarray:
    """Put the rows of each trajectory into one array, zero after their end."""
    ys = np.zeros_like(trajectories.ys)
    for y, row in zip(ys, rows, strict=True):
        y[: len(row)] = row
    return ys


def stay_of(qs: list[np.ndarray]) -> int:
    """For how many samples a coordinate usually has the same value: one, unless a sensor has steps. The largest of all
    coordinates. `qs`: shape `(time, dof)` each.
    """
    usual = [1.0]
    for i in range(qs[0].shape[1]):
        changes = [np.flatnonzero(np.diff(q[:, i], prepend=np.nan, append=np.nan) != 0) for q in qs]
        usual.append(float(np.median(np.concatenate([np.diff(at) for at in changes]))))
    return int(max(usual))


def window_by_cross_validation(ts: list[np.ndarray], qs: list[np.ndarray]) -> int:
    r"""Choose the window length of `differentiate` by leave-one-out cross-validation.

    The error of a fit without sample $i$ is $(q_i - \hat q_i) / (1 - h_i)$, where $h_i$ is the square of the noise gain
    of positions (Allen 1974). The window with the smallest mean square error is chosen. Only runs count that are at
    least half as long as the longest, or long enough for every window.

    The errors of samples must not depend on each other, but those of a sensor with steps do: if samples are fast, it
    shows each value several times. One sample in so many is then used, and the window is as many times longer.
    """
    stay = stay_of(qs)
    if stay > 1 and min(len(t) for t in ts) // stay >= CANDIDATE_WINDOWS[0]:
        return window_by_cross_validation([t[::stay] for t in ts], [q[::stay] for q in qs]) * stay // 2 * 2 + 1
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

"""Detection of gaps in recordings, and of the runs between them."""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

GAP_FACTOR = 7.0
"""An interval is a gap if it is longer than this factor (no unit) times the usual interval around it.

Six lost samples in a row are not a gap. Turning points of a sensor that records every step of a coordinate are not gaps
either: their intervals are at most 6.4 times the usual one.
"""
NEIGHBOURS = (15, 61)
"""Numbers of neighbouring intervals that define the usual interval. The smaller number follows changes of the sampling
rate. The larger number avoids false gaps in random sampling. The larger of the two usual intervals counts.
"""
USUAL_QUANTILE = 0.75
"""Quantile of the neighbouring intervals that is the usual interval. Up to a quarter of them may be gaps."""
MIN_INTERVALS = 4
"""Minimum number of intervals of a trajectory for the detection of gaps. Shorter ones have gaps only by `gap`."""
MAX_INTERVALS = 1 << 20
"""Number of intervals handled in one block, to limit memory."""


class Runs(NamedTuple):
    """The runs (parts of trajectories without gaps), in the order of the trajectories.

    - `trajectory`, `first`, `length`: trajectory, first sample and number of samples of each run, shape `(run,)`.
    """

    trajectory: np.ndarray
    first: np.ndarray
    length: np.ndarray

    def slices(self) -> Iterator[tuple[int, slice]]:
        """Iterate over the runs: trajectory and slice of samples of each."""
        for i, first, length in zip(*(part.tolist() for part in self), strict=True):
            yield i, slice(first, first + length)


def check_gap(gap: float | None) -> None:
    """Raise `ValueError` if `gap` is not a positive time or None."""
    if gap is not None and not gap > 0:
        raise ValueError(f"`gap` is {gap!r}; expected a positive time in seconds, `math.inf` for no gaps, or `None`")


def runs_of(ts: np.ndarray, lengths: np.ndarray, gap: float | None = None) -> Runs:
    """Find the runs between gaps.

    **Arguments:**

    - `ts`: times, shape `(trajectory, time)`.
    - `lengths`: number of samples of each trajectory, shape `(trajectory,)`.
    - `gap`: longest interval inside a run, in seconds. `None`: `GAP_FACTOR` times the usual interval around it.
    """
    lengths = np.asarray(lengths)
    shared = len(ts) > 1 and ts.strides[0] == 0 and bool((lengths == lengths[0]).all())  # one clock for all
    trajectory, before = _gaps(ts[:1], lengths[:1], gap) if shared else _gaps(ts, lengths, gap)
    if shared:
        trajectory, before = np.repeat(np.arange(len(ts)), len(before)), np.tile(before, len(ts))
    owner = np.concatenate([np.arange(len(ts)), trajectory])
    first = np.concatenate([np.zeros(len(ts), int), before + 1])
    order = np.lexsort((first, owner))
    owner, first = owner[order], first[order]
    ends = np.where(np.append(owner[1:] != owner[:-1], True), lengths[owner], np.append(first[1:], 0))
    return Runs(owner, first, ends - first)


def _gaps(ts: np.ndarray, lengths: np.ndarray, gap: float | None) -> tuple[np.ndarray, np.ndarray]:
    """For each gap: the trajectory and the sample before the gap, in order."""
    if gap is not None and math.isinf(gap):
        return np.zeros(0, int), np.zeros(0, int)
    found = []
    for rows, columns in _blocks(ts.shape):
        steps = np.diff(ts[rows, columns.start : columns.stop + 1], axis=1)
        inside = np.arange(columns.start, columns.start + steps.shape[1]) + 1 < lengths[rows, None]
        wrong = inside & (steps > (GAP_FACTOR * _shortest(steps, inside) if gap is None else gap))
        i, k = np.nonzero(wrong)
        found.append((i + rows.start) * ts.shape[1] + k + columns.start)
    trajectory, before = np.divmod(np.unique(np.concatenate([np.zeros(0, int), *found])), ts.shape[1])
    if gap is not None or not len(before):
        return trajectory, before
    for neighbours in NEIGHBOURS:
        some = MAX_INTERVALS // neighbours
        parts = (slice(start, start + some) for start in range(0, len(before), some))
        kept = [_exceeds(ts, lengths, trajectory[part], before[part], neighbours) for part in parts]
        kept = np.concatenate([np.zeros(0, bool), *kept])
        trajectory, before = trajectory[kept], before[kept]
    return trajectory, before


def _blocks(shape: tuple[int, ...]) -> Iterator[tuple[slice, slice]]:
    """Blocks of trajectories and intervals. Neighbouring blocks overlap by the number of neighbours."""
    count, intervals = shape[0], shape[1] - 1
    together = max(1, MAX_INTERVALS // max(1, intervals))
    for first in range(0, count, together):
        for start in range(0, max(intervals, 0), MAX_INTERVALS):
            stop = min(start + MAX_INTERVALS + max(NEIGHBOURS), intervals)
            yield slice(first, min(first + together, count)), slice(max(0, start - max(NEIGHBOURS)), stop)


def _shortest(steps: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """The shortest interval near each interval. The usual one is not shorter, so this is a fast test for candidates."""
    from scipy.ndimage import minimum_filter1d  # imported here to keep the import of the package fast

    return minimum_filter1d(np.where(inside, steps, np.inf), 2 * max(NEIGHBOURS) - 1, axis=1, mode="nearest")


def _exceeds(
    ts: np.ndarray, lengths: np.ndarray, trajectory: np.ndarray, before: np.ndarray, neighbours: int
) -> np.ndarray:
    """Which of these intervals are gaps, compared with the usual interval of their neighbours."""
    intervals = lengths[trajectory] - 1
    width = np.minimum(neighbours, intervals)
    start = np.clip(before - neighbours // 2, 0, intervals - width)
    index = start[:, None] + np.arange(neighbours)
    near = index < (start + width)[:, None]
    index = np.where(near, index, 0)
    steps = np.where(near, ts[trajectory[:, None], index + 1] - ts[trajectory[:, None], index], np.inf)
    usual = np.sort(steps, axis=1)[np.arange(len(steps)), (USUAL_QUANTILE * (width - 1)).astype(int)]
    steps = ts[trajectory, before + 1] - ts[trajectory, before]
    return (steps > GAP_FACTOR * usual) & (intervals >= MIN_INTERVALS)

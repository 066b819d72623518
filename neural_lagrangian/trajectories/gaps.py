"""Gaps in recordings: the one place that decides which intervals are gaps and where the runs between them lie."""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

GAP_FACTOR = 7.0
"""An interval is a gap if it is this many times longer than the usual interval around it.

Six lost samples in a row are no gap. Neither are the turning points of a sensor that records every step of a
coordinate, whose intervals are at most 6.4 times the usual one.
"""
NEIGHBOURS = (15, 61)
"""Intervals among which the usual one is looked for: few, so that a recording may change its rate; and more, so that
intervals at random are not taken for gaps. The larger of the two answers holds.
"""
USUAL_QUANTILE = 0.75
"""The usual interval is this quantile of its neighbours: up to a quarter of them may be gaps themselves."""
MIN_INTERVALS = 4
"""Fewer intervals in a trajectory do not tell which interval is usual: it has no gaps unless `gap` says so."""
MAX_INTERVALS = 1 << 20
"""Intervals handled at a time."""


class Runs(NamedTuple):
    """Stretches of trajectories without gaps, in the order of the trajectories.

    `trajectory`, `first`, `length`: the trajectory of each run, its first sample and its number of samples, shape
    `(run,)` each.
    """

    trajectory: np.ndarray
    first: np.ndarray
    length: np.ndarray

    def slices(self) -> Iterator[tuple[int, slice]]:
        """The trajectory and the samples of each run."""
        for i, first, length in zip(*(part.tolist() for part in self), strict=True):
            yield i, slice(first, first + length)


def check_gap(gap: float | None) -> None:
    """Refuse what is no length of time.

    **Raises:** `ValueError`.
    """
    if gap is not None and not gap > 0:
        raise ValueError(f"`gap` is {gap!r}; expected a positive time in seconds, `math.inf` for none, or `None`")


def runs_of(ts: np.ndarray, lengths: np.ndarray, gap: float | None = None) -> Runs:
    """The runs between gaps.

    **Arguments:**

    - `ts`: times, shape `(trajectory, time)`.
    - `lengths`: samples of each trajectory, shape `(trajectory,)`.
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
    """Trajectory and sample after which there is a gap, for each gap, in their order."""
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
    """Trajectories and intervals in blocks that overlap by what the neighbours of an interval reach."""
    count, intervals = shape[0], shape[1] - 1
    together = max(1, MAX_INTERVALS // max(1, intervals))
    for first in range(0, count, together):
        for start in range(0, max(intervals, 0), MAX_INTERVALS):
            stop = min(start + MAX_INTERVALS + max(NEIGHBOURS), intervals)
            yield slice(first, min(first + together, count)), slice(max(0, start - max(NEIGHBOURS)), stop)


def _shortest(steps: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """The shortest interval near each: no usual interval is shorter, so this finds all candidates quickly."""
    from scipy.ndimage import minimum_filter1d  # here: importing the package is quick

    return minimum_filter1d(np.where(inside, steps, np.inf), 2 * max(NEIGHBOURS) - 1, axis=1, mode="nearest")


def _exceeds(
    ts: np.ndarray, lengths: np.ndarray, trajectory: np.ndarray, before: np.ndarray, neighbours: int
) -> np.ndarray:
    """Which of these intervals are gaps beside the usual one of their neighbours."""
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

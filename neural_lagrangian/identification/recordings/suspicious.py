"""Find samples that look wrong, and coordinates from which nothing can be learned."""

from collections.abc import Sequence

import numpy as np
from scipy.ndimage import maximum_filter1d

from ...numerics import DEVIATION_OF_MEDIAN
from ...trajectories import Trajectories, differentiate, noise_gain
from ..remark import Remark, counted
from .angles import lost_turns
from .columns import Columns
from .recording import Recording

SPIKE_FACTOR, MIN_SPIKE = 10.0, 0.05
"""Thresholds for a spike: its distance from a local polynomial, as a multiple of the usual distance and as a share of
the coordinate's spread. A spike exceeds both.
"""
MIN_STILL_SAMPLES = 10
"""Number of equal samples in a row from which a sensor is probably stuck."""
PLAUSIBLE_INTERVALS = 1e-6, 1e3
"""Seconds from sample to sample that need no unit of time to be believed."""
SPIKE_WINDOW = 7
"""Number of samples of the local polynomial that finds spikes."""


def sampling_summary(trajectories: Trajectories) -> str:
    """Number of samples, duration, sampling interval and gaps, as text."""
    split = trajectories.split_at_gaps()
    lengths, ts = trajectories.lengths, [t for t, _ in split]
    count = f"{len(lengths)} trajectories of {lengths.min()}" if len(lengths) > 1 else f"{lengths.min()}"
    upto = f" to {lengths.max()}" if lengths.max() > lengths.min() else ""
    gaps = len(split) - len(trajectories)
    steps = np.concatenate([np.diff(t) for t in ts])
    even = np.ptp(steps) < 1e-3 * steps.mean()
    apart = f"{np.median(steps):.4g} s apart" if even else f"{steps.min():.3g} to {steps.max():.3g} s apart"
    return f"{count}{upto} samples, {sum(t[-1] - t[0] for t in ts):.4g} s in all, {apart}{_gaps(gaps)}"


def _gaps(count: int) -> str:
    return f", {count} gap{'s' * (count > 1)}" if count else ""


def refusals(recording: Recording, columns: Columns, open: Sequence[str] = ()) -> list[Remark]:
    """Remarks on coordinates from which nothing can be learned: they never change, or jump by a turn and are no angles.

    **Arguments:** `open`: coordinates that may be angles.
    """
    motion = recording.trajectories
    found = [
        Remark(f"column {name!r} never changes; record motion in which it does, or leave the column out")
        for name, values in zip(columns.coordinates, motion.ys[motion.mask].T, strict=False)
        if not np.ptp(values) > 0
    ]
    return [*found, *lost_turns(recording.recorded, columns, open)]


def suspicious(trajectories: Trajectories, columns: Columns) -> list[Remark]:
    """Remarks on suspicious samples: how many of each kind in each column, and where the first one is."""
    found = implausible_times(trajectories, columns) + gaps(trajectories, columns)
    trajectories = trajectories.split_at_gaps()
    places = list(trajectories)
    found += lost_turns(trajectories, columns)
    for i, name in enumerate(columns.coordinates):
        qs = [y[:, i] for _, y in places]
        spread = np.concatenate(qs).std()
        if spread == 0:
            found.append(Remark(f"{name}: never changes"))
            continue
        still = [_in_a_row(np.diff(q) == 0, MIN_STILL_SAMPLES) for q in qs]
        found += counted(
            Remark(f"{name}: the same value {MIN_STILL_SAMPLES} times in a row or more"), still, trajectories
        )
        spikes = _spikes([t for t, _ in places], qs, spread)
        found += counted(Remark(f"{name}: samples far from their neighbours"), spikes, trajectories)
    return found


def implausible_times(trajectories: Trajectories, columns: Columns) -> list[Remark]:
    """A remark on times without a unit that are hardly in seconds."""
    step = float(np.median(np.concatenate([np.diff(t) for t, _ in trajectories])))
    if columns.time in columns.units or PLAUSIBLE_INTERVALS[0] <= step <= PLAUSIBLE_INTERVALS[1]:
        return []
    guess = {"units": {columns.time: "ns" if step > PLAUSIBLE_INTERVALS[1] else "d"}}
    return [Remark(f"{columns.time}: samples are {step:.3g} s apart; give the unit of time, such as (", guess, ")")]


def gaps(trajectories: Trajectories, columns: Columns) -> list[Remark]:
    """A remark on the gaps: their number, the first one and the longest one."""
    runs = trajectories.runs()
    after = np.flatnonzero(runs.first > 0)
    if not len(after):
        return []
    i, first = runs.trajectory[after], runs.first[after]
    start, length = trajectories.ts[i, first - 1], trajectories.ts[i, first] - trajectories.ts[i, first - 1]
    where = f" of trajectory {i[0]}" if len(trajectories) > 1 else ""
    line = f"{columns.time}: {len(after)} gap{'s' * (len(after) > 1)}, the first of {length[0]:.4g} s after"
    most = f", the longest of {length.max():.4g} s" if len(after) > 1 else ""
    across = "no window crosses " + ("them" if len(after) > 1 else "it")
    return [Remark(f"{line} {start[0]:.6g} s{where}{most}; {across}")]


def _in_a_row(same: np.ndarray, count: int) -> np.ndarray:
    """Where `count` equal samples in a row begin. `same[i]`: whether sample `i + 1` equals sample `i`."""
    if len(same) < count:
        return np.zeros(len(same), bool)
    return np.asarray(np.all(np.lib.stride_tricks.sliding_window_view(same, count - 1), axis=1))


def _spikes(ts: list[np.ndarray], qs: list[np.ndarray], spread: float) -> list[np.ndarray]:
    """Mark samples far from a local polynomial. Distances are divided by the share of noise that the fit leaves."""
    missed = [np.zeros(len(q)) for q in qs]
    for rows, t, q in zip(missed, ts, qs, strict=True):
        if len(t) >= SPIKE_WINDOW:
            smooth = differentiate(t, q[:, None], window=SPIKE_WINDOW).ys[0, :, 0]
            rows[:] = np.abs(q - smooth) / np.sqrt(1 - noise_gain(t, window=SPIKE_WINDOW)[:, 0] ** 2)
    usual = DEVIATION_OF_MEDIAN * np.median(np.concatenate(missed))
    least = max(SPIKE_FACTOR * usual, MIN_SPIKE * spread)
    # A spike also spoils the fits of its neighbours, so only the largest distance nearby counts.
    return [(rows > least) & (rows == maximum_filter1d(rows, SPIKE_WINDOW)) for rows in missed]

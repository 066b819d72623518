"""Leave out the time in which nothing moves: a hand may hold the system, and no equation of motion describes a hand."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from ...trajectories import Trajectories
from ..remark import Remark
from .pieces import rows_where, taken

MIN_REST, MIN_SAMPLES = 3.0, 16
"""Shortest rest, in sixths of a period and in samples."""
LAGS = 1.25
"""Factor between the times after which changes are compared."""
BLOCKS, MAX_RATIO = 4, 8.0
"""Number of blocks of a window, and largest variance of their means over that of means of the noise of the samples.

At rest this ratio exceeds 8 in about one window of a thousand. Around a turning point it is at least 20.
"""
STILL = 1e-3
"""A window in which a coordinate deviates by less than this share of its spread is at rest too."""


class Rest(NamedTuple):
    """A run at rest from `begin` to `end`, in seconds. `trajectory`: index of the run."""

    trajectory: int
    begin: float
    end: float


def without_rests(runs: Trajectories, periodic: Sequence[int], shortest: int) -> tuple[Trajectories, list[Rest]]:
    """Runs of motion, and the rests between, before and after them. Runs shorter than `shortest` are left out.

    Rests of driven motion stay: they show the equilibrium with the controls. So do those of a motion that is nearly
    always at rest.
    """
    if runs.controls is not None:
        return runs, []
    least = MIN_REST * sixth_of_a_period(runs, periodic)
    spread = np.concatenate([y[:, : runs.dof] for _, y in runs]).std(axis=0)
    parts, rests = [], []
    for i, (t, y) in enumerate(runs):
        at_rest = still(np.asarray(t, np.float64), np.asarray(y[:, : runs.dof], np.float64), STILL * spread, least)
        rests += [Rest(i, float(t[rows[0]]), float(t[rows[-1]])) for rows in rows_where(at_rest)]
        parts += [(i, rows) for rows in rows_where(~at_rest) if len(rows) >= shortest]
    moving = sum(float(runs.ts[i, rows[-1]] - runs.ts[i, rows[0]]) for i, rows in parts)
    return (taken(runs, parts), rests) if rests and moving > 2 * least else (runs, [])


def sixth_of_a_period(runs: Trajectories, periodic: Sequence[int]) -> float:
    r"""The time after which a coordinate has changed by as much as it varies, if it oscillates a sixth of a period.

    It is the smallest $\tau$ at which the mean of $(q(t + \tau) - q(t))^2$ is the variance of $q$, both without noise.
    Of an angle, $q$ is the point on the circle. The fastest coordinate counts. It is infinite if none changes as much.
    """
    motion, found = [np.asarray(y[:, : runs.dof], np.float64) for _, y in runs], [np.inf]
    step = float(np.median(np.concatenate([np.diff(t) for t, _ in runs])))
    most = max(map(len, motion))
    lags = np.unique((LAGS ** np.arange(np.log(most) / np.log(LAGS))).astype(int))
    for i in range(runs.dof):
        points = [np.exp(1j * q[:, i]) if i in periodic else q[:, i] for q in motion]
        changes = [
            np.mean(np.concatenate([np.abs(x[lag:] - x[:-lag]) ** 2 for x in points if len(x) > lag])) for lag in lags
        ]
        enough = np.array(changes) >= np.var(np.concatenate(points)) + changes[0] / 2
        found.append(step * float(lags[np.argmax(enough)]) if enough.any() else np.inf)
    return min(found)


def still(
    t: Float[np.ndarray, " time"], q: Float[np.ndarray, "time dof"], least: Float[np.ndarray, " dof"], duration: float
) -> Bool[np.ndarray, " time"]:
    """Whether each sample is in a window of this duration in which no coordinate moves.

    The means of the blocks of a window then differ by the noise of the samples only, whose variance is half the mean
    square of the differences of neighbours (von Neumann 1941).
    """
    found = np.zeros(len(t), bool)
    if len(t) < MIN_SAMPLES or not (t[-1] - t[0]) > duration:
        return found
    size = BLOCKS * max(MIN_SAMPLES // BLOCKS, round(duration / np.median(np.diff(t)) / BLOCKS))
    apart = size // (2 * BLOCKS)
    windows = np.lib.stride_tricks.sliding_window_view(q, size, axis=0)[::apart]
    means = windows.reshape(*windows.shape[:2], BLOCKS, size // BLOCKS).mean(axis=3)
    noise = np.mean(np.diff(windows, axis=2) ** 2, axis=2) / 2
    quiet = means.var(axis=2, ddof=1) * (size // BLOCKS) <= MAX_RATIO * noise
    for k in np.flatnonzero((quiet | (windows.std(axis=2) <= least)).all(axis=1)):
        found[max(0, k - 1) * apart : (k + 1) * apart + size] = True
    return found


def rest_remarks(rests: Sequence[Rest], name: str, several: bool) -> list[Remark]:
    """A remark on the rests that are left out. `name`: of the time. `several`: whether there are several runs."""
    if not rests:
        return []
    first = f"from {rests[0].begin:.4g} to {rests[0].end:.4g} s{f' of run {rests[0].trajectory}' * several}"
    if len(rests) > 1:
        first = f"in {len(rests)} places, {sum(one.end - one.begin for one in rests):.4g} s in all, the first {first}"
    return [Remark(f"{name}: at rest {first}; left out, since something may hold the system there")]

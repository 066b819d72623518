"""Recorded velocities: how late they are, and better states from velocities and coordinates together."""

import math
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from scipy.interpolate import CubicSpline

from ...discovery import noise_of
from ...trajectories import Trajectories
from ..remark import Remark
from .columns import Columns
from .local_polynomials import CANDIDATE_WINDOWS, gains, padded, smoothed_runs
from .pieces import signals_in

MAX_LAG, MIN_LAG = 0.5, 1e-3
"""Largest delay that is believed, and smallest that is corrected, in natural units of time (a period is 6.3)."""
MIN_SIGNIFICANCE = 5.0
"""A delay is corrected if it exceeds this many standard errors."""
STEPS = 6
"""Gauss-Newton steps of the estimate."""
MAX_SAMPLES = 5000
"""Number of samples from which the noise of velocities is estimated, to bound the run time."""
MAX_NOISE_SHARE = 0.8
"""Largest share of the noise of coordinates in a difference from which the noise of velocities is taken."""
MIN_DIFFERENCE = 0.05
"""Least relative difference of variances that tells one window from another."""
MIN_LEFT = 1e-3
"""Least share of its noise that a polynomial leaves, which bounds how much the ends of a run count."""
BLOCK_DURATION = 6.3
"""Length of the blocks that count as independent, in natural units of time."""


class Lag(NamedTuple):
    """How late each recorded velocity is, in seconds, and the standard error; shape `(dof,)`."""

    seconds: np.ndarray
    error: np.ndarray


def late_velocities(lag: Lag, columns: Columns) -> list[Remark]:
    """A remark on each recorded velocity whose delay was corrected."""
    remarks = []
    for i in np.flatnonzero(lag.seconds):
        late, error = 1e3 * lag.seconds[i], 1e3 * lag.error[i]
        how = f"{abs(late):.3g} ms (± {error:.1g}) {'late' if late > 0 else 'early'}"
        beside = f"compared with the rate of change of {columns.coordinates[i]}"
        remarks.append(Remark(f"{columns.velocities[i]} is {how}, {beside}: corrected"))
    return remarks


def lag_of(recorded: Trajectories, smooth: Trajectories, window: int, time: float) -> Lag:
    r"""Estimate the delay $\tau$ for which $v(t + \tau)$ is closest to the derivative of the coordinates at $t$.

    **Arguments:**

    - `recorded`: coordinates and velocities as recorded. `smooth`: the derivatives of local polynomials of `window`
      samples through the same coordinates. These polynomials are symmetric, so they do not delay.
    - `time`: the natural unit of time, in seconds.

    **Returns:** the delays that are significant, else zero.
    """
    dof, inner = recorded.dof, window // 2
    runs = [
        (t, y[:, dof:], d[:, dof:]) for (t, y), (_, d) in zip(recorded, smooth, strict=True) if len(t) > 4 * inner + 4
    ]
    found = np.zeros((2, dof))
    for i in range(dof if runs else 0):
        pairs = [(t[inner:-inner], v[inner:-inner, i], CubicSpline(t, d[:, i])) for t, v, d in runs]
        lag, error = _shift(pairs, BLOCK_DURATION * time, MAX_LAG * time)
        if abs(lag) > max(MIN_SIGNIFICANCE * error, MIN_LAG * time):
            found[:, i] = lag, error
    return Lag(*found)


def _shift(runs: list[tuple[np.ndarray, np.ndarray, CubicSpline]], block: float, most: float) -> tuple[float, float]:
    """The delay of one velocity behind smooth ones, and its standard error; zero if it does not stay below `most`.

    The smooth velocities are shifted, not the recorded ones: interpolation between noisy samples would reduce noise.
    """
    lag, squares, scores = 0.0, 0.0, [0.0]
    for _ in range(STEPS):
        squares, scores = 0.0, []
        for t, v, smooth in runs:
            early = np.clip(t - lag, smooth.x[0], smooth.x[-1])
            slope = smooth(early, 1)
            squares += np.sum(slope**2)
            scores += np.bincount(((t - t[0]) / block).astype(int), slope * (smooth(early) - v)).tolist()
        if not squares > 0:
            return 0.0, np.inf
        lag += sum(scores) / squares
        if not abs(lag) < most:
            return 0.0, np.inf
    return float(lag), float(np.sqrt(np.sum(np.square(scores))) / squares)


def without_lag(motion: Trajectories, lag: Lag) -> Trajectories:
    """The motion with each velocity at the time of its coordinates. Rows without a velocity are left out."""
    if not lag.seconds.any():
        return motion
    dof, pairs, rows = motion.dof, [], []
    for t, y in motion:
        begin, end = t[0] - min(lag.seconds.min(), 0.0), t[-1] - max(lag.seconds.max(), 0.0)
        kept = (t >= begin) & (t <= end)
        rows.append(np.flatnonzero(kept))
        v = [CubicSpline(t, y[:, dof + i])(t[kept] + lag.seconds[i]) for i in range(dof)]
        pairs.append((t[kept], np.concatenate([y[kept, :dof], np.stack(v, axis=1)], axis=1)))
    ts, ys = zip(*pairs, strict=True)
    same: dict[str, Any] = {"names": motion.names, "parameters": motion.parameters, "gap": motion.gap}
    return Trajectories(list(ts), list(ys), **same, **signals_in(motion, rows))


def combined(recorded: Trajectories, window: int, time: float) -> tuple[Trajectories, int] | None:
    r"""States from recorded velocities and local polynomials, each weighted by its noise; `None` if there is no noise.

    The noise of recorded velocities and the errors of the polynomials are independent, so the mean square difference is
    the sum of both variances. The window of the smallest difference is taken for the velocities, or one as good
    that is closer to `window`. In shorter windows the
    polynomials have no error but noise, which follows from the noise of the coordinates. What is left over is the noise
    of the recorded velocities.

    **Arguments:**

    - `recorded`: as recorded, without delay. `window`: samples of the polynomials that smooth the coordinates.
    - `time`: the natural unit of time, in seconds.

    **Returns:** the states and the window of the velocities.
    """
    dof = recorded.dof
    noise, _ = noise_of(list(recorded), np.full(dof, 2 * np.pi * time))
    if not noise[dof:].any():
        return None
    some = _some(recorded)
    smooth, gains = _smooth(some, window)
    missed = np.concatenate([y - s for (_, y), (_, s) in zip(some, smooth, strict=True)])[:, :dof]
    of_q = np.mean(missed**2 / np.maximum(1 - gains[:, :1] ** 2, MIN_LEFT), axis=0)
    apart, rest = {}, []
    for candidate in (w for w in CANDIDATE_WINDOWS if w <= some.lengths.min()):
        smooth, gains = _smooth(some, candidate)
        missed = np.concatenate([y - s for (_, y), (_, s) in zip(some, smooth, strict=True)])[:, dof:]
        apart[candidate] = np.mean(missed**2, axis=0)
        of_d = np.mean(gains[:, 1:2] ** 2, axis=0) * of_q
        rest.append(np.where(of_d < MAX_NOISE_SHARE * apart[candidate], apart[candidate] - of_d, np.inf))
    size = {candidate: float(np.mean(np.log(squares + 1e-300))) for candidate, squares in apart.items()}
    good = [candidate for candidate in apart if size[candidate] < min(size.values()) + MIN_DIFFERENCE]
    best = min(good, key=lambda candidate: abs(np.log(candidate / window)))
    of_v = np.clip(np.min(rest, axis=0), MIN_LEFT * apart[best], apart[best])
    share = np.where(noise[dof:] > 0, of_v / apart[best], 0.0)  # of the polynomials, whose variance is the rest
    ys = []
    of_positions, of_velocities = smoothed_runs(recorded, window), smoothed_runs(recorded, best)
    for (_, y), (_, s), (_, d) in zip(recorded, of_positions, of_velocities, strict=True):
        v = share * d[:, dof:] + (1 - share) * y[:, dof:]
        ys.append(np.concatenate([s[:, :dof], v], axis=1))
    return replace(recorded, ys=padded(ys, recorded)), best


def _some(motion: Trajectories) -> Trajectories:
    """The first samples of each trajectory, about `MAX_SAMPLES` in all."""
    each = max(MAX_SAMPLES // len(motion), CANDIDATE_WINDOWS[-1])
    return Trajectories([t[:each] for t, _ in motion], [y[:each] for _, y in motion], gap=math.inf)


def _smooth(motion: Trajectories, window: int) -> tuple[Trajectories, np.ndarray]:
    """States from local polynomials, and their noise gains, shape `(sample, 3)`."""
    return smoothed_runs(motion, window), np.concatenate([gains(t, window) for t, _ in motion])

"""Read a recording as trajectories: remove jumps of angles, and estimate velocities that were not recorded."""

import math
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..trajectories import (
    Trajectories,
    continuous,
    differentiate,
    noise_gain,
    read_trajectories,
    without_velocities,
)
from .columns import Columns
from .declared import check_suffix
from .faults import NoAnswerError
from .remark import Remark

WRITTEN_SUFFIXES = (".csv", ".npz", ".parquet", ".h5", ".hdf5")
"""Suffixes of files that can be written."""
CANDIDATE_WINDOWS = (7, 9, 11, 15, 21, 31, 41, 61, 81, 121)
"""Window lengths, in samples, from which cross-validation chooses."""
MAX_SAMPLES_FOR_WINDOW = 20_000
"""Largest number of samples that cross-validation uses, to bound its run time."""
MAX_RATE_FACTOR, MAX_SHAPE_ERROR = 1.25, 0.5
"""Largest factor, and largest relative error after it is divided out, between a coordinate and its integrated velocity.
Noise stays below both; degrees in place of radians do not.
"""


class Recording(NamedTuple):
    """Motion in SI units. Angles have no jumps by a turn.

    `recorded`: the motion as in the file, with its gaps. `trajectories`: one run between two gaps each. If velocities
    were not recorded, local polynomials of `window` samples estimate them and smooth the positions of `trajectories`;
    `observed` has the positions as recorded. Otherwise `window` is `None`, and `observed` is `trajectories`.
    """

    recorded: Trajectories
    trajectories: Trajectories
    observed: Trajectories
    window: int | None


def read_recording(path: Path, columns: Columns) -> Recording:
    """Read the motion in a file.

    **Raises:** the errors of `read_trajectories`; `NoAnswerError` if a trajectory is too short to estimate velocities.
    """
    check_suffix(path)
    recorded = read_trajectories(
        path,
        positions=list(columns.coordinates),
        velocities=list(columns.velocities) or None,
        time=columns.time,
        trajectory=columns.trajectory,
        units=columns.units,
        gap=math.inf,  # gaps are reported first, and the recording is split later
        estimate=partial(differentiate, window=3, degree=2),  # the smallest window leaves the positions as they are
    )
    return recording_of(str(path), recorded, columns)


def recording_of(name: str, recorded: Trajectories, columns: Columns) -> Recording:
    """Prepare motion in memory. Its velocities are used only if `columns` names them.

    **Arguments:**

    - `name`: name of the recording, for the error.

    **Raises:** `NoAnswerError` if a trajectory is too short to estimate velocities.
    """
    recorded = _continuous(replace(recorded, gap=columns.gap), columns)
    runs = recorded.split_at_gaps()
    if columns.velocities:
        return Recording(recorded, runs, runs, None)
    longest = np.zeros(len(recorded), int)
    np.maximum.at(longest, recorded.runs().trajectory, runs.lengths)
    if (shortest := longest.min()) < CANDIDATE_WINDOWS[0]:
        between = " between gaps" * (len(runs) > len(recorded))
        least = CANDIDATE_WINDOWS[0]
        few = f"a trajectory has {shortest} samples{between}; expected at least {least} to estimate velocities"
        raise NoAnswerError(f"{name}: {few}")
    runs = runs.select(runs.lengths >= CANDIDATE_WINDOWS[0])
    ts, qs = without_velocities(runs)
    window = window_by_cross_validation(ts, qs)
    smooth = _smoothed(runs, window)
    observed = [np.concatenate([q, y[:, columns.dof :]], axis=1) for q, (_, y) in zip(qs, smooth, strict=True)]
    return Recording(recorded, smooth, replace(smooth, ys=_padded(observed, smooth)), window)


def _smoothed(runs: Trajectories, window: int) -> Trajectories:
    """Positions and velocities from local polynomials. Runs shorter than the window get a smaller one."""
    found = [
        differentiate(t, q, window=max(w for w in CANDIDATE_WINDOWS if w <= min(window, len(t))), gap=math.inf).ys[0]
        for t, q in zip(*without_velocities(runs), strict=True)
    ]
    return replace(runs, ys=_padded(found, runs))


def _padded(rows: list[np.ndarray], trajectories: Trajectories) -> np.ndarray:
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


def wrong_rates(trajectories: Trajectories, columns: Columns) -> list[Remark]:
    """Find recorded velocities that are not the derivative of their coordinate, as after a forgotten unit.

    The integral of a velocity must be its coordinate up to a constant. Returns one remark for each wrong velocity.
    """
    found, advice = [], {"velocities": []}
    for i, rate in enumerate(columns.velocities):
        name = columns.coordinates[i]
        pairs = [_centred(t, y[:, i], y[:, columns.dof + i]) for t, y in trajectories]
        q, integral = (np.concatenate(part) for part in zip(*pairs, strict=True))
        if not (q.any() and integral.any()):
            continue
        factor = np.dot(q, integral) / np.dot(integral, integral)
        apart = np.linalg.norm(q - factor * integral) / np.linalg.norm(q)
        least = "name the right column, or estimate velocities from the coordinates ("
        if apart > MAX_SHAPE_ERROR:
            found.append(Remark(f"column {rate!r} is not the rate of change of {name!r}; {least}", advice, ")"))
        elif not 1 / MAX_RATE_FACTOR < factor < MAX_RATE_FACTOR:
            times = f"column {rate!r} is {1 / factor:.3g} times the rate of change of {name!r}"
            found.append(Remark(f"{times}: declare its unit (`units`); or {least}", advice, ")"))
    return found


def _centred(t: np.ndarray, q: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A coordinate and the integral of its velocity (trapezoidal rule), both minus their means."""
    integral = np.concatenate([[0.0], np.cumsum(np.diff(t) * (v[1:] + v[:-1]) / 2)])
    return q - q.mean(), integral - integral.mean()


def _continuous(recorded: Trajectories, columns: Columns) -> Trajectories:
    """Remove jumps by a turn from the angles."""
    qs = continuous([y[:, : columns.dof] for _, y in recorded], columns.periodic)
    pairs = zip(qs, recorded, strict=True)
    ys = [np.concatenate([q, y[:, columns.dof :]], axis=1) for q, (_, y) in pairs]
    return replace(recorded, ys=_padded(ys, recorded))

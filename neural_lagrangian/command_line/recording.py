"""A recording as trajectories: read, angles made continuous, velocities found where there are none."""

from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..trajectories import (
    DataFileError,
    Trajectories,
    TrajectoryError,
    differentiate,
    noise_gain,
    read_trajectories,
    without_velocities,
)
from .columns import Columns
from .faults import NoAnswerError, UsageError

SUFFIXES = (".csv", ".npz", ".parquet", ".h5", ".hdf5")
WINDOWS = (7, 9, 11, 15, 21, 31, 41, 61, 81, 121)
"""Samples of the local polynomials that are tried."""
ENOUGH = 20_000
"""Samples by which a window is chosen."""
WRONG_RATE, WRONG_SHAPE = 1.25, 0.5
"""Integrated velocities may be wrong by this factor, and differ by this much in shape."""


class Recording(NamedTuple):
    """Motion in SI units. Where velocities were not recorded, `window` is the number of samples of the polynomials that
    gave them and smoothed the positions, and `observed` has the positions as they were.
    """

    trajectories: Trajectories
    observed: Trajectories
    window: int | None


def read_recording(path: Path, columns: Columns) -> Recording:
    """The motion in a file.

    **Raises:** what `read_trajectories` raises for files; `UsageError` for its `ValueError`, such as a column that is
    named twice; `NoAnswerError` for a trajectory too short.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"{path}: expected a recording that ends in {', '.join(SUFFIXES)}")
    try:
        recorded = read_trajectories(
            path,
            positions=list(columns.coordinates),
            velocities=list(columns.velocities) or None,
            time=columns.time,
            trajectory=columns.trajectory,
            units=columns.units,
            estimate=partial(differentiate, window=3, degree=2),  # positions as they are
        )
    except DataFileError as error:
        if error.column == columns.time and columns.trajectory is None and error.row is not None:
            raise NoAnswerError(f"{error} (several trajectories? --trajectory names what tells them apart)") from error
        raise
    except TrajectoryError:
        raise
    except ValueError as error:
        raise UsageError(f"{path}: {error}") from error
    continuous = _continuous(recorded, columns)
    if columns.velocities:
        return Recording(continuous, continuous, None)
    ts, qs = without_velocities(continuous)
    shortest = min(map(len, ts))
    if shortest < WINDOWS[0]:
        raise NoAnswerError(f"{path}: a trajectory has {shortest} samples; expected {WINDOWS[0]}, to find velocities")
    window = window_by_cross_validation(ts, qs)
    smooth = differentiate(ts, qs, window=window)
    observed = [np.concatenate([q, y[:, columns.dof :]], axis=1) for q, (_, y) in zip(qs, smooth, strict=True)]
    return Recording(smooth, Trajectories(ts, observed), window)


def window_by_cross_validation(ts: list[np.ndarray], qs: list[np.ndarray]) -> int:
    r"""The window of `differentiate` by which each position is best told from its neighbours alone.

    A fit without sample $i$ misses it by $(q_i - \hat q_i) / (1 - h_i)$, with $h_i$ the square of the noise gain of
    positions (Allen 1974). The least mean square is taken.
    """
    each = max(ENOUGH // len(ts), max(WINDOWS))
    ts, qs = [t[:each] for t in ts], [q[:each] for q in qs]
    scale = np.concatenate(qs).std(axis=0)
    scale = np.where(scale > 0, scale, 1.0)

    def error(window: int) -> float:
        missed = [
            (q - y[:, : q.shape[1]]) / (1 - noise_gain(t, window=window)[:, :1] ** 2) / scale
            for t, q, (_, y) in zip(ts, qs, differentiate(ts, qs, window=window), strict=True)
        ]
        return float(np.mean(np.concatenate(missed) ** 2))

    return min((window for window in WINDOWS if window <= min(map(len, ts))), key=error)


def check_rates(trajectories: Trajectories, columns: Columns) -> None:
    """That recorded velocities are the rates of their coordinates: integrated, they give these but for a constant.

    **Raises:** `NoAnswerError` where they are not, as where a unit was forgotten.
    """
    for i, rate in enumerate(columns.velocities):
        name = columns.coordinates[i]
        pairs = [_centred(t, y[:, i], y[:, columns.dof + i]) for t, y in trajectories]
        q, integral = (np.concatenate(part) for part in zip(*pairs, strict=True))
        if not (q.any() and integral.any()):
            continue
        factor = np.dot(q, integral) / np.dot(integral, integral)
        apart = np.linalg.norm(q - factor * integral) / np.linalg.norm(q)
        advice = "name the velocities after --velocities, or nothing, to have them found"
        if apart > WRONG_SHAPE:
            raise NoAnswerError(f"column {rate!r} is not the rate of {name!r}; {advice}")
        if not 1 / WRONG_RATE < factor < WRONG_RATE:
            raise NoAnswerError(
                f"column {rate!r} is {1 / factor:.3g} times the rate of {name!r}: a unit (--units)? Else {advice}"
            )


def _centred(t: np.ndarray, q: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A coordinate and the integral of its velocity, by the trapezoidal rule, both about their means."""
    integral = np.concatenate([[0.0], np.cumsum(np.diff(t) * (v[1:] + v[:-1]) / 2)])
    return q - q.mean(), integral - integral.mean()


def _continuous(recorded: Trajectories, columns: Columns) -> Trajectories:
    """Without jumps of a turn in the angles."""
    if not columns.angles:
        return recorded
    angles = list(columns.periodic)
    pairs = [(t, y.copy()) for t, y in recorded]
    for _, y in pairs:
        y[:, angles] = np.unwrap(y[:, angles], axis=0)
    return Trajectories([t for t, _ in pairs], [y for _, y in pairs])

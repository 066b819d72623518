"""Read a recording as trajectories: remove jumps of angles, and estimate velocities that were not recorded."""

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ...trajectories import (
    Scaling,
    Trajectories,
    continuous,
    differentiate,
    read_trajectories,
    without_velocities,
)
from ..faults import NoAnswerError
from ..remark import Remark
from .columns import Columns
from .declared import check_suffix
from .local_polynomials import CANDIDATE_WINDOWS, padded, smoothed_runs, window_by_cross_validation
from .lost_samples import without_lost_samples
from .observed_columns import observed_beside, without_turns
from .recorded_rates import Lag, combined, lag_of, without_lag
from .rests import Rest, without_rests
from .tracked import as_written, with_angles

WRITTEN_SUFFIXES = (".csv", ".npz", ".parquet", ".h5", ".hdf5")
"""Suffixes of files that can be written."""
MAX_RATE_FACTOR, MAX_SHAPE_ERROR = 1.25, 0.5
"""Largest factor, and largest relative error after it is divided out, between a coordinate and its integrated velocity.
Noise stays below both; degrees in place of radians do not.
"""


class Recording(NamedTuple):
    """Motion in SI units. Angles have no jumps by a turn.

    `recorded`: the motion as in the file, with its gaps. `trajectories`: one run between two gaps each. If velocities
    were not recorded, local polynomials of `window` samples estimate them and smooth the positions of `trajectories`;
    `observed` has the positions as recorded. Noisy recorded velocities are combined with those of the polynomials.
    Without noise `window` is `None`, and `observed` is `trajectories`. `lag`: how late recorded velocities were, before
    each was moved to the time of its coordinate. `rests`: what is left out of `trajectories`, since nothing moves.
    `tracked`: sentences on the circles and links of tracked coordinates. `lost`: remarks on samples that are left out
    as missing.
    """

    recorded: Trajectories
    trajectories: Trajectories
    observed: Trajectories
    window: int | None
    lag: Lag | None = None
    rests: tuple[Rest, ...] = ()
    tracked: tuple[str, ...] = ()
    lost: tuple[Remark, ...] = ()

    @property
    def facts(self) -> list[tuple[str, str]]:
        """What was found of tracked coordinates, as pairs of a topic and a text."""
        return [("tracked", "\n".join(self.tracked))] if self.tracked else []


def read_recording(path: Path, columns: Columns) -> Recording:
    """Read the motion in a file.

    **Raises:** the errors of `read_trajectories` and `with_angles`; `NoAnswerError` if a trajectory is too short to
    estimate velocities.
    """
    check_suffix(path)
    recorded = read_trajectories(
        path,
        positions=list(columns.positions),
        velocities=list(columns.velocities) or None,
        time=columns.time,
        trajectory=columns.trajectory,
        units=columns.converted_units | as_written(columns),
        parameters=list(columns.parameters) or None,
        controls=list(columns.controls) or None,
        gap=math.inf,  # gaps are reported first, and the recording is split later
        estimate=partial(differentiate, window=3, degree=2),  # the smallest window leaves the positions as they are
    )
    if columns.observations:  # they are read beside all samples, the lost ones too
        recorded, tracked = with_angles(path, recorded, columns)
        recorded = replace(recorded, observations=observed_beside(path, columns, recorded))
        return recording_of(str(path), recorded, columns)._replace(tracked=tracked)
    recorded, remarks = without_lost_samples(recorded, [*columns.positions, *columns.velocities])
    recorded, tracked = with_angles(path, recorded, columns)
    return _prepared(str(path), recorded, columns)._replace(tracked=tracked, lost=tuple(remarks))


def recording_of(name: str, recorded: Trajectories, columns: Columns) -> Recording:
    """Prepare motion in memory. Its velocities are used only if `columns` names them.

    **Arguments:**

    - `name`: name of the recording, for the error.

    **Raises:** `NoAnswerError` if a trajectory is too short to estimate velocities.
    """
    recorded, lost = without_lost_samples(recorded, [*columns.coordinates, *columns.velocities])
    return _prepared(name, recorded, columns)._replace(lost=tuple(lost))


def _prepared(name: str, recorded: Trajectories, columns: Columns) -> Recording:
    """Angles without jumps, no rests, and velocities."""
    recorded = _continuous(replace(recorded, gap=columns.gap), columns)
    recorded = replace(recorded, observations=without_turns(recorded, columns))
    runs = recorded.split_at_gaps()
    moving, rests = without_rests(runs, columns.periodic, CANDIDATE_WINDOWS[0])
    if columns.velocities:
        return _with_rates(recorded, moving, columns)._replace(rests=tuple(rests))
    longest = np.zeros(len(recorded), int)
    np.maximum.at(longest, recorded.runs().trajectory, runs.lengths)
    if (shortest := longest.min()) < CANDIDATE_WINDOWS[0]:
        between = " between gaps" * (len(runs) > len(recorded))
        least = CANDIDATE_WINDOWS[0]
        few = f"a trajectory has {shortest} samples{between}; expected at least {least} to estimate velocities"
        raise NoAnswerError(f"{name}: {few}")
    runs = moving.select(moving.lengths >= CANDIDATE_WINDOWS[0])
    ts, qs = without_velocities(runs)
    window = window_by_cross_validation(ts, qs)
    smooth = smoothed_runs(runs, window)
    observed = [np.concatenate([q, y[:, columns.dof :]], axis=1) for q, (_, y) in zip(qs, smooth, strict=True)]
    return Recording(recorded, smooth, replace(smooth, ys=padded(observed, smooth)), window, rests=tuple(rests))


def _with_rates(recorded: Trajectories, runs: Trajectories, columns: Columns) -> Recording:
    """Move late velocities to the time of their coordinates, and smooth noisy states. Wrong velocities stay."""
    if runs.lengths.min() < CANDIDATE_WINDOWS[0] or wrong_rates(runs, columns):
        return Recording(recorded, runs, runs, None)
    window = window_by_cross_validation(*without_velocities(runs))
    smooth = smoothed_runs(runs, window)
    time = float(Scaling.of(runs, centre=True, periodic=columns.periodic).t_scale)
    lag = lag_of(runs, smooth, window, time)
    moved = without_lag(runs, lag)
    better = combined(moved, window, time)
    states, used = (moved, None) if better is None else better
    return Recording(recorded, states, moved, used, lag)


def wrong_rates(trajectories: Trajectories, columns: Columns) -> list[Remark]:
    """Find recorded velocities that are not the derivative of their coordinate, as after a forgotten unit.

    The integral of a velocity must be its coordinate up to a constant. Returns one remark for each wrong velocity.
    """
    found, advice = [], {"velocities": []}
    for i, rate in enumerate(columns.velocities):
        name = columns.coordinates[i]
        factor, apart = compared_with_integral([(t, y[:, i], y[:, columns.dof + i]) for t, y in trajectories])
        if np.isnan(factor):
            continue
        least = "name the right column, or estimate velocities from the coordinates ("
        if apart > MAX_SHAPE_ERROR:
            found.append(Remark(f"column {rate!r} is not the rate of change of {name!r}; {least}", advice, ")"))
        elif not 1 / MAX_RATE_FACTOR < factor < MAX_RATE_FACTOR:
            times = f"column {rate!r} is {1 / factor:.3g} times the rate of change of {name!r}"
            found.append(Remark(f"{times}: declare its unit (`units`); or {least}", advice, ")"))
    return found


def compared_with_integral(runs: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> tuple[float, float]:
    """The factor between a coordinate and the integral of its velocity, and how far they then differ, as a share of the
    coordinate; NaN if one of them never changes.

    **Arguments:** `runs`: times, coordinates and velocities of each run.
    """
    q, integral = (np.concatenate(part) for part in zip(*(_centred(*run) for run in runs), strict=True))
    if not (q.any() and integral.any()):
        return np.nan, np.nan
    factor = np.dot(q, integral) / np.dot(integral, integral)
    return float(factor), float(np.linalg.norm(q - factor * integral) / np.linalg.norm(q))


def _centred(t: np.ndarray, q: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A coordinate and the integral of its velocity (trapezoidal rule), both minus their means."""
    integral = np.concatenate([[0.0], np.cumsum(np.diff(t) * (v[1:] + v[:-1]) / 2)])
    return q - q.mean(), integral - integral.mean()


def _continuous(recorded: Trajectories, columns: Columns) -> Trajectories:
    """Remove jumps by a turn from the angles."""
    qs = continuous([y[:, : columns.dof] for _, y in recorded], columns.periodic)
    pairs = zip(qs, recorded, strict=True)
    ys = [np.concatenate([q, y[:, columns.dof :]], axis=1) for q, (_, y) in pairs]
    return replace(recorded, ys=padded(ys, recorded))

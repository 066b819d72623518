"""Candidate terms evaluated on motion: at samples with accelerations, or in windows without (weak form)."""

from typing import NamedTuple

import equinox as eqx
import numpy as np
from jaxtyping import Float

from ..numerics import root_mean_square
from ..trajectories import Trajectories
from .balance import Balance, WeakWindows, control_columns, damping_columns, pointwise, weak
from .equations import Scales
from .force_entries import Candidates
from .library import Library
from .term_columns import MIN_FREE_STATES, Independent, TermColumns, free_states, independent_terms, sample_columns

MIN_WINDOW_SAMPLES = 9
"""Least samples of a window of the weak form, so that its quadrature is accurate."""
DECORRELATED = 0.5
"""Half the mean square change of a sinusoid after a sixth of a period, relative to its variance."""


class Observations(eqx.Module):
    """Contributions of the terms, and of the entries of the control matrix, to each observation.

    - `balance`: the regression problem. `scales`: typical sizes. `independent`: linearly independent terms.
    - `rates`: velocities of the observations, shape `(row, dof)`.
    - `controls`: shape `(row, m)`; m is zero without controls.
    - `chords`: increase of the mean control when it is linear between samples, instead of smooth, shape `(row, m)`.
    - `used`: number of observations used, and number of all observations.
    """

    balance: Balance
    scales: Scales
    independent: Independent
    rates: Float[np.ndarray, "row dof"]
    controls: Float[np.ndarray, "row m"]
    chords: Float[np.ndarray, "row m"]
    used: tuple[int, int] = eqx.field(static=True)

    @property
    def candidates(self) -> Candidates:
        """The numbers of the terms and of the entries of forces."""
        return Candidates(len(self.independent.kept), self.rates.shape[1], self.controls.shape[1])

    @property
    def damped(self) -> Balance:
        """The balance with the entries of a damping matrix, after those of the controls."""
        return self.balance.with_forces(damping_columns(self.rates), self.scales)


class Samples(NamedTuple):
    """All samples in sequence: states `(sample, 2 dof)`, times `(sample,)`, controls `(sample, m)`."""

    states: np.ndarray
    times: np.ndarray
    controls: np.ndarray

    @staticmethod
    def of(trajectories: Trajectories) -> "Samples":
        mask = trajectories.mask
        u = trajectories.controls
        controls = np.zeros((int(mask.sum()), 0)) if u is None else u[mask].astype(np.float64)
        return Samples(trajectories.ys[mask].astype(np.float64), trajectories.ts[mask].astype(np.float64), controls)


def at_samples(trajectories: Trajectories, library: Library, most: int) -> Observations:
    """Observations from single samples with accelerations."""
    samples = Samples.of(trajectories)
    assert trajectories.accelerations is not None
    a = trajectories.accelerations[trajectories.mask].astype(np.float64)
    count = len(samples.times)
    rows = np.linspace(0, count - 1, min(count, most)).astype(int)
    scales = _scales(trajectories, samples.states, a)
    states, times, controls = (x[rows] for x in samples)
    independent, columns = _columns(library, samples.states, states, times, scales)
    balance = pointwise(columns, a[rows], scales).with_forces(control_columns(controls, library.dof), scales)
    chords = np.zeros_like(controls)
    return Observations(balance, scales, independent, _rates(states), controls, chords, (len(rows), count))


def in_windows(trajectories: Trajectories, library: Library, length: int, most: int) -> Observations | str:
    """Observations from windows (weak form), or the reason why there are none."""
    samples = Samples.of(trajectories)
    if length < MIN_WINDOW_SAMPLES:
        raise ValueError(f"`window` is {length}; expected at least {MIN_WINDOW_SAMPLES} samples")
    pieces = [piece for piece in _pieces(trajectories, samples) if len(piece.times) >= length]
    if not pieces:
        return f"no trajectory has the {length} samples of a window: record longer trajectories"
    windows = WeakWindows.of([piece.times for piece in pieces], length, most)
    chosen = list(zip(windows.trajectory, windows.index, strict=True))
    ys, ts, us = (np.stack([pieces[i][part][rows] for i, rows in chosen]) for part in range(3))
    v = _rates(ys)
    scales = _scales(trajectories, samples.states, -np.einsum("wt,wti->wi", windows.slope, v))  # mean accelerations
    inside = ys.reshape(-1, ys.shape[2]), ts.reshape(-1)
    independent, columns = _columns(library, samples.states, *inside, scales)
    rates, controls, chords = (np.einsum("wt,wti->wi", windows.weight, x) for x in (v, us, _chords(ts, us)))
    balance = weak(columns, windows, scales).with_forces(control_columns(controls, library.dof), scales)
    there_are = sum((len(piece.times) - length) // max(1, length // 2) + 1 for piece in pieces)
    return Observations(balance, scales, independent, rates, controls, chords, (len(windows.trajectory), there_are))


def _chords(ts: Float[np.ndarray, "row time"], us: Float[np.ndarray, "row time m"]) -> Float[np.ndarray, "row time m"]:
    r"""Mean excess $h^2 \ddot u / 12$ of linear interpolation over a smooth curve at each sample; zero at the ends."""
    h = np.diff(ts)[..., None]
    slope = np.diff(us, axis=1) / h
    found = np.zeros_like(us)
    found[:, 1:-1] = h[:, 1:] * h[:, :-1] * np.diff(slope, axis=1) / (h[:, 1:] + h[:, :-1]) / 6
    return found


def window_samples(trajectories: Trajectories, states: np.ndarray) -> int:
    """Default window of the weak form: half the shortest period, at most a quarter of the longest trajectory.

    **Arguments:**

    - `states`: states of all trajectories in sequence, recorded or smoothed.
    """
    period = float(np.min(periods(trajectories, states)))
    step = np.median(np.concatenate([np.diff(t) for t, _ in trajectories if len(t) > 1] or [np.ones(1)]))
    longest = int(trajectories.lengths.max())
    samples = period / 2 / step if np.isfinite(period) else longest
    return int(np.clip(round(min(samples, longest)), MIN_WINDOW_SAMPLES, max(longest // 4, MIN_WINDOW_SAMPLES)))


def periods(trajectories: Trajectories, states: np.ndarray) -> Float[np.ndarray, " dof"]:
    """The period of each coordinate in seconds, shape `(dof,)`; infinite if it does not oscillate.

    It is six times the lag after which the velocity is half decorrelated, as for a sinusoid. Velocities serve because
    they stay bounded when an angle goes round and round. The change after one sample is subtracted as noise.
    """
    dof = states.shape[1] // 2
    pieces = np.split(states[:, dof:], np.cumsum(trajectories.lengths)[:-1])
    times = [t.astype(np.float64) for t, _ in trajectories]
    step = np.median(np.concatenate([np.diff(t) for t in times if len(t) > 1] or [np.ones(1)]))
    variance = np.sum([np.sum((v - v.mean(axis=0)) ** 2, axis=0) for v in pieces], axis=0) / len(states)
    longest = max(map(len, pieces))

    def changed(lag: int) -> np.ndarray:
        """Half the mean square change after `lag` samples."""
        changes = [v[lag:] - v[:-lag] for v in pieces if len(v) > lag]
        return np.mean(np.concatenate(changes) ** 2, axis=0) / 2

    found = np.full(dof, np.inf)
    if longest < 3:
        return found
    noise = np.minimum(changed(1), variance)  # includes the small change of the motion itself
    lag = 1
    while lag < longest - 1 and not np.isfinite(found).all():
        lag += max(1, lag // 20)
        if lag >= longest:
            break
        enough = changed(lag) - noise >= DECORRELATED * (variance - noise)
        found = np.where(enough & (variance > 0) & ~np.isfinite(found), 6 * lag * step, found)
    return found


def channel_scales(states: np.ndarray, found: Float[np.ndarray, " dof"]) -> Float[np.ndarray, " two_dof"]:
    """Typical size of each coordinate and velocity, shape `(2 dof,)`.

    For an angle that goes round and round, the size is the distance covered in a radian of its motion, not the total
    distance.

    **Arguments:**

    - `found`: the result of `periods`.
    """
    q, v = np.split(states, 2, axis=1)
    length, speed = q.std(axis=0), root_mean_square(v)
    radian = speed * found / (2 * np.pi)
    length = np.where(radian > 0, np.minimum(length, radian), length)
    return np.concatenate([np.where(length > 0, length, 1.0), np.where(speed > 0, speed, 1.0)])


def _scales(trajectories: Trajectories, states: np.ndarray, accelerations: np.ndarray) -> Scales:
    scales = Scales.of(states, accelerations)
    length = channel_scales(states, periods(trajectories, states))[: len(scales.speed)]
    return Scales(length, scales.speed, scales.acceleration, scales.radian)


def _pieces(trajectories: Trajectories, samples: Samples) -> list["Samples"]:
    cuts = np.cumsum(trajectories.lengths)[:-1]
    return [Samples(*parts) for parts in zip(*(np.split(x, cuts) for x in samples), strict=True)]


def _rates(states: np.ndarray) -> np.ndarray:
    return np.split(states, 2, axis=-1)[1]


def _columns(
    library: Library, observed: np.ndarray, states: np.ndarray, ts: np.ndarray, scales: Scales
) -> tuple[Independent, TermColumns]:
    """The terms that are linearly independent at random states, and their columns at the given states."""
    free = free_states(observed, max(MIN_FREE_STATES, 4 * len(library)))
    both = np.concatenate([free, states]), np.concatenate([np.resize(ts, len(free)), ts])
    at_free, columns = sample_columns(library, *both).split(len(free))
    independent = independent_terms(library, at_free, scales)
    return independent, columns.select(independent.kept)

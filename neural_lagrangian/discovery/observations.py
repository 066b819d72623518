"""What motion says of candidate terms: at samples with accelerations, or in windows without them."""

from typing import NamedTuple

import equinox as eqx
import numpy as np
from jaxtyping import Float

from ..trajectories import Trajectories
from .balance import Balance, Windows, control_columns, damping_columns, pointwise, weak
from .columns import FREE_STATES, Columns, Independent, free_states, independent_terms, sample_columns
from .equations import Scales
from .library import Library

MIN_WINDOW_SAMPLES = 9
"""Samples that a window of the weak form needs."""
DECORRELATED = 0.5
"""Share of the variance of a velocity that it has changed by after a sixth of a period."""


class Observations(eqx.Module):
    """What the terms, and the entries of the matrix of controls behind them, contribute to each observation.

    `rates`: velocities there, `(row, dof)`. `controls`: `(row, m)`, m zero without. `chords`: how much larger a control
    is in the mean where straight lines join its samples, `(row, m)`. `used`: how many observations, of how many that
    there are.
    """

    balance: Balance
    scales: Scales
    independent: Independent
    rates: Float[np.ndarray, "row dof"]
    controls: Float[np.ndarray, "row m"]
    chords: Float[np.ndarray, "row m"]
    used: tuple[int, int] = eqx.field(static=True)

    @property
    def damped(self) -> Balance:
        """With all entries of a damping matrix behind those of the controls."""
        return self.balance.beside(damping_columns(self.rates), self.scales)


class Samples(NamedTuple):
    """Samples one after another: states `(sample, 2 dof)`, times `(sample,)`, controls `(sample, m)`."""

    states: np.ndarray
    times: np.ndarray
    controls: np.ndarray

    @staticmethod
    def of(trajectories: Trajectories) -> "Samples":
        mask = trajectories.mask
        u = trajectories.controls
        controls = np.zeros((int(mask.sum()), 0)) if u is None else u[mask].astype(np.float64)
        return Samples(trajectories.ys[mask].astype(np.float64), trajectories.ts[mask].astype(np.float64), controls)


def at_samples(trajectories: Trajectories, library: Library, length: int, most: int) -> Observations:
    """Each sample with its acceleration is an observation."""
    del length
    samples = Samples.of(trajectories)
    assert trajectories.accelerations is not None
    a = trajectories.accelerations[trajectories.mask].astype(np.float64)
    count = len(samples.times)
    rows = np.linspace(0, count - 1, min(count, most)).astype(int)
    scales = _scales(trajectories, samples.states, a)
    states, times, controls = (x[rows] for x in samples)
    independent, columns = _columns(library, samples.states, states, times, scales)
    balance = pointwise(columns, a[rows], scales).beside(control_columns(controls, library.dof), scales)
    chords = np.zeros_like(controls)
    return Observations(balance, scales, independent, _rates(states), controls, chords, (len(rows), count))


def in_windows(trajectories: Trajectories, library: Library, length: int, most: int) -> Observations | str:
    """Each window is an observation; or the reason why there are none."""
    samples = Samples.of(trajectories)
    if length < MIN_WINDOW_SAMPLES:
        raise ValueError(f"`window` is {length}; expected at least {MIN_WINDOW_SAMPLES} samples")
    pieces = [piece for piece in _pieces(trajectories, samples) if len(piece.times) >= length]
    if not pieces:
        return f"no trajectory has the {length} samples of a window: record longer ones"
    windows = Windows.of([piece.times for piece in pieces], length, most)
    chosen = list(zip(windows.trajectory, windows.index, strict=True))
    ys, ts, us = (np.stack([pieces[i][part][rows] for i, rows in chosen]) for part in range(3))
    v = _rates(ys)
    scales = _scales(trajectories, samples.states, -np.einsum("wt,wti->wi", windows.slope, v))  # mean accelerations
    inside = ys.reshape(-1, ys.shape[2]), ts.reshape(-1)
    independent, columns = _columns(library, samples.states, *inside, scales)
    rates, controls, chords = (np.einsum("wt,wti->wi", windows.weight, x) for x in (v, us, _chords(ts, us)))
    balance = weak(columns, windows, scales).beside(control_columns(controls, library.dof), scales)
    there_are = sum((len(piece.times) - length) // max(1, length // 2) + 1 for piece in pieces)
    return Observations(balance, scales, independent, rates, controls, chords, (len(windows.trajectory), there_are))


def _chords(ts: Float[np.ndarray, "row time"], us: Float[np.ndarray, "row time m"]) -> Float[np.ndarray, "row time m"]:
    r"""By how much the chords beside each sample exceed the curve in the mean, $h^2 \ddot u / 12$; zero at the ends."""
    h = np.diff(ts)[..., None]
    slope = np.diff(us, axis=1) / h
    found = np.zeros_like(us)
    found[:, 1:-1] = h[:, 1:] * h[:, :-1] * np.diff(slope, axis=1) / (h[:, 1:] + h[:, :-1]) / 6
    return found


def window_samples(trajectories: Trajectories, states: np.ndarray) -> int:
    """Samples in half the shortest period of any coordinate; a quarter of the longest trajectory at most.

    **Arguments:**

    - `states`: of all trajectories, one after another, as recorded or smoothed.
    """
    period = float(np.min(periods(trajectories, states)))
    step = np.median(np.concatenate([np.diff(t) for t, _ in trajectories if len(t) > 1] or [np.ones(1)]))
    longest = int(trajectories.lengths.max())
    samples = period / 2 / step if np.isfinite(period) else longest
    return int(np.clip(round(min(samples, longest)), MIN_WINDOW_SAMPLES, max(longest // 4, MIN_WINDOW_SAMPLES)))


def periods(trajectories: Trajectories, states: np.ndarray) -> Float[np.ndarray, " dof"]:
    r"""The period of each coordinate in seconds: six times the lag after which its velocity has changed by the spread
    that it has within a trajectory, as of a sinusoid; infinite where it never does.

    Velocities do not grow where an angle goes round and round, and what is noise changes from one sample to the next.
    """
    dof = states.shape[1] // 2
    pieces = np.split(states[:, dof:], np.cumsum(trajectories.lengths)[:-1])
    times = [t.astype(np.float64) for t, _ in trajectories]
    step = np.median(np.concatenate([np.diff(t) for t in times if len(t) > 1] or [np.ones(1)]))
    variance = np.sum([np.sum((v - v.mean(axis=0)) ** 2, axis=0) for v in pieces], axis=0) / len(states)
    longest = max(map(len, pieces))

    def changed(lag: int) -> np.ndarray:
        """Half the mean square change after so many samples."""
        changes = [v[lag:] - v[:-lag] for v in pieces if len(v) > lag]
        return np.mean(np.concatenate(changes) ** 2, axis=0) / 2

    found = np.full(dof, np.inf)
    if longest < 3:
        return found
    noise = np.minimum(changed(1), variance)  # with what the motion itself changes in one sample: little, or all
    lag = 1
    while lag < longest - 1 and not np.isfinite(found).all():
        lag += max(1, lag // 20)
        if lag >= longest:
            break
        enough = changed(lag) - noise >= DECORRELATED * (variance - noise)
        found = np.where(enough & (variance > 0) & ~np.isfinite(found), 6 * lag * step, found)
    return found


def channel_scales(states: np.ndarray, found: Float[np.ndarray, " dof"]) -> Float[np.ndarray, " two_dof"]:
    """The size of each coordinate and velocity, from the `periods` found: of an angle that goes round it is a radian of
    its motion, not how far it has come.
    """
    q, v = np.split(states, 2, axis=1)
    length, speed = q.std(axis=0), np.sqrt(np.mean(v**2, axis=0))
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
) -> tuple[Independent, Columns]:
    """The terms that free states can distinguish, and their columns at the observed states."""
    free = free_states(observed, max(FREE_STATES, 4 * len(library)))
    both = np.concatenate([free, states]), np.concatenate([np.resize(ts, len(free)), ts])
    at_free, columns = sample_columns(library, *both).split(len(free))
    independent = independent_terms(library, at_free, scales)
    return independent, columns.select(independent.kept)

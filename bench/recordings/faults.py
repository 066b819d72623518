"""Faults of recordings. Each turns a clean motion into trajectories and options of `identify`."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import neural_lagrangian as nl

from .systems import System

PERIODS = 24
"""Length of a recording, in periods of the motion."""
HELD_OUT_PERIODS = 12
"""Length of the exact motion with which predictions are compared, in periods."""


class Sampling(NamedTuple):
    """Samples in a period, and number of runs."""

    per_period: float = 60.0
    runs: int = 1


class Recorded(NamedTuple):
    """A recording: trajectories, options of `identify`, and what the sensors show too much, shape `(dof,)`."""

    motion: nl.Trajectories
    options: dict[str, Any]
    shift: np.ndarray


Fault = Callable[[System, list[tuple[np.ndarray, np.ndarray]], np.random.Generator], Recorded]


def noisy(relative: float, *, velocities: bool = False) -> Fault:
    """Noise relative to the spread."""

    def fault(system, runs, rng):
        sizes = np.concatenate([y for _, y in runs]).std(axis=0)
        angles = [name in system.angles for name in system.names]
        sizes[: system.dof] = np.where(angles, np.minimum(sizes[: system.dof], 1.0), sizes[: system.dof])
        pairs = [(t, y + relative * sizes * rng.normal(size=y.shape)) for t, y in runs]
        return recorded(system, pairs, {} if velocities else {"velocities": []})

    return fault


def recorded(system: System, runs: list[tuple[np.ndarray, np.ndarray]], options: dict[str, Any]) -> Recorded:
    """Trajectories of the runs."""
    ts, ys = zip(*runs, strict=True)
    us = [np.asarray(system.control(t))[:, None] for t in ts] if system.motor else None
    motion = nl.Trajectories(list(ts), list(ys), controls=us, names=list(system.names))
    return Recorded(motion, {"angles": list(system.angles), **options}, np.zeros(system.dof))


def gaps(system, runs, rng):
    """Three tenths of a period are missing, four times."""
    cut = []
    for t, y in runs:
        kept = np.ones(len(t), bool)
        for begin in np.linspace(0.15, 0.85, 4) * len(t):
            kept[int(begin) : int(begin + 0.3 * system.period / np.diff(t).mean())] = False
        cut.append((t[kept], y[kept]))
    return noisy(0.01)(system, cut, rng)


def wrapped(system, runs, rng):
    """Angles between minus and plus half a turn."""
    found = noisy(0.01)(system, runs, rng)
    ys, at = np.array(found.motion.ys), [system.names.index(name) for name in system.angles]
    ys[..., at] = (ys[..., at] + np.pi) % (2 * np.pi) - np.pi
    return recorded(system, [(t, y[: len(t)]) for (t, _), y in zip(found.motion, ys, strict=True)], {"velocities": []})


def offset(system, runs, rng):
    """Sensors of angles show 20 degrees too much."""
    shift = np.array([np.deg2rad(20) * (name in system.angles) for name in system.names])
    shown = [(t, y + np.concatenate([shift, 0 * shift])) for t, y in runs]
    return noisy(0.01)(system, shown, rng)._replace(shift=shift)


def outliers(system, runs, rng):
    """A burst of ten wrong samples in the middle."""
    found = noisy(0.01)(system, runs, rng)
    pairs = [(t, np.array(y)) for t, y in found.motion]
    for t, y in pairs:
        y[len(t) // 2 : len(t) // 2 + 10, 0] += y[:, 0].std() * rng.normal(size=10)
    return recorded(system, pairs, {"velocities": []})


def quantised(system, runs, rng):
    """Positions in steps of a five-hundredth of their range."""
    step = np.ptp(np.concatenate([y for _, y in runs]), axis=0) / 500
    return recorded(system, [(t, np.round(y / step) * step) for t, y in runs], {"velocities": []})


def undeclared(system, runs, rng):
    """Nothing says which coordinates are angles."""
    found = noisy(0.01)(system, runs, rng)
    return found._replace(options={"velocities": []})


FAULTS: dict[str, tuple[Fault, Sampling]] = {
    "noise 0.1 %": (noisy(0.001), Sampling()),
    "noise 1 %": (noisy(0.01), Sampling()),
    "noise 5 %": (noisy(0.05), Sampling()),
    "velocities too": (noisy(0.01, velocities=True), Sampling()),
    "gaps": (gaps, Sampling()),
    "wrapped": (wrapped, Sampling()),
    "offset": (offset, Sampling()),
    "15 a period": (noisy(0.01), Sampling(15.0)),
    "quantised, fast": (quantised, Sampling(600.0)),
    "short runs": (noisy(0.01), Sampling(60.0, 12)),
    "outliers": (outliers, Sampling()),
    "nothing declared": (undeclared, Sampling()),
}
"""The faults by name, with the sampling of each."""


def made(system: System, fault: str, seed: int) -> tuple[Recorded, tuple[np.ndarray, np.ndarray]]:
    """A recording with a fault, and exact motion from another start, which the recording does not hold."""
    rng = np.random.default_rng([seed, *fault.encode()])
    apply, (per_period, runs) = FAULTS[fault]
    count = int(PERIODS * per_period / runs)
    ts = np.arange(count) * system.period / per_period
    exact = [(ts, system.motion(ts, rng)) for _ in range(runs)]
    later = np.arange(int(HELD_OUT_PERIODS * 60)) * system.period / 60
    return apply(system, exact, rng), (later, system.motion(later, rng))

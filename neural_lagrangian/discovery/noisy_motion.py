"""Prepares noisy motion: smoothed states for the search, and windows for the fit by rollouts."""

import equinox as eqx
import numpy as np

from ..trajectories import Trajectories
from .evidence import MIN_NOISE
from .observations import Samples, channel_scales, periods
from .rollout_fit import WindowedMotion, windowed
from .smoothing import noise_of, smoothed

MIN_SAMPLES_FOR_NOISE = 9
"""Least samples of a run from which noise can be estimated."""


def without_noise(trajectories: Trajectories, tolerance: float) -> tuple[Trajectories, np.ndarray, bool]:
    """Smooths motion; returns it with the noise of each channel, and whether the noise matters.

    Each channel has at least the relative noise `MIN_NOISE`. Velocities that were already smoothed get infinite noise,
    because they add no information to the positions and underestimate fast motion. Short runs are not smoothed.
    """
    pieces = [(t.astype(np.float64), y.astype(np.float64)) for t, y in trajectories]
    states = np.concatenate([y for _, y in pieces])
    found = periods(trajectories, states)
    long = [k for k, (t, _) in enumerate(pieces) if len(t) >= MIN_SAMPLES_FOR_NOISE]
    if not long:
        return trajectories, np.zeros(states.shape[1]), False
    noise, coloured = noise_of([pieces[k] for k in long], found)
    scales = channel_scales(states, found)
    noisy = bool((noise > tolerance * scales).any())
    noise = np.maximum(noise, MIN_NOISE * scales)
    left_out = coloured & (np.arange(len(noise)) >= len(found))
    if noisy:
        whole = np.array(trajectories.ys, np.float64)
        for k, y in zip(long, smoothed([pieces[k] for k in long], noise), strict=True):
            whole[k, : len(y)] = y
        trajectories = eqx.tree_at(lambda x: x.ys, trajectories, whole)
    return trajectories, np.where(left_out, np.inf, noise), noisy


def windows_of(recorded: Trajectories, smooth: Trajectories, length: int) -> WindowedMotion | None:
    """Windows of the recorded motion with smoothed states; `None` if the motion is shorter than a window."""
    controls = recorded.controls
    us = [
        np.zeros((len(t), 0)) if controls is None else controls[i, : len(t)].astype(float)
        for i, (t, _) in enumerate(recorded)
    ]
    pieces = [(t.astype(float), y.astype(float), u) for (t, y), u in zip(recorded, us, strict=True)]
    states = Samples.of(smooth).states
    found = periods(smooth, states)
    size = channel_scales(states, found)
    return windowed(pieces, [np.asarray(y) for _, y in smooth], length, float(found.min()), size)

"""Noisy motion: smoothed before terms are looked for, and rolled out to refine their coefficients."""

import equinox as eqx
import numpy as np

from ..trajectories import Trajectories
from .evidence import LEAST_NOISE
from .observations import Samples, channel_scales, periods
from .rollout_fit import WindowedMotion, windowed
from .smoothing import noise_of, smoothed


def without_noise(trajectories: Trajectories, tolerance: float) -> tuple[Trajectories, np.ndarray, bool]:
    """The motion with its noise smoothed away, the noise of each channel, and whether it matters."""
    pieces = [(t.astype(np.float64), y.astype(np.float64)) for t, y in trajectories]
    states = np.concatenate([y for _, y in pieces])
    found = periods(trajectories, states)
    noise = noise_of(pieces, found)
    scales = channel_scales(states, found)
    noisy = bool((noise > tolerance * scales).any()) and bool((trajectories.lengths >= 5).all())
    if not noisy:
        return trajectories, noise, False
    smooth = smoothed(pieces, np.maximum(noise, LEAST_NOISE * scales))
    whole = np.array(trajectories.ys, np.float64)
    for i, y in enumerate(smooth):
        whole[i, : len(y)] = y
    return eqx.tree_at(lambda x: x.ys, trajectories, whole), noise, True


def windows_of(recorded: Trajectories, smooth: Trajectories, length: int) -> WindowedMotion | None:
    """Windows of the recorded motion, with smoothed initial states; `None` where it is shorter than a window."""
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

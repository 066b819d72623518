"""Noisy motion: smoothed before terms are looked for, and rolled out to refine their coefficients."""

import equinox as eqx
import numpy as np

from ..trajectories import Trajectories
from .evidence import LEAST_NOISE
from .observations import Samples, channel_scales, periods
from .rollout_fit import WindowedMotion, windowed
from .smoothing import noise_of, smoothed

LEAST_SAMPLES = 9
"""Of a run in which noise is looked for."""


def without_noise(trajectories: Trajectories, tolerance: float) -> tuple[Trajectories, np.ndarray, bool]:
    """The motion with its noise smoothed away, the noise of each channel, and whether it matters.

    Noise that is not seen counts as `LEAST_NOISE` of the channel. That of velocities that were smoothed is infinite:
    they hold no more than the positions, and flatten the motion. Runs of few samples stay as they are.
    """
    pieces = [(t.astype(np.float64), y.astype(np.float64)) for t, y in trajectories]
    states = np.concatenate([y for _, y in pieces])
    found = periods(trajectories, states)
    long = [k for k, (t, _) in enumerate(pieces) if len(t) >= LEAST_SAMPLES]
    if not long:
        return trajectories, np.zeros(states.shape[1]), False
    noise, coloured = noise_of([pieces[k] for k in long], found)
    scales = channel_scales(states, found)
    noisy = bool((noise > tolerance * scales).any())
    noise = np.maximum(noise, LEAST_NOISE * scales)
    left_out = coloured & (np.arange(len(noise)) >= len(found))
    if noisy:
        whole = np.array(trajectories.ys, np.float64)
        for k, y in zip(long, smoothed([pieces[k] for k in long], noise), strict=True):
            whole[k, : len(y)] = y
        trajectories = eqx.tree_at(lambda x: x.ys, trajectories, whole)
    return trajectories, np.where(left_out, np.inf, noise), noisy


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

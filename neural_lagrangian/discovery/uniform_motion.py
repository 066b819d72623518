r"""Coordinates that move uniformly within their noise: they have no acceleration that a formula could explain.

The measured accelerations of such a coordinate are noise. The right formula leaves all of them unexplained, as a wrong
one does. Means over windows decide whether a motion is uniform. With the weight $\psi$ of the weak form, the mean
acceleration of a window is

$$\bar a = \int \psi\, a\, dt = -\int \dot\psi\, v\, dt = \int \ddot\psi\, q\, dt, \qquad \int \psi\, dt = 1.$$

In a uniform motion it is as small as noise makes it: its standard deviation is that of one sample times the norm of the
weights. A force that varies slowly exceeds this in long windows, even if it is small beside the noise of a sample.
"""

import numpy as np
from jaxtyping import Bool, Float

from ..numerics import root_mean_square
from ..trajectories import Trajectories
from .balance import WeakWindows
from .evidence import allowed_misfit

SHORTEST_WINDOW = 9
"""Samples of the shortest windows. Each further length is twice as long, up to that of the longest trajectory."""
MAX_WINDOWS = 1000
"""Most windows of each length, which bound the run time."""


def uniform_coordinates(trajectories: Trajectories, noise: Float[np.ndarray, " two_dof"]) -> Bool[np.ndarray, " dof"]:
    """Which coordinates move uniformly, within their noise, in all trajectories.

    Measured accelerations must agree: their means over windows must be as small as those of independent samples. If no
    trajectory has `SHORTEST_WINDOW` samples, the answer is no for all coordinates.

    **Arguments:**

    - `trajectories`: the motion as recorded, not smoothed.
    - `noise`: standard deviation of each channel; infinite for velocities that were smoothed.
    """
    longest, length = int(trajectories.lengths.max()), SHORTEST_WINDOW
    uniform = np.full(trajectories.dof, length <= longest)
    while length <= longest and uniform.any():
        uniform &= _within_noise(trajectories, noise, length)
        length *= 2
    return uniform


def _within_noise(
    trajectories: Trajectories, noise: Float[np.ndarray, " two_dof"], length: int
) -> Bool[np.ndarray, " dof"]:
    """Whether mean accelerations over windows of one length are as small as noise makes them."""
    long = np.flatnonzero(trajectories.lengths >= length)
    windows = WeakWindows.of([trajectories.ts[i, : trajectories.lengths[i]] for i in long], length, MAX_WINDOWS)
    rows = long[windows.trajectory][:, None], windows.index
    q, v = np.split(trajectories.ys[rows].astype(np.float64), 2, axis=2)
    bend = np.gradient(windows.slope, axis=1) / np.gradient(trajectories.ts[rows].astype(np.float64), axis=1)
    allowed = allowed_misfit(len(rows[1]) // 2)  # windows overlap by half

    def small(values: np.ndarray, weight: np.ndarray, sigma: np.ndarray) -> np.ndarray:
        means = np.einsum("wt,wti->wi", weight, values)
        return np.sum(means**2, axis=0) <= (allowed * sigma) ** 2 * np.sum(weight**2)

    of_q, of_v = np.split(noise, 2)
    uniform = np.where(
        np.isfinite(of_v), small(v, windows.slope, of_v), small(q - q.mean(axis=1, keepdims=True), bend, of_q)
    )
    if trajectories.accelerations is not None:
        a = trajectories.accelerations[rows].astype(np.float64)
        uniform &= small(a, windows.weight, root_mean_square(a))
    return uniform

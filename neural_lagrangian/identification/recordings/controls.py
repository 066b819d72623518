"""The controls of a recording: whether the motion tells them apart, and how they are thinned."""

from dataclasses import replace

import numpy as np
from jaxtyping import Float

from ...trajectories import Trajectories
from ..remark import Remark
from .columns import Columns

MIN_APART = 1e-6
"""Least singular value of normalised controls, over the largest one, if the motion can tell them apart."""
MIN_SHARE = 0.1
"""Share in a combination that vanishes, over the largest one, from which a control is named."""


def controls_like_others(motion: Trajectories, columns: Columns) -> list[Remark]:
    """Remarks on controls that never change, and on one that is a linear combination of the others."""
    if motion.controls is None:
        return []
    us = motion.controls[motion.mask].astype(np.float64)
    us = us - us.mean(axis=0)
    rounding = 64 * np.finfo(float).eps * np.abs(motion.controls[motion.mask]).max(axis=0)
    still = np.abs(us).max(axis=0) <= rounding
    if still.any():
        name = columns.controls[int(np.argmax(still))]
        return [Remark(f"the control {name!r} never changes, so its effect cannot be found; leave it out")]
    _, sizes, directions = np.linalg.svd(us / us.std(axis=0), full_matrices=False)
    if sizes[-1] > MIN_APART * sizes[0]:
        return []
    shares = np.abs(directions[-1])
    names = [columns.controls[k] for k in np.flatnonzero(shares > MIN_SHARE * shares.max())]
    said = f"the controls {' and '.join(names)} are not independent, so their effects cannot be told apart"
    return [Remark(f"{said}; leave one of them out")]


def sizes_of_controls(motion: Trajectories) -> tuple[float, ...]:
    """The root mean square of each control; none of free motion."""
    if motion.controls is None:
        return ()
    return tuple(np.sqrt(np.mean(motion.controls[motion.mask].astype(np.float64) ** 2, axis=0)).tolist())


def delayed(motion: Trajectories, lag: float) -> Trajectories:
    """The motion with each control at the time at which it acts, `lag` after its own. Before its first sample and after
    its last one it is constant.
    """
    if motion.controls is None or lag == 0:
        return motion
    us = np.array(motion.controls)
    for (t, _), row in zip(motion, us, strict=True):
        row[: len(t)] = np.stack([np.interp(t - lag, t, u) for u in row[: len(t)].T], axis=1)
    return replace(motion, controls=us)


def thinned(motion: Trajectories, stride: int) -> Trajectories:
    r"""The motion with controls of which every `stride`-th sample, interpolated linearly, has the same effect.

    Interpolation between far samples would miss what happens between them. Local means $\bar u$ with a triangular
    weight of half width $h$, the time of `stride` samples, keep the impulse, the integral of the control. They and the
    interpolation change slow signals by $h^2 \ddot u / 6$, which the second difference of the means takes away:

    $$c_k = \bar u_k - \tfrac16 (\bar u_{k - s} - 2 \bar u_k + \bar u_{k + s})$$
    """
    if motion.controls is None or stride == 1:
        return motion
    us = np.array(motion.controls)
    for row, count in zip(us, motion.lengths, strict=True):
        row[:count] = _thinned(row[:count], stride)
    return replace(motion, controls=us)


def _thinned(u: Float[np.ndarray, "time m"], stride: int) -> Float[np.ndarray, "time m"]:
    reach = 2 * stride
    if len(u) <= reach:
        return u
    first = 2 * u[:1] - u[reach:0:-1]  # continued on a straight line, so that the ends of a ramp stay
    last = 2 * u[-1:] - u[-2 : -reach - 2 : -1]
    weight = np.bartlett(2 * stride + 1)
    wide = np.concatenate([first, u, last]).astype(np.float64)
    mean = np.stack([np.convolve(signal, weight / weight.sum(), "same") for signal in wide.T], axis=1)
    second = mean[reach - stride : len(u) + reach - stride] + mean[reach + stride : len(u) + reach + stride]
    at = mean[reach : reach + len(u)]
    return (at - (second - 2 * at) / 6).astype(u.dtype)

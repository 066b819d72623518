"""Leave out samples at which a sensor had lost what it sees, and wrote a number such as -999."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float

from ...trajectories import Trajectories
from ..remark import Remark, counted
from .pieces import taken

FAR = 3.0
"""Distance of such a number from all others, in units of their range."""
MAX_NUMBERS, MAX_SHARE = 3, 0.25
"""Most different numbers of this kind, and largest share of the samples. A motion that goes far has many values."""
MAX_STEP = 4.0
"""Largest step between neighbouring values of a motion, sorted by size, in units of their interquartile range."""


def without_lost_samples(motion: Trajectories, names: Sequence[str]) -> tuple[Trajectories, list[Remark]]:
    """The motion without samples at which one of its first channels is lost, and remarks on these. `names`: of the
    channels.
    """
    remarks, lost = [], [np.zeros(len(t), bool) for t, _ in motion]
    for k, name in enumerate(names):
        channel = [np.asarray(y[:, k], np.float64) for _, y in motion]
        wrong = np.split(far_from_others(np.concatenate(channel)), np.cumsum([len(x) for x in channel])[:-1])
        said = Remark(f"{name}: samples far from all others, left out as missing ones")
        remarks += counted(said, wrong, motion)
        lost = [before | now for before, now in zip(lost, wrong, strict=True)]
    if not remarks:
        return motion, []
    kept = [(i, np.flatnonzero(~rows)) for i, rows in enumerate(lost) if not rows.all()]
    return taken(motion, kept), remarks


def far_from_others(values: Float[np.ndarray, " sample"]) -> Bool[np.ndarray, " sample"]:
    """Which values are a few numbers far from all others."""
    found = np.zeros(values.shape, bool)
    known = np.isfinite(values)
    if not known.any():
        return found
    numbers = np.unique(values[known])
    low, middle, high = np.quantile(values[known], [0.25, 0.5, 0.75])
    ends = np.flatnonzero(np.diff(numbers) > MAX_STEP * (high - low))
    near = next(part for part in np.split(numbers, ends + 1) if part[-1] >= middle)
    distance = np.maximum(near[0] - values, values - near[-1], where=known, out=np.zeros(values.shape))
    outside = distance > 0
    few = len(numbers) - len(near) <= MAX_NUMBERS and outside.sum() <= MAX_SHARE * known.sum()
    far = np.ptp(near) > 0 and few and (distance[outside] > FAR * np.ptp(near)).all()
    return outside if far else found

"""Pieces of a recording: a training set, a validation set, and held-out pieces to judge by."""

import math
from typing import NamedTuple

import numpy as np

from ..trajectories import Trajectories
from .faults import NoAnswerError

PIECES_WANTED, MIN_PIECES = 10, 5
"""Number of pieces into which a recording with fewer runs is cut, and the least number that is accepted."""


class Parts(NamedTuple):
    """The training set, the validation set (`watched`) and the held-out set (`judged`)."""

    train: Trajectories
    watched: Trajectories
    judged: Trajectories

    def __str__(self) -> str:
        """How many pieces each part has, and how long they are."""
        lengths = np.concatenate([part.lengths for part in self])
        span = f"{lengths.min()}" if lengths.min() == lengths.max() else f"{lengths.min()} to {lengths.max()}"
        return (
            f"{len(lengths)} of {span} samples: {len(self.train)} to train, {len(self.watched)} to watch, "
            f"{len(self.judged)} to judge"
        )


def cut(name: str, trajectories: Trajectories, shortest: int) -> Trajectories:
    """Cut a recording at its gaps, and into pieces of equal length where there are fewer than `PIECES_WANTED` runs. The
    time of each piece begins at zero.

    **Arguments:**

    - `name`: of the recording, for the error.
    - `shortest`: least samples of a piece; shorter runs are left out.

    **Raises:** `NoAnswerError` if there are fewer than `MIN_PIECES` pieces.
    """
    long = [pair for pair in trajectories.split_at_gaps() if len(pair[0]) >= shortest]
    wanted = sum(len(t) for t, _ in long) / PIECES_WANTED if len(long) < PIECES_WANTED else np.inf
    pieces = [
        (t[rows] - t[rows[0]], y[rows])
        for t, y in long
        for rows in np.array_split(np.arange(len(t)), np.clip(round(len(t) / wanted), 1, len(t) // shortest))
    ]
    if len(pieces) < MIN_PIECES:
        raise NoAnswerError(
            f"{name} is too short: {int(trajectories.lengths.sum())} samples; expected enough for {MIN_PIECES} pieces "
            f"of {shortest}, to train on some and to judge by others"
        )
    return Trajectories([t for t, _ in pieces], [y for _, y in pieces], gap=math.inf, names=trajectories.names)


def dealt(pieces: Trajectories) -> Parts:
    """Deal ten pieces as 7 : 1 : 2. The third and the eighth are held out, the fifth is for validation, the others are
    for training. So each part holds high and low energies of a motion that dies away.
    """
    number = np.arange(len(pieces))
    judged, watched = number % 5 == 2, number % 10 == 4
    return Parts(*(pieces.select(part) for part in (~judged & ~watched, watched, judged)))

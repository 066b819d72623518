"""Parts of a recording: to train on, to watch while training, to judge by."""

import math
from typing import NamedTuple

import numpy as np

from ..trajectories import Trajectories
from .faults import NoAnswerError

WANTED, LEAST = 10, 5
"""Pieces into which a recording with fewer trajectories is cut, and how few will do."""


class Parts(NamedTuple):
    """Pieces of a recording."""

    train: Trajectories
    watched: Trajectories
    judged: Trajectories

    def __str__(self) -> str:
        """How many."""
        lengths = np.concatenate([part.lengths for part in self])
        span = f"{lengths.min()}" if lengths.min() == lengths.max() else f"{lengths.min()} to {lengths.max()}"
        return (
            f"{len(lengths)} of {span} samples: {len(self.train)} to train, {len(self.watched)} to watch, "
            f"{len(self.judged)} to judge"
        )


def cut(name: str, trajectories: Trajectories, shortest: int) -> Trajectories:
    """The runs between gaps; where there are fewer than `WANTED`, pieces of about one length. Each begins at time zero.

    **Arguments:**

    - `name`: of the recording, for the error.
    - `shortest`: least samples of a piece; shorter runs are left out.

    **Raises:** `NoAnswerError` if there are fewer than `LEAST` pieces.
    """
    long = [pair for pair in trajectories.split_at_gaps() if len(pair[0]) >= shortest]
    wanted = sum(len(t) for t, _ in long) / WANTED if len(long) < WANTED else np.inf
    pieces = [
        (t[rows] - t[rows[0]], y[rows])
        for t, y in long
        for rows in np.array_split(np.arange(len(t)), np.clip(round(len(t) / wanted), 1, len(t) // shortest))
    ]
    if len(pieces) < LEAST:
        raise NoAnswerError(
            f"{name} is too short: {int(trajectories.lengths.sum())} samples; expected enough for {LEAST} pieces of "
            f"{shortest}, to train on some and to judge by others"
        )
    return Trajectories([t for t, _ in pieces], [y for _, y in pieces], gap=math.inf, names=trajectories.names)


def dealt(pieces: Trajectories) -> Parts:
    """Of every ten pieces the third and the eighth judge, the fifth is watched, the others train: each part has some of
    every energy of a motion that dies away.
    """
    number = np.arange(len(pieces))
    judged, watched = number % 5 == 2, number % 10 == 4
    return Parts(*(pieces.select(part) for part in (~judged & ~watched, watched, judged)))

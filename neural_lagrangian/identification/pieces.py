"""Cut a recording into pieces, and split them into training set, validation set and held-out set."""

import math
from typing import NamedTuple

import numpy as np

from ..trajectories import Trajectories
from .faults import NoAnswerError

PIECES_WANTED, MIN_PIECES = 10, 5
"""Number of pieces into which a recording with fewer runs is cut, and smallest number that is accepted."""


class Parts(NamedTuple):
    """The training set, the validation set and the held-out set."""

    train: Trajectories
    validation: Trajectories
    held_out: Trajectories

    def __str__(self) -> str:
        """Number of pieces of each part, and their lengths."""
        lengths = np.concatenate([part.lengths for part in self])
        span = f"{lengths.min()}" if lengths.min() == lengths.max() else f"{lengths.min()} to {lengths.max()}"
        return (
            f"{len(lengths)} of {span} samples: {len(self.train)} for training, {len(self.validation)} for validation, "
            f"{len(self.held_out)} held out"
        )


def cut(name: str, trajectories: Trajectories, shortest: int) -> Trajectories:
    """Cut a recording into pieces. The time of each piece begins at zero.

    Each run between two gaps is a piece. If there are fewer than `PIECES_WANTED` runs, they are cut into pieces of
    similar length.

    **Arguments:**

    - `name`: name of the recording, for the error.
    - `shortest`: smallest number of samples of a piece. Shorter runs are left out.

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
            f"{name} is too short: {int(trajectories.lengths.sum())} samples give {len(pieces)} pieces of at least "
            f"{shortest} samples without a gap; expected at least {MIN_PIECES} pieces: record longer"
        )
    return Trajectories([t for t, _ in pieces], [y for _, y in pieces], gap=math.inf, names=trajectories.names)


def dealt(pieces: Trajectories) -> Parts:
    """Split pieces as 7 : 1 : 2 into training set, validation set and held-out set.

    Of each ten pieces, the third and the eighth are held out, and the fifth is for validation. The parts are spread
    over the recording, so that each holds high and low energies of a damped motion.
    """
    number = np.arange(len(pieces))
    held_out, validation = number % 5 == 2, number % 10 == 4
    return Parts(*(pieces.select(part) for part in (~held_out & ~validation, validation, held_out)))

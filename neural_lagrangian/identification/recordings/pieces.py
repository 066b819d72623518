"""Cut a recording into pieces, and split them into training set, validation set and held-out set."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool

from ...trajectories import Trajectories
from ..faults import NoAnswerError

PIECES_WANTED, MIN_PIECES = 10, 5
"""Number of pieces into which a recording with fewer runs is cut, and smallest number that is accepted."""
MIN_DEALT = 3
"""Smallest number of systems between the least and the largest with which whole systems are held out."""


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
            f"{len(self.held_out)} held out{self._systems()}"
        )

    def _systems(self) -> str:
        """Whether the systems that are held out are in the training set too, if parameters differ between runs."""
        if self.train.parameters is None:
            return ""
        names = ", ".join(self.train.parameters)
        trained, tested = (np.unique(_systems_of(part), axis=0) for part in (self.train, self.held_out))
        if (tested[:, None] == trained[None]).all(axis=2).any():
            return f"; their values of {names} are in the training set too, so values between them are not tested"
        values = "; ".join(", ".join(f"{x:.4g}" for x in system) for system in tested)
        return f"; their values of {names} are not in the training set: {values}"


def cut(name: str, trajectories: Trajectories, shortest: int) -> Trajectories:
    """Cut a recording into pieces. The time of each piece begins at zero.

    Each run between two gaps is a piece. If there are fewer than `PIECES_WANTED` runs, they are cut into pieces of
    similar length.

    **Arguments:**

    - `name`: name of the recording, for the error.
    - `shortest`: smallest number of samples of a piece. Shorter runs are left out.

    **Raises:** `NoAnswerError` if there are fewer than `MIN_PIECES` pieces.
    """
    trajectories = trajectories.split_at_gaps()
    long = [(run, t, y) for run, (t, y) in enumerate(trajectories) if len(t) >= shortest]
    wanted = sum(len(t) for _, t, _ in long) / PIECES_WANTED if len(long) < PIECES_WANTED else np.inf
    pieces = [
        (run, rows)
        for run, t, _ in long
        for rows in np.array_split(np.arange(len(t)), np.clip(round(len(t) / wanted), 1, len(t) // shortest))
    ]
    if len(pieces) < MIN_PIECES:
        raise NoAnswerError(
            f"{name} is too short: {int(trajectories.lengths.sum())} samples give {len(pieces)} pieces of at least "
            f"{shortest} samples without a gap; expected at least {MIN_PIECES} pieces: record longer"
        )
    return taken(trajectories, pieces).from_zero()


def taken(motion: Trajectories, parts: Sequence[tuple[int, np.ndarray]]) -> Trajectories:
    """Some rows of some trajectories, as trajectories of their own. `parts`: the trajectory and the rows of each."""
    each, rows = motion.select([i for i, _ in parts]), [rows for _, rows in parts]
    ts, ys = zip(*((t[at], y[at]) for (t, y), at in zip(each, rows, strict=True)), strict=True)
    beside = {"parameters": each.parameters, "names": motion.names}
    return Trajectories(list(ts), list(ys), **signals_in(each, rows), **beside, gap=math.inf)


def rows_where(wanted: Bool[np.ndarray, " time"]) -> list[np.ndarray]:
    """The rows of each run of rows that are wanted."""
    edges = np.flatnonzero(np.diff(wanted, prepend=False, append=False))
    return [np.arange(first, end) for first, end in edges.reshape(-1, 2)]


def signals_in(motion: Trajectories, rows: Sequence[np.ndarray]) -> dict[str, Any]:
    """The observations and the controls of a motion in some rows of each trajectory, as arguments of `Trajectories`."""

    def in_rows(each: np.ndarray) -> list[np.ndarray]:
        return [x[own] for x, own in zip(each, rows, strict=True)]

    seen = {name: in_rows(each) for name, each in (motion.observations or {}).items()}
    us = motion.controls
    return {"observations": seen or None, "controls": None if us is None else in_rows(us)}


def dealt(pieces: Trajectories) -> Parts:
    """Split pieces as 7 : 1 : 2 into training set, validation set and held-out set.

    Of each ten pieces, the third and the eighth are held out, and the fifth is for validation. The parts are spread
    over the recording, so that each holds high and low energies of a damped motion.
    """
    number = np.arange(len(pieces))
    return _selected(pieces, validation=number % 10 == 4, held_out=number % 5 == 2)


def by_system(trajectories: Trajectories) -> Trajectories:
    """The trajectories in the order of their parameters, so that no result depends on the order of the systems."""
    if trajectories.parameters is None:
        return trajectories
    return trajectories.select(np.lexsort(_systems_of(trajectories).T[::-1]))


def dealt_by_system(name: str, pieces: Trajectories) -> Parts:
    """Split pieces of several systems as 7 : 1 : 2. Each parameter has its least and largest value in the training set.

    If there are enough systems, that is, values of the parameters, whole systems are held out. The models are then
    judged by how they interpolate. Otherwise each system has a piece in the training set.

    **Arguments:**

    - `name`: name of the recording, for the error.
    - `pieces`: in the order of `by_system`.

    **Raises:** `NoAnswerError` if there are too few pieces.
    """
    systems, first, of_piece = np.unique(_systems_of(pieces), axis=0, return_index=True, return_inverse=True)
    ends = [np.argmin(values) for values in systems.T]
    ends += [len(systems) - 1 - np.argmax(values[::-1]) for values in systems.T]
    units, others = of_piece.reshape(-1), np.setdiff1d(np.arange(len(systems)), ends)
    if len(others) < MIN_DEALT:
        units, others = np.arange(len(pieces)), np.setdiff1d(np.arange(len(pieces)), first)
    if len(others) < MIN_DEALT:
        raise NoAnswerError(
            f"{name}: {len(pieces)} pieces of {len(systems)} systems are too few for a training set with all systems, "
            f"a validation set and a held-out set: record longer"
        )
    place = np.arange(len(others))
    validation, held_out = others[place % 10 == 0], others[place % 5 == 2]
    return _selected(pieces, validation=np.isin(units, validation), held_out=np.isin(units, held_out))


def _selected(pieces: Trajectories, *, validation: np.ndarray, held_out: np.ndarray) -> Parts:
    return Parts(*(pieces.select(part) for part in (~held_out & ~validation, validation, held_out)))


def _systems_of(motion: Trajectories) -> np.ndarray:
    """The parameters of each trajectory, shape `(trajectory, parameter)`."""
    return np.stack(list((motion.parameters or {}).values()), axis=1)

"""Channels of a recording, at the samples of its coordinates."""

from pathlib import Path

import numpy as np

from ...trajectories import DataFileError, Trajectories, continuous, read_beside
from ..faults import NoAnswerError
from ..remark import Remark
from .columns import Columns


def observed_beside(path: Path, columns: Columns, recorded: Trajectories) -> dict[str, np.ndarray]:
    """The channels of a file in SI units, shape `(trajectory, time, 1)`; NaN where a cell is empty.

    **Arguments:**

    - `recorded`: the motion in the file, of which the channels are wanted.

    **Raises:** `DataFileError` as `read_trajectories`, and for a column without a number beside the coordinates.
    """
    names, states = list(columns.observations), (*columns.positions, *columns.velocities)
    runs = read_beside(path, names, states, time=columns.time, trajectory=columns.trajectory)
    if [len(run) for run in runs] != recorded.lengths.tolist():
        raise NoAnswerError(f"{path}: the rows of {', '.join(names)} are not those of the coordinates")
    seen = {name: np.full((*recorded.ys.shape[:2], 1), np.nan) for name in names}
    for k, name in enumerate(names):
        factor = columns.observations[name].factor(columns.units.get(name))
        for i, run in enumerate(runs):
            seen[name][i, : len(run), 0] = factor * run[:, k]
        if not np.isfinite(seen[name]).any():
            beside = f"expected some beside {', '.join(states)}"
            raise DataFileError(f"has no number in a row with coordinates; {beside}", path=path, column=name)
    return seen


def without_turns(motion: Trajectories, columns: Columns) -> dict[str, np.ndarray] | None:
    """The channels of a motion. Those that see an angle, in a unit of angle, have no jumps by a turn.

    In each trajectory they are moved by whole turns to where they are closest to what they see.
    """
    seen = dict(motion.observations or {})
    for name, channel in columns.observations.items():
        unit = columns.units.get(name)
        if (
            channel.kind != "position"
            or channel.unit(unit) != "rad"
            or not set(channel.coordinates) <= set(columns.angles)
        ):
            continue
        angle = channel.of({name: motion.ys[..., columns.coordinates.index(name)] for name in channel.coordinates})
        seen[name] = values = seen[name].copy()
        for row, truth in zip(values[..., 0], angle, strict=True):
            there = np.isfinite(row)
            if there.any():
                smooth = continuous([row[there, None]], (0,))[0][:, 0]
                row[there] = smooth - 2 * np.pi * np.round(np.median(smooth - truth[there]) / (2 * np.pi))
    return seen or None


def unchanging_channels(motion: Trajectories) -> list[Remark]:
    """Remarks on channels without two different values: nothing can be learned of their sensors."""
    return [
        Remark(f"column {name!r} never changes, so it sees nothing; leave it out of `observations`")
        for name, values in (motion.observations or {}).items()
        if not len(np.unique(values[np.isfinite(values)])) > 1
    ]

"""Columns of a file in the rows in which other columns are complete."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .clocks import seconds_of
from .rows import complete_rows, grouped
from .tables import read_table


def read_beside(
    path: Path, names: Sequence[str], complete: Sequence[str], *, time: str, trajectory: str | None
) -> list[np.ndarray]:
    """Columns of a file as they are written, NaN where a cell is empty, at the samples of other columns.

    **Arguments:**

    - `names`: columns to read.
    - `complete`: columns without empty cells in the rows that count, as positions and velocities in
      `read_trajectories`. The trajectories and their rows are those of `read_trajectories` with these columns.
    - `time`, `trajectory`: as for `read_trajectories`.

    **Returns:** for each trajectory an array of shape `(time, name)`.

    **Raises:** `DataFileError` as `read_trajectories`.
    """
    needed = [time, *complete]
    table = read_table(path, [*needed, *names], [] if trajectory is None else [trajectory], clock=time)
    table.columns[time] = seconds_of(table, time, path)
    rows = complete_rows(path, table, needed, trajectory, optional=names)
    order, bounds = grouped(None if trajectory is None else table.columns[trajectory][rows], len(rows))
    rows = rows if order is None else rows[order]
    return np.split(np.stack([table.columns[name][rows] for name in names], axis=1), bounds[1:-1])

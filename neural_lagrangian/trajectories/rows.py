"""Rows of a table as samples: complete rows, their trajectories, and a check of the order of times."""

from collections.abc import Sequence
from os import PathLike

import numpy as np

from .errors import DataFileError
from .table import Table


def complete_rows(
    path: PathLike[str] | None,
    table: Table,
    numbers: Sequence[str],
    trajectory: str | None,
    *,
    optional: Sequence[str] = (),
) -> np.ndarray:
    """The indices of the rows without empty cells, except those in `optional` columns. The other rows are missing
    samples.

    **Raises:** `DataFileError` for infinite numbers, a row without a trajectory, or if no row is complete.
    """
    missing = {name: np.isnan(table.columns[name]) for name in numbers}
    complete = ~np.logical_or.reduce(list(missing.values()))
    faults = {name: np.isinf(table.columns[name]) for name in (*numbers, *optional)}
    if trajectory is not None:
        labels = table.columns[trajectory]
        empty = np.isnan(labels) if labels.dtype.kind == "f" else np.isin(labels, np.array(["", None, "nan"], object))
        faults[trajectory] = np.asarray(empty) & complete
    found = [(int(np.argmax(wrong)), name) for name, wrong in faults.items() if wrong.any()]
    if found:
        index, name = min(found)
        fault = "is missing; expected the trajectory of each sample" if name == trajectory else "is infinite"
        at = {"row": table.row_number(index), "column": name, "counted": table.counted}
        raise DataFileError(f"{fault}{'' if name == trajectory else '; expected a finite number'}", path=path, **at)
    if not complete.any():
        bare = [name for name, wrong in missing.items() if wrong.all()]
        if bare:
            raise DataFileError("has no number in any row; name another column", path=path, column=bare[0])
        raise DataFileError(
            f"no row has a number in each of the columns {', '.join(map(repr, numbers))}; name fewer columns", path=path
        )
    return np.flatnonzero(complete)


def grouped(labels: np.ndarray | None, rows: int) -> tuple[np.ndarray | None, np.ndarray]:
    """Group rows by trajectory: returns the order of the rows (`None`: unchanged) and the bounds of the trajectories.

    Trajectories are in the order of their first rows. Rows of one trajectory keep their order.
    """
    if labels is None:
        return None, np.array([0, rows])
    changes = np.flatnonzero(labels[1:] != labels[:-1]) + 1
    runs = labels[np.concatenate([[0], changes])]
    _, first, run_codes = np.unique(runs, return_index=True, return_inverse=True)
    if len(first) == len(runs):
        return None, np.concatenate([[0], changes, [rows]])
    ranks = np.argsort(np.argsort(first))  # rank of each label by first appearance
    codes = np.repeat(ranks[run_codes], np.diff(np.concatenate([[0], changes, [rows]])))
    return np.argsort(codes, kind="stable"), np.concatenate([[0], np.cumsum(np.bincount(codes))])


def check_order(
    path: PathLike[str] | None,
    table: Table,
    ts: Sequence[np.ndarray],
    rows: np.ndarray,
    time: str,
    trajectory: str | None,
) -> None:
    """Check that the times of each trajectory strictly increase.

    **Raises:** `DataFileError` at the first row whose time does not increase.
    """
    ends = np.cumsum([len(t) for t in ts])
    steps = np.diff(np.concatenate(ts))
    steps[ends[:-1] - 1] = np.nan  # from one trajectory to the next
    faulty = np.flatnonzero(steps <= 0) + 1
    if not len(faulty):
        return
    index = int(faulty[np.argmin(rows[faulty])])
    earlier, later = (float(np.concatenate(ts)[i]) for i in (index - 1, index))
    fault = "repeats" if later == earlier else "runs backwards"
    alone = trajectory is None and later < earlier
    several = (
        "; if another trajectory begins here, `trajectory` is the column with the labels of trajectories"
        if alone
        else ""
    )
    raise DataFileError(
        f"{fault}: {later} s follows {earlier} s; expected strictly increasing times{several}",
        path=path,
        row=table.row_number(int(rows[index])),
        column=time,
        counted=table.counted,
    )

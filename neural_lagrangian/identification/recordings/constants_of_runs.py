"""Columns that are constant in each trajectory, such as a length or a payload: parameters of the system."""

from pathlib import Path

import numpy as np

from ...trajectories import Trajectories, headings_of, read_table
from ..remark import Remark
from .columns import Columns


def constants_of_runs(path: Path, columns: Columns) -> list[Remark]:
    """Remarks on columns without a role that may be parameters: `identify` takes all trajectories for one system."""
    free = [
        heading.text for heading in headings_of(path) if heading.name not in columns.used and heading.kind == "number"
    ]
    if columns.trajectory is None or not free:
        return []
    table = read_table(path, free, [columns.trajectory]).columns
    _, first, run = np.unique(table[columns.trajectory].astype(str), return_index=True, return_inverse=True)
    found = []
    for name in free:
        values = table[name]
        each = values[first]
        if np.isfinite(values).all() and (values == each[run]).all() and np.ptp(each) > 0:
            found.append(
                Remark(
                    f"{name}: constant in each trajectory, and from {each.min():.4g} to {each.max():.4g} over all. "
                    f"It is not used: all trajectories are taken for one system. If it is a parameter of the system, "
                    f"such as a length, declare it (",
                    {"parameters": [*columns.parameters, name]},
                    ")",
                )
            )
    return found


def equal_in_all_runs(motion: Trajectories, columns: Columns) -> list[Remark]:
    """Remarks on declared parameters that have one value only."""
    return [
        Remark(
            f"the parameter {name!r} is {values[0]:.4g} in all trajectories; expected values that differ: leave it out"
        )
        for name, values in (motion.parameters or {}).items()
        if name in columns.parameters and not np.ptp(values) > 0
    ]

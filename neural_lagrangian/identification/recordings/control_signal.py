"""Controls of a prediction: a file, or constant values."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ...trajectories import heading_of, read_beside
from ..faults import UsageError
from .columns import Columns, of_another_file
from .declared import check_suffix


def signal_of(
    folder: str, columns: Columns, controls: Mapping[str, float] | str | Path | None, until: float
) -> tuple[np.ndarray, np.ndarray] | None:
    """Times in seconds from the start, and controls at these times, shape `(time, m)`; `None` for free motion.

    **Arguments:**

    - `folder`: the folder of the model, for the errors. `until`: duration of the prediction in seconds.

    **Raises:** `UsageError` for missing or unknown controls, for controls of free motion, and for a file that is too
    short, whose times do not increase, or that has empty cells; the errors of `read_trajectories`.
    """
    names = columns.controls
    if not names:
        if controls is not None:
            raise UsageError(f"`controls` are {controls}, but {folder} was learned from free motion; leave them out")
        return None
    zero = f"{names[0]}=0" if len(names) == 1 else " ".join(f"{name}=0" for name in names)
    if controls is None:
        raise UsageError(
            f"{folder} was learned from driven motion; give `controls`: a file with the columns "
            f"{', '.join((columns.time, *names))}, or constant values, such as {zero}"
        )
    if isinstance(controls, Mapping):
        short = {heading_of(name).base: name for name in names}
        given = {short.get(name, name): value for name, value in controls.items()}
        if set(given) != set(names):
            raise UsageError(f"`controls` names {', '.join(controls)}; expected {', '.join(names)}, such as {zero}")
        values = np.array([given[name] for name in names], float)
        if not np.isfinite(values).all():
            raise UsageError(f"`controls` are {dict(controls)}; expected finite numbers")
        return np.array([0.0, max(until, 1.0)]), np.stack([values, values])
    path = Path(controls)
    check_suffix(path)
    (rows,) = read_beside(path, [columns.time, *names], [], time=columns.time, trajectory=None)
    ts = (rows[:, 0] - rows[0, 0]) * of_another_file(path, columns).time_factor
    if len(back := np.flatnonzero(np.diff(ts) <= 0)):
        earlier, later = rows[back[0], 0], rows[back[0] + 1, 0]
        raise UsageError(
            f"{path}: {columns.time} {later:.6g} follows {earlier:.6g}; expected strictly increasing times"
        )
    if ts[-1] < until * (1 - 1e-9):
        raise UsageError(f"{path}: the controls end after {ts[-1]:.6g} s; expected {until:.6g} s, as `until` says")
    empty = np.argwhere(~np.isfinite(rows[:, 1:]))
    if len(empty):
        at, k = empty[0]
        raise UsageError(f"{path}: {names[k]!r} has no number {ts[at]:.6g} s after the start; expected one in each row")
    return ts, rows[:, 1:]

"""Known parameters of trajectories, by name."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .._checks import is_named
from .errors import DataFileError, DtypeError, NonFiniteError, ShapeError


def checked_parameters(parameters: Any, count: int) -> dict[str, np.ndarray]:
    """The parameters of `count` trajectories as floating-point arrays.

    **Raises:** `ShapeError` if they are not arrays by name with one row for each trajectory; `DtypeError` for other
    values than real numbers; `NonFiniteError` for NaN and infinity.
    """
    if not is_named(parameters):
        raise ShapeError(
            f"`parameters` is {parameters!r:.80}; expected a dictionary from names to arrays, such as "
            f'{{"length": array of shape (trajectory,)}}'
        )
    return {name: _checked(f"parameters[{name!r}]", value, count) for name, value in parameters.items()}


def _checked(name: str, value: Any, count: int) -> np.ndarray:
    array = np.asarray(value)
    if array.dtype.kind not in "fiu":
        raise DtypeError(f"`{name}` has dtype {array.dtype}; expected real numbers")
    if array.ndim == 0 and count == 1:
        array = array[None]
    if array.ndim not in (1, 2) or len(array) != count:
        raise ShapeError(
            f"`{name}` has shape {array.shape}; expected ({count},) or ({count}, k), a row for each trajectory"
        )
    array = array if array.dtype.kind == "f" else array.astype(float)
    wrong = ~np.isfinite(array).reshape(count, -1).all(axis=1)
    if wrong.any():
        raise NonFiniteError(f"`{name}` is not finite in trajectory {int(np.argmax(wrong))}; expected finite numbers")
    return array


def constant_of(
    names: Mapping[str, str | Sequence[str]] | Sequence[str], samples: Sequence[np.ndarray], file: Path | None
) -> dict[str, np.ndarray]:
    """Parameters by name from columns that repeat them at each sample, `(time, k)` for each trajectory.

    **Arguments:**

    - `names`: names of columns, or by parameter, in the order of the columns of `samples`. A parameter with a list of
      columns has the shape `(trajectory, k)`.

    **Raises:** `DataFileError` for a column that changes within a trajectory.
    """
    by_name = names if isinstance(names, Mapping) else {name: name for name in names}
    found, k = {}, 0
    for name, own in by_name.items():
        columns = [own] if isinstance(own, str) else own
        values = np.stack([_constant(columns, k, number, rows, file) for number, rows in enumerate(samples)])
        found[name] = values[:, 0] if isinstance(own, str) else values
        k += len(columns)
    return found


def _constant(names: Sequence[str], first: int, number: int, rows: np.ndarray, file: Path | None) -> np.ndarray:
    """The values of the columns `names` of one trajectory, from the column with the index `first` on."""
    for name, column in zip(names, rows.T[first:], strict=False):
        if (column != column[0]).any():
            raise DataFileError(
                f"is named in `parameters`, but changes in trajectory {number}, from {column.min():g} to "
                f"{column.max():g}; expected one value for each trajectory: name the column that numbers them as "
                f"`trajectory`, or leave this column out, since a parameter does not change in time",
                path=file,
                column=name,
            )
    return rows[0, first : first + len(names)]

"""Writing of recordings to files with named columns."""

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from .container import Trajectories
from .headings import heading_of
from .quantities import quantities_of, si_factors
from .readings import channels_of
from .tables import write_table

Columns = dict[str, tuple[str, ...]]
"""Names of columns by the name of the array that they hold."""


def write_trajectories(
    path: str | PathLike[str],
    trajectories: Trajectories,
    *,
    positions: Sequence[str] | None = None,
    velocities: Sequence[str] | None = None,
    accelerations: Sequence[str] | None = None,
    controls: Sequence[str] | None = None,
    observations: Mapping[str, str | Sequence[str]] | Sequence[str] | None = None,
    parameters: Mapping[str, str | Sequence[str]] | Sequence[str] | None = None,
    time: str = "t",
    trajectory: str | None = None,
    units: Mapping[str, str] | None = None,
) -> None:
    """Write motion to a CSV, NumPy (.npz), Parquet or HDF5 file.

    The write is atomic, and numbers are exact. `read_trajectories` reads the file again if it is given the same names
    and units. Missing values of observations are NaN.

    **Arguments:**

    - `path`: the file. Its suffix gives the format.
    - `trajectories`: the motion, in SI units.
    - `positions`: one column name for each coordinate (default: the `names` of the trajectories).
    - `velocities`, `accelerations`, `controls`: column names. Without names, these quantities are not written.
    - `observations`, `parameters`: column names by channel, and by parameter, such as `{"camera": ["x", "y"]}`; or the
      names of those that have one column, which is called the same. An empty list leaves all out. Default: all of them;
      the columns of a wider one are called `camera_0`, `camera_1`, ...
    - `time`: column of the times.
    - `trajectory`: column for the number of the trajectory, counted from 0. Required for several trajectories.
    - `units`: unit of each column in the file, such as `{"t": "ms"}` (default: SI, or the known unit in the column's
      name, as in `angle (deg)`). The numbers are converted, except controls and parameters.

    **Raises:** `ValueError` for names that do not match the motion; `DataFileError` for an unknown or unsuitable unit;
    `OSError` if the file cannot be written; `ImportError` as for reading.

    **Example:**

    ```python
    >>> import pathlib, numpy as np, neural_lagrangian as nl
    >>> seen = {"camera": np.array([[3.0], [np.nan]])}
    >>> motion = nl.Trajectories(np.array([0.0, 0.5]), np.array([[1.0, 2.0], [2.0, 2.0]]), observations=seen)
    >>> nl.trajectories.write_trajectories("stone.csv", motion, positions=["x"], velocities=["v"])
    >>> pathlib.Path("stone.csv").read_text().split()
    ['t,x,v,camera', '0.0,1.0,2.0,3.0', '0.5,2.0,2.0,nan']
    ```
    """
    path = Path(path)
    positions = _names_of(trajectories) if positions is None else positions
    channels = _columns_of("observations", observations, trajectories.observations, 2)
    known = _columns_of("parameters", parameters, trajectories.parameters, 1)
    readings, constants = ([name for own in of.values() for name in own] for of in (channels, known))
    quantities = quantities_of(time, positions, velocities, accelerations, controls, trajectory, constants, readings)
    _check(trajectories, positions, accelerations, controls, trajectory)
    written = {name: unit for name, of in quantities.items() if of != "control" and (unit := heading_of(name).unit)}
    factors = si_factors(path, quantities, written | dict(units or {}))
    mask = trajectories.mask
    columns: dict[str, np.ndarray] = {}
    if trajectory is not None:
        columns[trajectory] = np.repeat(np.arange(len(trajectories)), trajectories.lengths)
    columns[time] = trajectories.ts[mask]
    columns.update(zip(list(positions) + list(velocities or ()), trajectories.ys[mask].T, strict=False))
    if accelerations is not None and trajectories.accelerations is not None:
        columns.update(zip(accelerations, trajectories.accelerations[mask].T, strict=True))
    if controls is not None and trajectories.controls is not None:
        columns.update(zip(controls, trajectories.controls[mask].T, strict=True))
    for name, own in channels.items():
        columns.update(zip(own, (trajectories.observations or {})[name][mask].T, strict=True))
    for name, own in known.items():
        each = (trajectories.parameters or {})[name].reshape(len(trajectories), -1)
        columns.update(zip(own, np.repeat(each, trajectories.lengths, axis=0).T, strict=True))
    for name in quantities:  # single precision is exact in double precision
        columns[name] = columns[name].astype(np.float64) / factors.get(name, 1.0)
    write_table(path, columns)


def _columns_of(argument: str, given: Any, arrays: Mapping[str, np.ndarray] | None, ndim: int) -> Columns:
    """The columns of each channel, or of each parameter. An array with `ndim` axes has one column.

    **Raises:** `ValueError` for names that the trajectories do not have, or as many columns as an array does not have.
    """
    arrays = arrays or {}
    widths = {name: 1 if array.ndim == ndim else array.shape[-1] for name, array in arrays.items()}
    if given is None:
        return {
            name: (name,) if width == 1 else tuple(f"{name}_{k}" for k in range(width))
            for name, width in widths.items()
        }
    if isinstance(given, Sequence | Mapping) and not given:
        return {}
    columns = channels_of(given, argument)[0]
    for name, own in columns.items():
        if name not in arrays:
            raise ValueError(
                f"`{argument}` names {name!r}; expected some of {sorted(arrays)}, as the trajectories have"
            )
        if len(own) != widths[name]:
            raise ValueError(f"`{argument}[{name!r}]` names {len(own)} columns; expected {widths[name]}")
    return columns


def _check(
    trajectories: Trajectories,
    positions: Sequence[str],
    accelerations: Sequence[str] | None,
    controls: Sequence[str] | None,
    trajectory: str | None,
) -> None:
    """**Raises:** `ValueError` for names of what the trajectories do not have."""
    dof = trajectories.dof
    if len(positions) != dof:
        raise ValueError(f"`positions` names {len(positions)} columns; expected {dof}, the degrees of freedom")
    if trajectory is None and len(trajectories) > 1:
        raise ValueError(
            f"`trajectory` is None; expected a column name for the number of the trajectory, since there are "
            f"{len(trajectories)}"
        )
    if accelerations is not None and trajectories.accelerations is None:
        raise ValueError("`accelerations` are named, but the trajectories have none; expected `accelerations=None`")
    if controls is not None and (trajectories.controls is None or trajectories.controls.shape[2] != len(controls)):
        found = 0 if trajectories.controls is None else trajectories.controls.shape[2]
        raise ValueError(f"`controls` names {len(controls)} columns; expected {found}, as the trajectories have")


def _names_of(trajectories: Trajectories) -> tuple[str, ...]:
    if trajectories.names is None:
        raise ValueError(
            f"`positions` is None; expected {trajectories.dof} names, since the trajectories have no names"
        )
    return trajectories.names

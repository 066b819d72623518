"""Recordings in files, by the names of their columns."""

from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from pathlib import Path

import numpy as np

from .container import Trajectories
from .differentiate import differentiate
from .errors import DataFileError
from .tables import Table, read_table, write_table
from .units import Quantity, measures_angle, si_factor


def read_trajectories(
    path: str | PathLike[str],
    *,
    positions: Sequence[str],
    velocities: Sequence[str] | None = None,
    accelerations: Sequence[str] | None = None,
    controls: Sequence[str] | None = None,
    time: str = "t",
    trajectory: str | None = None,
    units: Mapping[str, str] | None = None,
    max_gap: float | None = None,
    estimate: Callable[..., Trajectories] = differentiate,
) -> Trajectories:
    """Recorded motion from a CSV, NumPy (.npz), Parquet or HDF5 file, one sample a row.

    Either the whole file is sound and comes back in SI units and double precision, or nothing does. CSV and NumPy
    need no further package; Parquet and HDF5 need the extra `io`.

    **Arguments:**

    - `path`: the file; its suffix tells the format: `.csv` (one header line, commas), `.npz`, `.parquet`, `.h5`.
    - `positions`: names of the columns of the coordinates, in their order.
    - `velocities`: names of their rates, in the same order. Without them the velocities are estimated by `estimate`.
    - `accelerations`: names of their second derivatives, optional.
    - `controls`: names of what drove the motion, such as motor torques, any number of them, optional; read as they are.
    - `time`: name of the column of times.
    - `trajectory`: name of a column, of numbers or words, that tells trajectories apart; they come in the order in
      which they first appear, each with its rows in the order of the file. Without it the file is one trajectory.
    - `units`: what the numbers of a column are in, such as `{"t": "ms", "theta": "deg", "omega": "deg/s"}`; columns
      without are in SI units. See `trajectories.units` for those known.
    - `max_gap`: largest time in seconds from one sample to the next; a longer one is refused as a gap.
    - `estimate`: `estimate(ts, qs) -> Trajectories` of lists of times and coordinates, where there are no velocities.

    **Raises:** `DataFileError` naming file, row and column: a missing column or value, text in place of a number,
    infinity, times that repeat or decrease, a gap, a unit that is unknown or of another kind, a damaged or truncated
    file (a text cut off inside its last number cannot be told from a sound one). `ValueError` for arguments that do
    not fit together; `TrajectoryError` for a trajectory too short for `estimate`; `OSError` if the file cannot be
    opened; `ImportError` if its format needs a package that is not installed.
    """
    path = Path(path)
    quantities = _quantities(time, positions, velocities, accelerations, controls, trajectory)
    if velocities is None and accelerations is not None:
        raise ValueError("`accelerations` are named, `velocities` are not; expected both, or neither")
    if max_gap is not None and not max_gap > 0:
        raise ValueError(f"`max_gap` is {max_gap!r}; expected a positive time in seconds")
    factors = _si_factors(path, quantities, units)
    table = read_table(path, list(quantities), [] if trajectory is None else [trajectory])
    for name, factor in factors.items():
        table.columns[name] = table.columns[name] * factor
    _check_missing(path, table)
    order, bounds = _grouped(None if trajectory is None else table.columns[trajectory], len(table.columns[time]))

    def samples(names: Sequence[str]) -> np.ndarray:
        columns = np.stack([table.columns[name] for name in names], axis=1)
        return columns if order is None else columns[order]

    ts = samples([time])[:, 0]
    _check_times(path, table, ts, order, bounds, time, max_gap)

    def pieces(rows: np.ndarray) -> list[np.ndarray]:
        return np.split(rows, bounds[1:-1])

    named = {"accelerations": accelerations, "controls": controls}
    extras = {argument: pieces(samples(names)) for argument, names in named.items() if names is not None}
    if velocities is None:
        motion = estimate(pieces(ts), pieces(samples(positions)))
        return motion if controls is None else _with_controls(motion, extras["controls"])
    ys = pieces(samples([*positions, *velocities]))
    if len(ys) == 1:  # as it is: nothing to pad
        return Trajectories(ts, ys[0], **{argument: rows[0] for argument, rows in extras.items()})
    return Trajectories(pieces(ts), ys, **extras)


def write_trajectories(
    path: str | PathLike[str],
    trajectories: Trajectories,
    *,
    positions: Sequence[str],
    velocities: Sequence[str] | None = None,
    accelerations: Sequence[str] | None = None,
    controls: Sequence[str] | None = None,
    time: str = "t",
    trajectory: str | None = None,
    units: Mapping[str, str] | None = None,
) -> None:
    """Write motion to a CSV, NumPy (.npz), Parquet or HDF5 file: all or nothing, every number exactly.

    **Arguments:** as for `read_trajectories`, which reads it back. Velocities, accelerations and controls that are
    not named are not written. The column `trajectory` numbers the trajectories from 0. With `units` the numbers are
    converted.

    **Raises:** `ValueError` for names that do not fit the motion; `DataFileError` for a unit that is unknown or of
    another kind; `OSError` if the file cannot be written; `ImportError` as for reading.
    """
    path = Path(path)
    quantities = _quantities(time, positions, velocities, accelerations, controls, trajectory)
    dof = trajectories.dof
    if len(positions) != dof:
        raise ValueError(f"`positions` names {len(positions)} columns; expected {dof}, the degrees of freedom")
    if trajectory is None and len(trajectories) > 1:
        raise ValueError(f"`trajectory` is None; expected the name of a column to tell {len(trajectories)} apart")
    if accelerations is not None and trajectories.accelerations is None:
        raise ValueError("`accelerations` are named; the trajectories carry none")
    if controls is not None and (trajectories.controls is None or trajectories.controls.shape[2] != len(controls)):
        found = 0 if trajectories.controls is None else trajectories.controls.shape[2]
        raise ValueError(f"`controls` names {len(controls)} columns; the trajectories carry {found}")
    factors = _si_factors(path, quantities, units)
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
    for name in quantities:  # single precision is exact in double, and reads back as what it was
        columns[name] = columns[name].astype(np.float64) / factors.get(name, 1.0)
    write_table(path, columns)


def _with_controls(motion: Trajectories, controls: list[np.ndarray]) -> Trajectories:
    a = motion.accelerations
    a = None if a is None else [rows[:length] for rows, length in zip(a, motion.lengths, strict=True)]
    ts, ys = map(list, zip(*motion, strict=True))
    return Trajectories(ts, ys, accelerations=a, controls=controls)


def _quantities(
    time: str,
    positions: Sequence[str],
    velocities: Sequence[str] | None,
    accelerations: Sequence[str] | None,
    controls: Sequence[str] | None,
    trajectory: str | None,
) -> dict[str, Quantity]:
    """What each numeric column measures."""
    if isinstance(positions, str) or len(positions) == 0:
        raise ValueError(f"`positions` is {positions!r}; expected a sequence of names of columns")
    for argument, names in (("velocities", velocities), ("accelerations", accelerations)):
        if names is not None and (isinstance(names, str) or len(names) != len(positions)):
            raise ValueError(f"`{argument}` is {names!r}; expected {len(positions)} names, as `positions`")
    if controls is not None and (isinstance(controls, str) or len(controls) == 0):
        raise ValueError(f"`controls` is {controls!r}; expected a sequence of names of columns")
    named: dict[Quantity, Sequence[str]] = {
        "time": [time],
        "position": positions,
        "velocity": velocities or [],
        "acceleration": accelerations or [],
        "control": controls or [],
    }
    names = [name for group in named.values() for name in group] + ([] if trajectory is None else [trajectory])
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"column {name!r} is named {names.count(name)} times; expected each to serve once")
    return {name: quantity for quantity, group in named.items() for name in group}


def _si_factors(path: Path, quantities: Mapping[str, Quantity], units: Mapping[str, str] | None) -> dict[str, float]:
    """Factors of the columns whose unit is declared."""
    units = units or {}
    factors = {}
    for name, unit in units.items():
        if name not in quantities:
            raise DataFileError(f"has a unit, {unit!r}, but is none of the columns named", path=path, column=name)
        if quantities[name] == "control":
            raise DataFileError(
                f"has a unit, {unit!r}; expected none, controls are read as they are", path=path, column=name
            )
        try:
            factors[name] = si_factor(unit, quantities[name])
        except ValueError as error:
            raise DataFileError(str(error), path=path, column=name) from None
    positions = [name for name, quantity in quantities.items() if quantity == "position"]
    for quantity in ("velocity", "acceleration"):
        rates = [name for name in quantities if quantities[name] == quantity]
        for q, rate in zip(positions, rates, strict=False):
            if q in units and rate in units and measures_angle(units[q]) != measures_angle(units[rate]):
                message = f"is in {units[rate]}, but {q!r}, whose {quantity} it is, in {units[q]}"
                raise DataFileError(message, path=path, column=rate)
    return factors


def _check_missing(path: Path, table: Table) -> None:
    first = None
    for name, column in table.columns.items():
        if column.dtype.kind == "f":
            bad = ~np.isfinite(column)
        else:  # labels
            bad = column == ("" if column.dtype.kind == "U" else np.array(None))
        if np.any(bad):
            index = int(np.argmax(bad))
            if first is None or index < first[0]:
                first = index, name, column[index]
    if first is not None:
        index, name, value = first
        fault = "is infinite" if isinstance(value, float) and np.isinf(value) else "is missing (a gap)"
        raise DataFileError(
            f"{fault}; expected a value in every row, or the recording split there",
            path=path,
            row=index + table.first_row,
            column=name,
            counted=table.counted,
        )


def _grouped(labels: np.ndarray | None, rows: int) -> tuple[np.ndarray | None, np.ndarray]:
    """The order of rows that brings each trajectory's together (`None`: as they are), and where each begins and ends.

    Trajectories are in the order of their first rows; rows of each keep theirs.
    """
    if labels is None:
        return None, np.array([0, rows])
    changes = np.flatnonzero(labels[1:] != labels[:-1]) + 1
    runs = labels[np.concatenate([[0], changes])]
    _, first, run_codes = np.unique(runs, return_index=True, return_inverse=True)
    if len(first) == len(runs):
        return None, np.concatenate([[0], changes, [rows]])
    ranks = np.argsort(np.argsort(first))  # of each label: its place by first appearance
    codes = np.repeat(ranks[run_codes], np.diff(np.concatenate([[0], changes, [rows]])))
    return np.argsort(codes, kind="stable"), np.concatenate([[0], np.cumsum(np.bincount(codes))])


def _check_times(
    path: Path,
    table: Table,
    ts: np.ndarray,
    order: np.ndarray | None,
    bounds: np.ndarray,
    time: str,
    max_gap: float | None,
) -> None:
    steps = np.diff(ts)
    steps[bounds[1:-1] - 1] = np.nan  # from one trajectory to the next
    wrong = steps <= 0
    if max_gap is not None:
        wrong |= steps > max_gap
    if not wrong.any():
        return
    faulty = np.flatnonzero(wrong) + 1
    rows = faulty if order is None else order[faulty]
    earliest = int(np.argmin(rows))
    index = int(faulty[earliest])
    earlier, later, step = float(ts[index - 1]), float(ts[index]), float(ts[index] - ts[index - 1])
    if step > 0:
        fault = f"jumps by {step:.9g} s after {earlier} s, more than `max_gap` = {max_gap} s (a gap)"
    else:
        fault = f"{'repeats' if step == 0 else 'runs backwards'}: {later} s follows {earlier} s"
    raise DataFileError(
        f"{fault}; expected strictly increasing times, or the recording split there",
        path=path,
        row=int(rows[earliest]) + table.first_row,
        column=time,
        counted=table.counted,
    )

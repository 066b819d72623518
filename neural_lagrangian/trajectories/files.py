"""Recordings in files and data frames, by the names of their columns."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from .clocks import seconds_of
from .container import Trajectories
from .differentiate import differentiate
from .gaps import check_gap
from .headings import find_heading
from .quantities import quantities_of, si_factors
from .rows import check_order, complete_rows, grouped
from .tables import headings_of, read_table, write_table
from .units import QuantityName, measures_angle


def read_trajectories(
    path: str | PathLike[str] | Any,
    *,
    positions: Sequence[str],
    velocities: Sequence[str] | None = None,
    accelerations: Sequence[str] | None = None,
    controls: Sequence[str] | None = None,
    time: str = "t",
    trajectory: str | None = None,
    units: Mapping[str, str] | None = None,
    gap: float | None = None,
    estimate: Callable[..., Trajectories] = differentiate,
) -> Trajectories:
    r"""Recorded motion from a file or a data frame, one sample a row, in SI units and double precision.

    Each run between gaps comes back as a trajectory of its own, with its own times. A row in which one of the named
    columns is empty (or NaN) is a missing sample. Other columns do not matter.

    **Arguments:**

    - `path`: a file, or a data frame of pandas or polars, or a mapping of names to arrays. The suffix of a file tells
      its format. `.csv`, `.tsv`, `.txt`, `.dat`: text; encoding, delimiter, decimal mark, comments and lines before
      the names are found from the file. `.npz`: NumPy. With the extra `io` also `.xlsx`, `.xls`, `.ods` (the first
      sheet), `.parquet` and `.h5`.
    - `positions`: names of the columns of the coordinates, in their order. A heading such as `x (cm)`, `theta [deg]`
      or `t / s` may be given as `x`, `theta`, `t`; its unit is used. A line of units below the names is used too.
    - `velocities`: names of their rates, in the same order. Without them the velocities are estimated by `estimate`.
    - `accelerations`: names of their second derivatives, optional.
    - `controls`: names of what drove the motion, such as motor torques, any number of them, optional; read as they are.
    - `time`: name of the column of times: numbers, or dates (ISO 8601) or times of day, which become seconds from the
      first.
    - `trajectory`: name of a column, of numbers or words, that tells trajectories apart; they come in the order in
      which they first appear, each with its rows in the order of the file. Without it the file is one trajectory.
    - `units`: what the numbers of a column are in, such as `{"t": "ms", "theta": "deg", "omega": "deg/s"}`, whatever
      its heading says; columns without a unit are in SI units. See `trajectories.units` for those known. Coordinates in
      units of angle that were wrapped to one turn are made continuous.
    - `gap`: the longest interval in seconds that is no gap, as for `Trajectories`; `math.inf` for no gaps.
    - `estimate`: `estimate(ts, qs) -> Trajectories` of lists of times and coordinates, where there are no velocities.
      It gets whole trajectories and must not reach across gaps; with `gap` given it is called with `gap=gap` too.

    **Raises:** `DataFileError` naming file, row and column: a missing column, text in place of a number, infinity,
    times that repeat or decrease, a unit that is unknown or of another kind, a damaged or truncated file (a text cut
    off inside its last number cannot be told from a sound one). `ValueError` for arguments that do not fit together;
    `TrajectoryError` for a trajectory too short for `estimate`; `OSError` if the file cannot be opened; `ImportError`
    if its format needs a package that is not installed.

    **Example:**

    ```python
    >>> import pathlib, neural_lagrangian as nl
    >>> rows = "\n".join(f"0,{i:02};{i},5" for i in range(20))
    >>> _ = pathlib.Path("swing.csv").write_text("time (s);angle (deg)\n" + rows)
    >>> motion = nl.read_trajectories("swing.csv", time="time", positions=["angle"])
    >>> motion.names, round(float(motion.ys[0, 0, 0]), 5)  # 0.5 degrees in radians
    (('angle',), 0.00873)
    ```
    """
    source = Path(path) if isinstance(path, (str, PathLike)) else path
    file = source if isinstance(source, Path) else None
    quantities = quantities_of(time, positions, velocities, accelerations, controls, trajectory)
    if velocities is None and accelerations is not None:
        raise ValueError("`accelerations` are named, `velocities` are not; expected both, or neither")
    check_gap(gap)
    headings = headings_of(source)
    places = {name: find_heading(headings, name, file) for name in quantities}
    known = _units_of(quantities, places, headings, units or {}, file)
    factors = si_factors(file, quantities, known)
    table = read_table(source, list(quantities), [] if trajectory is None else [trajectory], clock=time)
    table.columns[time] = seconds_of(table, time, file)
    if headings[places[time]].kind in ("clock", "text"):
        factors.pop(time, None)
    for name, factor in factors.items():
        table.columns[name] = table.columns[name] * factor
    rows = complete_rows(file, table, list(quantities), trajectory)
    order, bounds = grouped(None if trajectory is None else table.columns[trajectory][rows], len(rows))
    rows = rows if order is None else rows[order]

    def pieces(names: Sequence[str]) -> list[np.ndarray]:
        samples = np.stack([table.columns[name][rows] for name in names], axis=1)
        return np.split(samples, bounds[1:-1])

    ts = [t[:, 0] for t in pieces([time])]
    check_order(file, table, ts, rows, time, trajectory)
    angles = [i for i, q in enumerate(positions) if measures_angle(known.get(q, ""))]
    qs = continuous(pieces(positions), angles, step=0.5 if velocities is None else 0.75)
    named = {"accelerations": accelerations, "controls": controls}
    extras = {argument: pieces(names) for argument, names in named.items() if names is not None}
    names = [headings[i].name if headings[i].text == q else q for q in positions for i in [places[q]]]
    if velocities is None:
        return replace(_estimated(ts, qs, estimate, gap, **extras), names=names, gap=gap).split_at_gaps()
    ys = [np.concatenate(pair, axis=1) for pair in zip(qs, pieces(velocities), strict=True)]
    return Trajectories(ts, ys, **extras, names=names, gap=gap).split_at_gaps()


def write_trajectories(
    path: str | PathLike[str],
    trajectories: Trajectories,
    *,
    positions: Sequence[str] | None = None,
    velocities: Sequence[str] | None = None,
    accelerations: Sequence[str] | None = None,
    controls: Sequence[str] | None = None,
    time: str = "t",
    trajectory: str | None = None,
    units: Mapping[str, str] | None = None,
) -> None:
    """Write motion to a CSV, NumPy (.npz), Parquet or HDF5 file: all or nothing, every number exactly.

    **Arguments:** as for `read_trajectories`, which reads it back. `positions` are the `names` of the trajectories
    unless given. Velocities, accelerations and controls that are
    not named are not written. The column `trajectory` numbers the trajectories from 0. With `units` the numbers are
    converted.

    **Raises:** `ValueError` for names that do not fit the motion; `DataFileError` for a unit that is unknown or of
    another kind; `OSError` if the file cannot be written; `ImportError` as for reading.

    **Example:**

    ```python
    >>> import pathlib, numpy as np, neural_lagrangian as nl
    >>> motion = nl.Trajectories(np.array([0.0, 0.5]), np.array([[1.0, 2.0], [2.0, 2.0]]))
    >>> nl.trajectories.write_trajectories("stone.csv", motion, positions=["x"], velocities=["v"])
    >>> pathlib.Path("stone.csv").read_text().split()
    ['t,x,v', '0.0,1.0,2.0', '0.5,2.0,2.0']
    ```
    """
    path = Path(path)
    positions = _names_of(trajectories) if positions is None else positions
    quantities = quantities_of(time, positions, velocities, accelerations, controls, trajectory)
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
    factors = si_factors(path, quantities, units)
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


def continuous(qs: Sequence[np.ndarray], angles: Sequence[int], *, step: float = 0.5) -> list[np.ndarray]:
    """Coordinates whose angles, in radians, go on where they jumped by a turn.

    Angles that go through more than one turn were not wrapped and stay as they are: with few samples a turn, a step of
    more than half of one is a step.

    **Arguments:**

    - `qs`: coordinates of each trajectory, shape `(time, dof)`. `angles`: indices of those that are angles.
    - `step`: a larger step from sample to sample, in turns, is a jump.
    """
    qs = list(qs)
    for i in angles:
        least, most = min(q[:, i].min() for q in qs), max(q[:, i].max() for q in qs)
        if most - least <= 2 * np.pi * (1 + 1e-6):
            for k, q in enumerate(qs):
                unwrapped = np.unwrap(q[:, i], discont=2 * np.pi * step * (1 + 1e-9))
                if not np.array_equal(unwrapped, q[:, i]):
                    qs[k] = np.concatenate([q[:, :i], unwrapped[:, None], q[:, i + 1 :]], axis=1)
    return qs


def _units_of(
    quantities: Mapping[str, QuantityName],
    places: Mapping[str, int],
    headings: Sequence[Any],
    declared: Mapping[str, str],
    file: Path | None,
) -> dict[str, str]:
    """The units of the columns named in the call, where they have any: those declared, else those of the headings."""
    written = {name: headings[i].unit for name, i in places.items() if quantities[name] != "control"}
    found = {name: unit for name, unit in written.items() if unit is not None}
    return found | {_declared(name, places, headings, file): unit for name, unit in declared.items()}


def _estimated(
    ts: Sequence[np.ndarray],
    qs: Sequence[np.ndarray],
    estimate: Callable[..., Trajectories],
    gap: float | None,
    controls: Sequence[np.ndarray] | None = None,
) -> Trajectories:
    """Motion with estimated velocities, and the recorded controls at the times that the estimate keeps."""
    motion = estimate(ts, qs) if gap is None else estimate(ts, qs, gap=gap)
    if controls is None:
        return motion
    kept = _at_times(motion, ts, controls)
    return Trajectories(*map(list, zip(*motion, strict=True)), **_extras_of(motion), controls=kept)


def _declared(name: str, places: Mapping[str, int], headings: Sequence[Any], file: Path | None) -> str:
    """The column named in the call whose unit is declared, by the same name or another one."""
    if name in places:
        return name
    known = [heading for heading in headings if name in (heading.text, heading.base)]
    place = find_heading(headings, name, file) if len(known) == 1 else None
    return next((wanted for wanted, i in places.items() if i == place), name)


def _at_times(motion: Trajectories, ts: Sequence[np.ndarray], values: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The rows of values at the times of each trajectory, whose times are some of a given one's, in the same order."""
    found, i, start = [], 0, 0
    for t, _ in motion:
        while True:
            first = start + int(np.searchsorted(ts[i][start:], t[0]))
            if np.array_equal(ts[i][first : first + len(t)], t):
                break
            i, start = i + 1, 0
        found.append(values[i][first : first + len(t)])
        start = first + len(t)
    return found


def _extras_of(motion: Trajectories) -> dict[str, Any]:
    a = motion.accelerations
    return {} if a is None else {"accelerations": [x[:n] for x, n in zip(a, motion.lengths, strict=True)]}


def _names_of(trajectories: Trajectories) -> tuple[str, ...]:
    if trajectories.names is None:
        raise ValueError(f"`positions` is None; expected {trajectories.dof} names, as the trajectories carry none")
    return trajectories.names

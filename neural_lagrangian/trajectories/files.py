"""Reading of recordings: files and data frames with named columns."""

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
from .parameters import constant_of
from .quantities import check_dof, quantities_of, si_factors
from .readings import channels_of, columns_by_channel, complete_states, coordinates, sample_rows
from .rows import check_order, grouped
from .tables import headings_of, read_table
from .units import QuantityName, known_unit, measures_angle


def read_trajectories(
    path: str | PathLike[str] | Any,
    *,
    positions: Sequence[str] | None = None,
    velocities: Sequence[str] | None = None,
    accelerations: Sequence[str] | None = None,
    controls: Sequence[str] | None = None,
    observations: Mapping[str, str | Sequence[str]] | Sequence[str] | None = None,
    parameters: Mapping[str, str | Sequence[str]] | Sequence[str] | None = None,
    dof: int | None = None,
    time: str = "t",
    trajectory: str | None = None,
    units: Mapping[str, str] | None = None,
    gap: float | None = None,
    estimate: Callable[..., Trajectories] = differentiate,
) -> Trajectories:
    r"""Read recorded motion from a file or a data frame, with one sample in each row.

    The result is in SI units and double precision. Each run between gaps becomes a separate trajectory with its own
    times. A row is a missing sample if one of the named columns is empty (or NaN). Other columns are ignored.

    Columns of `observations` may have empty cells, so sensors may have times of their own: a row counts if a sensor
    reads something in it. Empty cells of positions and velocities are then interpolated, since they are first guesses.

    **Arguments:**

    - `path`: a file, a pandas or polars data frame, or a mapping of names to arrays. The suffix of a file gives its
      format. `.csv`, `.tsv`, `.txt`, `.dat`: text; encoding, delimiter, decimal mark, comments and lines before the
      column names are detected. `.npz`: NumPy. With the extra `io` also `.xlsx`, `.xls`, `.ods` (the first sheet),
      `.parquet` and `.h5`.
    - `positions`: column names of the coordinates. A column with the heading `x (cm)`, `theta [deg]` or `t / s` can be
      called `x`, `theta` or `t`; its unit is used. A line of units below the names is used too. `None` if there are
      only observations.
    - `velocities`: column names of the velocities, in the same order. `None`: the velocities are estimated by
      `estimate`.
    - `accelerations`: optional column names of the accelerations, in the same order.
    - `controls`: optional column names of control signals, such as motor torques. They are not converted.
    - `observations`: optional names of columns that sensors recorded, or such names by channel, such as `{"encoder":
      "angle", "camera": ["x", "y"]}`. Known units are converted to SI, and others are left as they are.
    - `parameters`: optional column names of known parameters, such as a length, which are constant in each trajectory,
      or such names by parameter, as for `observations`. They are not converted.
    - `dof`: number of degrees of freedom, if there are no `positions`. The guesses of the states are then zero.
    - `time`: column name of the times: numbers, ISO 8601 dates, or times of day. Dates and times of day become seconds
      from the first. Without a unit, numbers of milli-, micro- or nanoseconds since 1970 are known by their size.
    - `trajectory`: column name of a label (number or word) that identifies the trajectory of each row. `None`: the file
      is one trajectory. Trajectories are in the order of their first rows.
    - `units`: units of columns, such as `{"t": "ms", "theta": "deg", "omega": "deg/s"}`. They override the units in the
      headings; columns without a unit are in SI units. See `trajectories.units` for the known units. Angles that were
      wrapped to one turn are made continuous.
    - `gap`: the longest interval in seconds that is not a gap, as for `Trajectories`; `math.inf` for no gaps.
    - `estimate`: callable `estimate(ts, qs) -> Trajectories` for recordings without velocities, from lists of times and
      coordinates. It receives whole trajectories and must not cross gaps. If `gap` is given, `gap=gap` is passed too.

    **Raises:** `DataFileError` with file, row and column: for a missing column, text in place of a number, infinity,
    times that repeat or decrease, an unknown or unsuitable unit, a damaged or truncated file. (A text file cut off
    inside its last number cannot be detected.) `ValueError` for arguments that do not match; `TrajectoryError` for a
    trajectory too short for `estimate`; `OSError` if the file cannot be opened; `ImportError` if the format needs a
    package that is not installed.

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
    (channels, readings), (_, constants) = channels_of(observations), channels_of(parameters, "parameters")
    quantities = quantities_of(time, positions, velocities, accelerations, controls, trajectory, constants, readings)
    check_dof(dof, positions)
    if velocities is None and accelerations is not None:
        raise ValueError("`accelerations` are given, `velocities` are not; expected both, or neither")
    check_gap(gap)
    headings = headings_of(source)
    places = {name: find_heading(headings, name, file) for name in quantities}
    known = _units_of(quantities, places, headings, units or {}, file)
    factors = si_factors(file, quantities, known)
    table = read_table(source, list(quantities), [] if trajectory is None else [trajectory], clock=time)
    table.columns[time] = seconds_of(table, time, file, factors.pop(time, None))
    for name, factor in factors.items():
        table.columns[name] = table.columns[name] * factor
    rows = sample_rows(file, table, quantities, trajectory)
    order, bounds = grouped(None if trajectory is None else table.columns[trajectory][rows], len(rows))
    rows = rows if order is None else rows[order]

    def pieces(names: Sequence[str]) -> list[np.ndarray]:
        samples = np.stack([table.columns[name][rows] for name in names], axis=1)
        return np.split(samples, bounds[1:-1])

    ts = [t[:, 0] for t in pieces([time])]
    check_order(file, table, ts, rows, time, trajectory)
    seen = columns_by_channel(channels, readings, pieces(readings)) if readings else None
    named = {"accelerations": accelerations, "controls": controls}
    extras: dict[str, Any] = {argument: pieces(names) for argument, names in named.items() if names is not None}
    values = None if parameters is None else constant_of(parameters, pieces(constants), file)
    if positions is None:
        ys = [np.zeros((len(t), 2 * (dof or 0))) for t in ts]
        return Trajectories(ts, ys, **extras, observations=seen, parameters=values, gap=gap).split_at_gaps()
    angles = [i for i, q in enumerate(positions) if measures_angle(known.get(q, ""))]
    qs = coordinates(file, ts, pieces(positions), positions, angles, 0.5 if velocities is None else 0.75)
    names = [headings[i].name if headings[i].text == q else q for q in positions for i in [places[q]]]
    if velocities is None:
        motion = _estimated(ts, qs, estimate, gap, seen, **extras)
        return replace(motion, parameters=_of_parts(motion, ts, values), names=names, gap=gap).split_at_gaps()
    vs = complete_states(file, ts, pieces(velocities), velocities)
    ys = [np.concatenate(pair, axis=1) for pair in zip(qs, vs, strict=True)]
    return Trajectories(ts, ys, **extras, observations=seen, parameters=values, names=names, gap=gap).split_at_gaps()


def _units_of(
    quantities: Mapping[str, QuantityName],
    places: Mapping[str, int],
    headings: Sequence[Any],
    declared: Mapping[str, str],
    file: Path | None,
) -> dict[str, str]:
    """The units of the named columns: declared units, else those in the headings. Columns without unit are left out."""
    written = {name: headings[i].unit for name, i in places.items() if quantities[name] != "control"}
    own = {name for name, unit in written.items() if quantities[name] == "reading" and known_unit(unit or "") is None}
    found = {name: unit for name, unit in written.items() if unit is not None and name not in own}
    return found | {_declared(name, places, headings, file): unit for name, unit in declared.items()}


def _estimated(
    ts: Sequence[np.ndarray],
    qs: Sequence[np.ndarray],
    estimate: Callable[..., Trajectories],
    gap: float | None,
    observations: Mapping[str, Sequence[np.ndarray]] | None = None,
    controls: Sequence[np.ndarray] | None = None,
) -> Trajectories:
    """Motion with estimated velocities, and the recorded controls and observations at the times of the estimate."""
    motion = estimate(ts, qs) if gap is None else estimate(ts, qs, gap=gap)
    if controls is None and observations is None:
        return motion
    extras = _extras_of(motion)
    if controls is not None:
        extras["controls"] = _at_times(motion, ts, controls)
    if observations is not None:
        extras["observations"] = {name: _at_times(motion, ts, values) for name, values in observations.items()}
    return Trajectories(*map(list, zip(*motion, strict=True)), **extras)


def _of_parts(
    motion: Trajectories, ts: Sequence[np.ndarray], values: dict[str, np.ndarray] | None
) -> dict[str, np.ndarray] | None:
    """The parameters of each trajectory of `motion`, into which an estimate may have split those of `ts`."""
    if values is None:
        return None
    of = np.concatenate(_at_times(motion, ts, [np.full((len(t), 1), i) for i, t in enumerate(ts)]))[:, 0]
    first = np.concatenate([[0], np.cumsum(motion.lengths)[:-1]])
    return {name: value[of[first]] for name, value in values.items()}


def _declared(name: str, places: Mapping[str, int], headings: Sequence[Any], file: Path | None) -> str:
    """The name in the call of the column whose unit is declared, perhaps by another name."""
    if name in places:
        return name
    known = [heading for heading in headings if name in (heading.text, heading.base)]
    place = find_heading(headings, name, file) if len(known) == 1 else None
    return next((wanted for wanted, i in places.items() if i == place), name)


def _at_times(motion: Trajectories, ts: Sequence[np.ndarray], values: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The rows of `values` at the times of each trajectory of `motion`. These are parts of `ts`, in the same order."""
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

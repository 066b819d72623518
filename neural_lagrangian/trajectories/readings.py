"""Observations in files: columns that are readings of sensors, which may have empty cells."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .angles import continuous
from .errors import DataFileError
from .rows import complete_rows
from .table import Table
from .units import QuantityName

ROLES: dict[str, tuple[QuantityName, ...]] = {
    "required": ("time", "acceleration", "control"),
    "states": ("position", "velocity"),
    "readings": ("reading",),
}
"""What the cells of a row must have beside observations: required cells, and those of states, which are guesses."""


def channels_of(observations: Any, argument: str = "observations") -> tuple[dict[str, tuple[str, ...]], list[str]]:
    """The columns of each channel, or of each parameter, by its name, and all of these columns.

    **Raises:** `ValueError` for other than names of columns, or names of columns by channel.
    """
    if observations is None:
        return {}, []
    given = observations
    if not isinstance(observations, Mapping):
        listed = isinstance(observations, Sequence) and not isinstance(observations, str)
        observations = {name: name for name in observations} if listed else None
    channels = {} if observations is None else {str(name): _columns(own) for name, own in observations.items()}
    if not channels or not all(channels.values()):
        raise ValueError(
            f"`{argument}` is {given!r:.80}; expected names of columns, or such names by channel, as in "
            f'{{"encoder": "angle", "camera": ["x", "y"]}}'
        )
    return channels, [column for own in channels.values() for column in own]


def _columns(given: Any) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given) if isinstance(given, Sequence) else ()


def sample_rows(
    file: Path | None, table: Table, quantities: Mapping[str, QuantityName], trajectory: str | None
) -> np.ndarray:
    """The indices of the rows that are samples."""
    of = {name: [q for q in quantities if quantities[q] in kinds] for name, kinds in ROLES.items()}
    if not of["readings"]:
        return complete_rows(file, table, list(quantities), trajectory)
    return _observed_rows(file, table, of["required"], of["states"], of["readings"], trajectory)


def _observed_rows(
    path: Path | None,
    table: Table,
    required: Sequence[str],
    states: Sequence[str],
    readings: Sequence[str],
    trajectory: str | None,
) -> np.ndarray:
    """The indices of the rows in which a sensor reads something, or the state is complete.

    **Raises:** `DataFileError` as `complete_rows`, and for a column of readings without any number.
    """
    rows = complete_rows(path, table, required, trajectory, optional=[*states, *readings])
    present = {name: ~np.isnan(table.columns[name][rows]) for name in (*states, *readings)}
    bare = [name for name in readings if not present[name].any()]
    if bare:
        raise DataFileError("has no number in any row; leave this channel out", path=path, column=bare[0])
    kept = np.logical_or.reduce([present[name] for name in readings])
    if states:
        kept |= np.logical_and.reduce([present[name] for name in states])
    return rows[kept]


def complete_states(
    path: Path | None, ts: Sequence[np.ndarray], states: Sequence[np.ndarray], names: Sequence[str]
) -> list[np.ndarray]:
    """States without empty cells: they are interpolated in time, since they are first guesses beside observations.

    **Arguments:**

    - `ts`: times of each trajectory, shape `(time,)`. `states`: their columns, shape `(time, k)`, named `names`.

    **Raises:** `DataFileError` for a trajectory without any number in a column.
    """
    found = []
    for number, (t, rows) in enumerate(zip(ts, states, strict=True)):
        missing = np.isnan(rows)
        bare = missing.all(axis=0)
        if bare.any():
            raise DataFileError(
                f"has no number in trajectory {number}; expected some, as first guesses of the states. Without any, "
                f"leave `positions` out and give `dof`",
                path=path,
                column=names[int(np.argmax(bare))],
            )
        columns = [np.interp(t, t[~m], x[~m]) if m.any() else x for x, m in zip(rows.T, missing.T, strict=True)]
        found.append(np.stack(columns, axis=1))
    return found


def coordinates(
    file: Path | None,
    ts: Sequence[np.ndarray],
    qs: Sequence[np.ndarray],
    names: Sequence[str],
    angles: Sequence[int],
    step: float,
) -> list[np.ndarray]:
    """Coordinates without jumps of a turn, and without empty cells."""
    whole = [~np.isnan(q).any(axis=1) for q in qs]
    if all(rows.all() for rows in whole):
        return continuous(qs, angles, step=step)
    smooth = [np.full_like(q, np.nan) for q in qs]
    found = [i for i, rows in enumerate(whole) if rows.any()]
    for i, q in zip(found, continuous([qs[i][whole[i]] for i in found], angles, step=step), strict=True):
        smooth[i][whole[i]] = q
    return complete_states(file, ts, smooth, names)


def columns_by_channel(
    channels: Mapping[str, Sequence[str]], columns: Sequence[str], pieces: Sequence[np.ndarray]
) -> dict[str, list[np.ndarray]] | None:
    """The readings of each channel from the columns of all, a piece for each trajectory; `None` without channels."""
    places = {name: [columns.index(column) for column in own] for name, own in channels.items()}
    return {name: [piece[:, own] for piece in pieces] for name, own in places.items()} or None

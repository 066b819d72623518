"""Checks of trajectories: shapes, finite values, increasing times, and precision of the times."""

from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import DTypeLike

from .channels import as_columns, check_present, is_observation
from .errors import DtypeError, NonFiniteError, ShapeError, TimeOrderError

Extras: TypeAlias = dict[str, Any]
"""Optional arrays of trajectories by name: accelerations, controls, observations."""
MAX_TIME_ERROR = 0.01
"""Maximum relative change (no unit) of a time step when times are rounded to another precision."""
MAX_TIME_SPACING = 0.05
"""Maximum spacing of floating-point numbers, relative to a time step, for times that are not converted."""


def check_resolution(ts: np.ndarray, mask: np.ndarray, dtype: DTypeLike) -> None:
    """Check that the precision `dtype` resolves the time steps. Single precision cannot for seconds since 1970.

    **Raises:** `TimeOrderError` if a time step would change by more than the fraction `MAX_TIME_ERROR`.
    """
    for block in blocks(ts.shape):
        part, inside = ts[block], mask[block][:, 1:]
        exact = np.diff(part, axis=1)
        rounded = part.astype(dtype)
        apart = np.diff(rounded, axis=1).astype(exact.dtype)
        # Times already stored in this precision were rounded before, by up to half of the spacing.
        coarse = (np.spacing(np.abs(rounded[:, 1:])) > MAX_TIME_SPACING * np.abs(exact)) & (part.dtype == rounded.dtype)
        wrong = ((np.abs(apart - exact) > MAX_TIME_ERROR * np.abs(exact)) | coarse) & inside
        if wrong.any():
            i, before = (int(i) for i in np.argwhere(wrong)[0])
            found = f"are {apart[i, before]} apart" if not coarse[i, before] else "have a step near the rounding error"
            raise TimeOrderError(
                f"times {part[i, before]} and {part[i, before + 1]} {found} in {np.dtype(dtype)}; expected double "
                f"precision, or times that start near zero: use `from_zero`",
                trajectory=i + block[0].start,
                index=before + 1 + block[1].start,
            )


def as_array(name: str, value: Any, trajectory: int | None = None) -> np.ndarray:
    """Convert to an array of floating-point numbers. A memory-mapped array stays mapped.

    **Raises:** `ShapeError`, `NonFiniteError` or `DtypeError`.
    """
    try:
        array = value if isinstance(value, np.memmap) else np.asarray(value)
    except (TypeError, ValueError) as error:  # from NumPy, whose message does not name the argument
        raise ShapeError(f"`{name}` cannot be read as an array: {error}", trajectory=trajectory) from error
    if np.ma.isMaskedArray(value) and np.ma.is_masked(value):
        raise NonFiniteError(f"`{name}` is a masked array with masked entries; split the recording there")
    if array.dtype not in (np.float32, np.float64):
        raise DtypeError(f"`{name}` has dtype {array.dtype}; expected float32 or float64", trajectory=trajectory)
    return array


def stacked(ts: Any, ys: Sequence[Any], extras: Extras) -> tuple[np.ndarray, np.ndarray, Extras, np.ndarray]:
    """Stack sequences of unequal length to padded arrays. The last row is repeated, and times continue."""
    if len(ys) == 0:
        raise ShapeError("`ys` is empty; expected at least one trajectory")
    rows = [as_array("ys", y, i) for i, y in enumerate(ys)]
    for i, row in enumerate(rows):
        if row.ndim != 2 or row.shape[1:] != rows[0].shape[1:]:
            raise ShapeError(f"`ys` has shape {row.shape}; expected (time, {rows[0].shape[-1]})", trajectory=i)
    shared = not isinstance(ts, Sequence) and np.ndim(ts) == 1
    times = [as_array("ts", t, i) for i, t in enumerate([ts] * len(rows) if shared else ts)]
    if len(times) != len(rows):
        raise ShapeError(f"`ts` holds {len(times)} trajectories; expected {len(rows)}, as `ys`")
    for i, (t, row) in enumerate(zip(times, rows, strict=True)):
        if t.shape != row.shape[:1]:
            raise ShapeError(f"`ts` has shape {t.shape}; expected {row.shape[:1]}, as `ys`", trajectory=i)
        if len(row) == 0:
            raise ShapeError("`ys` has no samples; expected at least one", trajectory=i)
    longest = max(len(row) for row in rows)

    def pad(row: np.ndarray) -> np.ndarray:
        return np.concatenate([row, np.repeat(row[-1:], longest - len(row), axis=0)])

    def extend(t: np.ndarray) -> np.ndarray:
        step = t[-1] - t[-2] if len(t) > 1 else t.dtype.type(1)
        return np.concatenate([t, t[-1] + step * np.arange(1, longest - len(t) + 1, dtype=t.dtype)])

    stacked = {}
    for name, values in extras.items():
        pieces = [as_columns(name, as_array(name, value, i), 2) for i, value in enumerate(values)]
        if len(pieces) != len(rows):
            raise ShapeError(f"`{name}` holds {len(pieces)} trajectories; expected {len(rows)}, as `ys`")
        width = pieces[0].shape[1] if pieces[0].ndim == 2 else "m"
        columns = rows[0].shape[1] // 2 if name == "accelerations" else width
        for i, (piece, row) in enumerate(zip(pieces, rows, strict=True)):
            if piece.shape != (len(row), columns):
                raise ShapeError(f"`{name}` has shape {piece.shape}; expected ({len(row)}, {columns})", trajectory=i)
        stacked[name] = np.stack([pad(piece) for piece in pieces])
    mask = np.arange(longest) < np.array([len(row) for row in rows])[:, None]
    return np.stack([extend(t) for t in times]), np.stack([pad(row) for row in rows]), stacked, mask


def check_shapes(ts: np.ndarray, ys: np.ndarray, extras: Extras, mask: np.ndarray) -> None:
    """Check that all arrays have the same trajectories and samples, and that only samples at the end are masked.

    **Raises:** `ShapeError`.
    """
    if ys.shape[0] == 0 or ys.shape[1] == 0:
        raise ShapeError(f"`ys` has shape {ys.shape}; expected at least one trajectory of at least one sample")
    if ys.shape[2] == 0 or ys.shape[2] % 2:
        raise ShapeError(f"`ys` has {ys.shape[2]} columns; expected an even number, 2 dof, as [q, v]")
    if ts.shape != ys.shape[:2]:
        raise ShapeError(f"`ts` has shape {ts.shape}; expected {ys.shape[1:2]} or {ys.shape[:2]}, as `ys`")
    expected = (*ys.shape[:2], ys.shape[2] // 2)
    if "accelerations" in extras and extras["accelerations"].shape != expected:
        raise ShapeError(f"`accelerations` has shape {extras['accelerations'].shape}; expected {expected}")
    for name, u in extras.items():
        if name != "accelerations" and (u.ndim != 3 or u.shape[:2] != ys.shape[:2] or u.shape[2] == 0):
            raise ShapeError(f"`{name}` has shape {u.shape}; expected ({ys.shape[0]}, {ys.shape[1]}, m)")
    if mask.shape != ys.shape[:2] or mask.dtype != bool:
        raise ShapeError(f"`mask` has shape {mask.shape}, dtype {mask.dtype}; expected {ys.shape[:2]}, bool")
    for block in blocks(mask.shape):
        part = mask[block]
        fault = np.zeros_like(part)
        fault[:, 1:] = part[:, 1:] & ~part[:, :-1]
        fault[:, 0] = ~part[:, 0] & (block[1].start == 0)
        if fault.any():
            trajectory, index = (int(i) for i in np.argwhere(fault)[0])
            raise ShapeError(
                "`mask` is false before a true value; expected false only at the end: split the recording here",
                trajectory=trajectory + block[0].start,
                index=index + block[1].start,
            )


def blocks(shape: tuple[int, int], rows: int = 1 << 20) -> Iterator[tuple[slice, slice]]:
    """Slices of trajectories and samples that cover an array, with about `rows` rows each, to limit memory.

    Neighbouring slices overlap by one sample, so that no difference between samples is missing.
    """
    count, length = shape
    together = max(1, rows // length)
    for first in range(0, count, together):
        for start in range(0, max(1, length - 1), rows):
            yield slice(first, first + together), slice(start, start + rows + 1)


def check_values(ts: np.ndarray, ys: np.ndarray, extras: Extras, mask: np.ndarray) -> None:
    """Check that all numbers are finite, and that times strictly increase.

    **Raises:** `NonFiniteError` or `TimeOrderError` at the first fault.
    """
    for block in blocks(ts.shape):
        offset = np.array([block[0].start, block[1].start])
        for name, whole in {"ts": ts[..., None], "ys": ys, **extras}.items():
            array = whole[block]
            wrong = np.isinf(array) if is_observation(name) else ~np.isfinite(array)
            bad = wrong & mask[block][..., None]
            if bad.any():
                *at, column = np.argwhere(bad)[0]
                where = f" in column {column}" if name != "ts" else ""
                trajectory, index = (int(i) for i in at + offset)
                raise NonFiniteError(
                    f"`{name}` is {array[*at, column]}{where}; expected a finite number",
                    trajectory=trajectory,
                    index=index,
                )
        wrong = (np.diff(ts[block], axis=1) <= 0) & mask[block][:, 1:]
        if wrong.any():
            trajectory, before = (int(i) for i in np.argwhere(wrong)[0] + offset)
            earlier, later = ts[trajectory, before], ts[trajectory, before + 1]
            fault = "repeats" if earlier == later else "runs backwards"
            raise TimeOrderError(
                f"time {fault}: {later} follows {earlier}; expected strictly increasing times",
                trajectory=trajectory,
                index=before + 1,
            )
    for name in filter(is_observation, extras):
        check_present(name, extras[name], mask)


def checked_names(names: Sequence[str], dof: int) -> tuple[str, ...]:
    """Check that there is one name for each coordinate.

    **Raises:** `ValueError`.
    """
    found = (names,) if isinstance(names, str) else tuple(names)
    if len(found) != dof or len(set(found)) != dof or not all(isinstance(name, str) and name for name in found):
        raise ValueError(f"`names` is {names!r}; expected {dof} different names, one for each coordinate")
    return found

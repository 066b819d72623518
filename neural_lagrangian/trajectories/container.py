"""The container of recorded or simulated motion."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

import equinox as eqx
import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import DTypeLike

from .errors import DtypeError, NonFiniteError, ShapeError, TimeOrderError

Extras: TypeAlias = dict[str, Any]
"""What trajectories carry beside states, by name: accelerations, controls."""


class Trajectories(eqx.Module):
    """Motion sampled in time: validated, in host memory or mapped from files, possibly of unequal lengths.

    Ragged recordings (`ts` and `ys` as sequences of arrays) are padded to the longest; `mask` tells samples from
    padding. Iterating yields the `(ts, ys)` of each trajectory without padding. Arrays that
    `np.load(path, mmap_mode="r")` maps stay where they are: `fit` reads what each step needs, and no more.

    **Arguments:**

    - `ts`: times in seconds, strictly increasing: shape `(time,)` shared by all, `(trajectory, time)`, or a sequence.
    - `ys`: states `[q, v]`, shape `(trajectory, time, 2 dof)`, or `(time, 2 dof)` for one, or a sequence of those.
    - `accelerations`: measured or known accelerations, optional, shaped as `ys` with `dof` in place of `2 dof`.
    - `controls`: what drove the motion, optional: motor torques or the like, shaped as `ys` with any `m` in place of
      `2 dof`; in their own units.
    - `mask`: shape `(trajectory, time)`, true where a sample is real; only the tail of a trajectory may be false.

    **Raises:** `ShapeError`, `DtypeError`, `NonFiniteError` or `TimeOrderError`, each a `TrajectoryError` (a
    `ValueError`) that names trajectory and index.
    """

    ts: Float[np.ndarray, "trajectory time"]
    ys: Float[np.ndarray, "trajectory time two_dof"]
    accelerations: Float[np.ndarray, "trajectory time dof"] | None
    controls: Float[np.ndarray, "trajectory time m"] | None
    mask: Bool[np.ndarray, "trajectory time"]

    def __init__(self, ts: Any, ys: Any, *, accelerations: Any = None, controls: Any = None, mask: Any = None):
        extras = {"accelerations": accelerations, "controls": controls}
        extras = {name: value for name, value in extras.items() if value is not None}
        if isinstance(ys, Sequence):
            if mask is not None:
                raise ShapeError("`mask` was given with a sequence of trajectories; their lengths already say it")
            ts, ys, extras, mask = _stack(ts, ys, extras)
        else:
            ts, ys = _array("ts", ts), _array("ys", ys)
            extras = {name: _array(name, value) for name, value in extras.items()}
            if ys.ndim == 2:
                ys = ys[None]
                extras = {name: array[None] for name, array in extras.items()}
            if ys.ndim != 3:
                raise ShapeError(f"`ys` has shape {ys.shape}; expected (trajectory, time, 2 dof)")
            if ts.ndim == 1:
                ts = np.broadcast_to(ts, (ys.shape[0], ts.shape[0]))
            mask = np.broadcast_to(True, ys.shape[:2]) if mask is None else np.asarray(mask)
        _check_shapes(ts, ys, extras, mask)
        _check_values(ts, ys, extras, mask)
        self.ts, self.ys, self.mask = ts, ys, mask
        self.accelerations, self.controls = extras.get("accelerations"), extras.get("controls")

    @property
    def dof(self) -> int:
        """Degrees of freedom n."""
        return self.ys.shape[2] // 2

    @property
    def lengths(self) -> np.ndarray:
        """Number of samples of each trajectory, shape `(trajectory,)`."""
        return self.mask.sum(axis=1)

    def __len__(self) -> int:
        return self.ys.shape[0]

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for ts, ys, length in zip(self.ts, self.ys, self.lengths, strict=True):
            yield ts[:length], ys[:length]

    def astype(self, dtype: DTypeLike) -> "Trajectories":
        """The same motion in another floating precision."""
        return self._each(lambda rows: rows if rows.dtype == bool else rows.astype(dtype))

    def select(self, trajectories: Any) -> "Trajectories":
        """The trajectories of the given indices (integers, a slice or a boolean array), in that order."""
        index = np.arange(len(self))[trajectories].reshape(-1)
        return self._each(lambda rows: rows[index])

    def thin(self, every: int) -> "Trajectories":
        """Every `every`-th sample of each trajectory, its first included."""
        if every < 1:
            raise ValueError(f"`every` is {every}; expected an integer of at least 1")
        return self._each(lambda rows: rows[:, ::every])

    def _each(self, fn: Callable[[np.ndarray], np.ndarray]) -> "Trajectories":
        """`fn` of every array, the mask included."""
        optional = {"accelerations": self.accelerations, "controls": self.controls}
        extras = {name: fn(rows) for name, rows in optional.items() if rows is not None}
        return Trajectories(fn(self.ts), fn(self.ys), mask=fn(self.mask), **extras)

    def __repr__(self) -> str:
        lengths = self.lengths
        span = f"{lengths.min()}" if lengths.min() == lengths.max() else f"{lengths.min()} to {lengths.max()}"
        driven = "" if self.controls is None else f", {self.controls.shape[2]} controls"
        return f"Trajectories({len(self)} of {span} samples, dof={self.dof}{driven}, {self.ys.dtype})"


def _array(name: str, value: Any, trajectory: int | None = None) -> np.ndarray:
    try:
        array = value if isinstance(value, np.memmap) else np.asarray(value)
    except (TypeError, ValueError) as error:
        raise ShapeError(f"`{name}` cannot be read as an array: {error}", trajectory=trajectory) from error
    if np.ma.isMaskedArray(value) and np.ma.is_masked(value):
        raise NonFiniteError(f"`{name}` is a masked array with masked entries; split the recording there")
    if array.dtype not in (np.float32, np.float64):
        raise DtypeError(f"`{name}` has dtype {array.dtype}; expected float32 or float64", trajectory=trajectory)
    return array


def _stack(ts: Any, ys: Sequence[Any], extras: Extras) -> tuple[np.ndarray, np.ndarray, Extras, np.ndarray]:
    """Sequences of unequal length as padded arrays: the last row repeats, and time goes on."""
    if len(ys) == 0:
        raise ShapeError("`ys` is empty; expected at least one trajectory")
    rows = [_array("ys", y, i) for i, y in enumerate(ys)]
    for i, row in enumerate(rows):
        if row.ndim != 2 or row.shape[1:] != rows[0].shape[1:]:
            raise ShapeError(f"`ys` has shape {row.shape}; expected (time, {rows[0].shape[-1]})", trajectory=i)
    shared = not isinstance(ts, Sequence) and np.ndim(ts) == 1
    times = [_array("ts", t, i) for i, t in enumerate([ts] * len(rows) if shared else ts)]
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
        step = t[-1] - t[-2] if len(t) > 1 else 1.0
        return np.concatenate([t, t[-1] + step * np.arange(1, longest - len(t) + 1)])

    stacked = {}
    for name, values in extras.items():
        pieces = [_array(name, value, i) for i, value in enumerate(values)]
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


def _check_shapes(ts: np.ndarray, ys: np.ndarray, extras: Extras, mask: np.ndarray) -> None:
    if ys.shape[0] == 0 or ys.shape[1] == 0:
        raise ShapeError(f"`ys` has shape {ys.shape}; expected at least one trajectory of at least one sample")
    if ys.shape[2] == 0 or ys.shape[2] % 2:
        raise ShapeError(f"`ys` has {ys.shape[2]} columns; expected an even number, 2 dof, as [q, v]")
    if ts.shape != ys.shape[:2]:
        raise ShapeError(f"`ts` has shape {ts.shape}; expected {ys.shape[1:2]} or {ys.shape[:2]}, as `ys`")
    expected = (*ys.shape[:2], ys.shape[2] // 2)
    if "accelerations" in extras and extras["accelerations"].shape != expected:
        raise ShapeError(f"`accelerations` has shape {extras['accelerations'].shape}; expected {expected}")
    u = extras.get("controls")
    if u is not None and (u.ndim != 3 or u.shape[:2] != ys.shape[:2] or u.shape[2] == 0):
        raise ShapeError(f"`controls` has shape {u.shape}; expected ({ys.shape[0]}, {ys.shape[1]}, m)")
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
                "`mask` is false before its tail; split the recording there",
                trajectory=trajectory + block[0].start,
                index=index + block[1].start,
            )


def blocks(shape: tuple[int, int], rows: int = 1 << 20) -> Iterator[tuple[slice, slice]]:
    """Slices of trajectories and samples that cover an array of that shape, about so many rows each, so that work on
    one after the other needs little memory; each has one sample more than it steps on, for differences.
    """
    count, length = shape
    together = max(1, rows // length)
    for first in range(0, count, together):
        for start in range(0, max(1, length - 1), rows):
            yield slice(first, first + together), slice(start, start + rows + 1)


def _check_values(ts: np.ndarray, ys: np.ndarray, extras: Extras, mask: np.ndarray) -> None:
    for block in blocks(ts.shape):
        offset = np.array([block[0].start, block[1].start])
        for name, whole in {"ts": ts[..., None], "ys": ys, **extras}.items():
            array = whole[block]
            bad = ~np.isfinite(array) & mask[block][..., None]
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

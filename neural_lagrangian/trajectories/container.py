"""The container of recorded or simulated motion."""

from collections.abc import Iterator, Sequence
from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import DTypeLike

from .errors import DtypeError, NonFiniteError, ShapeError, TimeOrderError


class Trajectories(eqx.Module):
    """Motion sampled in time: validated, in host memory, possibly of unequal lengths.

    Ragged recordings (`ts` and `ys` as sequences of arrays) are padded to the longest; `mask` tells samples from
    padding. Iterating yields the `(ts, ys)` of each trajectory without padding.

    **Arguments:**

    - `ts`: times in seconds, strictly increasing: shape `(time,)` shared by all, `(trajectory, time)`, or a sequence.
    - `ys`: states `[q, v]`, shape `(trajectory, time, 2 dof)`, or `(time, 2 dof)` for one, or a sequence of those.
    - `accelerations`: measured or known accelerations, optional, shaped as `ys` with `dof` in place of `2 dof`.
    - `mask`: shape `(trajectory, time)`, true where a sample is real; only the tail of a trajectory may be false.

    **Raises:** `ShapeError`, `DtypeError`, `NonFiniteError` or `TimeOrderError`, each a `TrajectoryError` (a
    `ValueError`) that names trajectory and index.
    """

    ts: Float[np.ndarray, "trajectory time"]
    ys: Float[np.ndarray, "trajectory time two_dof"]
    accelerations: Float[np.ndarray, "trajectory time dof"] | None
    mask: Bool[np.ndarray, "trajectory time"]

    def __init__(self, ts: Any, ys: Any, *, accelerations: Any = None, mask: Any = None):
        if isinstance(ys, Sequence):
            if mask is not None:
                raise ShapeError("`mask` was given with a sequence of trajectories; their lengths already say it")
            ts, ys, accelerations, mask = _stack(ts, ys, accelerations)
        else:
            ts, ys = _array("ts", ts), _array("ys", ys)
            accelerations = None if accelerations is None else _array("accelerations", accelerations)
            if ys.ndim == 2:
                ys = ys[None]
                accelerations = accelerations[None] if accelerations is not None else None
            if ys.ndim != 3:
                raise ShapeError(f"`ys` has shape {ys.shape}; expected (trajectory, time, 2 dof)")
            if ts.ndim == 1:
                ts = np.broadcast_to(ts, (ys.shape[0], ts.shape[0]))
            mask = np.ones(ys.shape[:2], bool) if mask is None else np.asarray(mask)
        _check_shapes(ts, ys, accelerations, mask)
        _check_values(ts, ys, accelerations, mask)
        self.ts, self.ys, self.accelerations, self.mask = ts, ys, accelerations, mask

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
        accelerations = None if self.accelerations is None else self.accelerations.astype(dtype)
        return Trajectories(self.ts.astype(dtype), self.ys.astype(dtype), accelerations=accelerations, mask=self.mask)

    def select(self, trajectories: Any) -> "Trajectories":
        """The trajectories of the given indices (integers, a slice or a boolean array), in that order."""
        index = np.arange(len(self))[trajectories].reshape(-1)
        accelerations = None if self.accelerations is None else self.accelerations[index]
        return Trajectories(self.ts[index], self.ys[index], accelerations=accelerations, mask=self.mask[index])

    def thin(self, every: int) -> "Trajectories":
        """Every `every`-th sample of each trajectory, its first included."""
        if every < 1:
            raise ValueError(f"`every` is {every}; expected an integer of at least 1")
        accelerations = None if self.accelerations is None else self.accelerations[:, ::every]
        return Trajectories(
            self.ts[:, ::every], self.ys[:, ::every], accelerations=accelerations, mask=self.mask[:, ::every]
        )

    def __repr__(self) -> str:
        lengths = self.lengths
        span = f"{lengths.min()}" if lengths.min() == lengths.max() else f"{lengths.min()} to {lengths.max()}"
        return f"Trajectories({len(self)} of {span} samples, dof={self.dof}, {self.ys.dtype})"


def _array(name: str, value: Any, trajectory: int | None = None) -> np.ndarray:
    try:
        array = np.asarray(value)
    except (TypeError, ValueError) as error:
        raise ShapeError(f"`{name}` cannot be read as an array: {error}", trajectory=trajectory) from error
    if np.ma.isMaskedArray(value) and np.ma.is_masked(value):
        raise NonFiniteError(f"`{name}` is a masked array with masked entries; split the recording there")
    if array.dtype not in (np.float32, np.float64):
        raise DtypeError(f"`{name}` has dtype {array.dtype}; expected float32 or float64", trajectory=trajectory)
    return array


def _stack(ts: Any, ys: Sequence[Any], accelerations: Any) -> tuple[np.ndarray, np.ndarray, Any, np.ndarray]:
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

    if accelerations is not None:
        extra = [_array("accelerations", a, i) for i, a in enumerate(accelerations)]
        for i, (a, row) in enumerate(zip(extra, rows, strict=True)):
            expected = (len(row), row.shape[1] // 2)
            if a.shape != expected:
                raise ShapeError(f"`accelerations` has shape {a.shape}; expected {expected}", trajectory=i)
        accelerations = np.stack([pad(a) for a in extra])
    mask = np.arange(longest) < np.array([len(row) for row in rows])[:, None]
    return np.stack([extend(t) for t in times]), np.stack([pad(row) for row in rows]), accelerations, mask


def _check_shapes(ts: np.ndarray, ys: np.ndarray, accelerations: np.ndarray | None, mask: np.ndarray) -> None:
    if ys.shape[0] == 0 or ys.shape[1] == 0:
        raise ShapeError(f"`ys` has shape {ys.shape}; expected at least one trajectory of at least one sample")
    if ys.shape[2] == 0 or ys.shape[2] % 2:
        raise ShapeError(f"`ys` has {ys.shape[2]} columns; expected an even number, 2 dof, as [q, v]")
    if ts.shape != ys.shape[:2]:
        raise ShapeError(f"`ts` has shape {ts.shape}; expected {ys.shape[1:2]} or {ys.shape[:2]}, as `ys`")
    expected = (*ys.shape[:2], ys.shape[2] // 2)
    if accelerations is not None and accelerations.shape != expected:
        raise ShapeError(f"`accelerations` has shape {accelerations.shape}; expected {expected}")
    if mask.shape != ys.shape[:2] or mask.dtype != bool:
        raise ShapeError(f"`mask` has shape {mask.shape}, dtype {mask.dtype}; expected {ys.shape[:2]}, bool")
    gap = mask[:, 1:] & ~mask[:, :-1]
    empty = ~mask[:, 0]
    if gap.any() or empty.any():
        trajectory = int(np.argmax(gap.any(axis=1) | empty))
        index = 0 if empty[trajectory] else int(np.argmax(gap[trajectory]))
        raise ShapeError(
            "`mask` is false before its tail; split the recording there", trajectory=trajectory, index=index
        )


def _check_values(ts: np.ndarray, ys: np.ndarray, accelerations: np.ndarray | None, mask: np.ndarray) -> None:
    named = [("ts", ts[..., None]), ("ys", ys)]
    if accelerations is not None:
        named.append(("accelerations", accelerations))
    for name, array in named:
        bad = ~np.isfinite(array) & mask[..., None]
        if bad.any():
            trajectory, index, column = (int(i) for i in np.argwhere(bad)[0])
            where = f" in column {column}" if name != "ts" else ""
            raise NonFiniteError(
                f"`{name}` is {array[trajectory, index, column]}{where}; expected a finite number",
                trajectory=trajectory,
                index=index,
            )
    wrong = (np.diff(ts, axis=1) <= 0) & mask[:, 1:]
    if wrong.any():
        trajectory, before = (int(i) for i in np.argwhere(wrong)[0])
        earlier, later = ts[trajectory, before], ts[trajectory, before + 1]
        fault = "repeats" if earlier == later else "runs backwards"
        raise TimeOrderError(
            f"time {fault}: {later} follows {earlier}; expected strictly increasing times",
            trajectory=trajectory,
            index=before + 1,
        )

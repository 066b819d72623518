"""The container for recorded or simulated motion."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import DTypeLike

from .._checks import positive_integer
from .channels import as_columns, columns_of, named
from .errors import ShapeError
from .gaps import Runs, check_gap, runs_of
from .parameters import checked_parameters
from .validation import as_array, check_resolution, check_shapes, check_values, checked_names, stacked


class Trajectories(eqx.Module):
    """A set of trajectories: times and states, checked for errors.

    Trajectories may have different lengths: give `ts` and `ys` as sequences of arrays. They are padded to the longest,
    and `mask` marks the real samples. Iteration yields the `(ts, ys)` of each trajectory without padding. Arrays mapped
    from files by `np.load(path, mmap_mode="r")` are not loaded into memory: `fit` reads only what each step needs.

    **Arguments:**

    - `ts`: times in seconds, strictly increasing: shape `(time,)` shared by all, `(trajectory, time)`, or a sequence.
    - `ys`: states `[q, v]`, shape `(trajectory, time, 2 dof)`, or `(time, 2 dof)` for one, or a sequence of those.
    - `accelerations`: optional accelerations, measured or known. Shape as `ys` with `dof` in place of `2 dof`.
    - `controls`: optional control signals, such as motor torques, in their own units. Shape as `ys` with any `m` in
      place of `2 dof`.
    - `observations`: optional readings of sensors by the names of their channels, each of shape `(trajectory, time)`,
      or `(trajectory, time, k)` for a sensor with `k` columns. NaN marks a missing value. What the channels mean is
      said by an `observation.Observed` model; `ys` may then be rough guesses of the states.
    - `parameters`: optional known parameters of each trajectory by name, such as a length or a payload, each of shape
      `(trajectory,)` or `(trajectory, k)`. Models with a `networks.Conditioned` part use them.
    - `mask`: shape `(trajectory, time)`, true for real samples. Only samples at the end of a trajectory may be false.
    - `gap`: the longest interval in seconds that is not a gap. No window, derivative or piece crosses a gap. `None`: an
      interval is a gap if it is more than 7 times the upper quartile of the 15, and of the 61, intervals around it.
      `math.inf`: no gaps.
    - `names`: optional names of the coordinates, `dof` of them. They can be used in place of indices.

    **Raises:** `ShapeError`, `DtypeError`, `NonFiniteError` (also for a channel without any value) or `TimeOrderError`.
    Each is a `TrajectoryError` and a
    `ValueError`, and names trajectory and index. `ValueError` for an invalid `gap` or `names`.

    **Example:**

    ```python
    >>> import numpy as np, neural_lagrangian as nl
    >>> t = np.concatenate([np.arange(0, 2, 0.02), np.arange(4, 6, 0.02)])  # two seconds are missing
    >>> motion = nl.Trajectories(t, np.stack([np.sin(t), np.cos(t)], axis=1), names=["angle"])
    >>> motion.index("angle"), motion.split_at_gaps()
    (0, Trajectories(2 of 100 samples, angle, float64))
    ```
    """

    ts: Float[np.ndarray, "trajectory time"]
    ys: Float[np.ndarray, "trajectory time two_dof"]
    accelerations: Float[np.ndarray, "trajectory time dof"] | None
    controls: Float[np.ndarray, "trajectory time m"] | None
    observations: dict[str, Float[np.ndarray, "trajectory time _"]] | None
    parameters: dict[str, np.ndarray] | None
    mask: Bool[np.ndarray, "trajectory time"]
    gap: float | None = eqx.field(static=True)
    names: tuple[str, ...] | None = eqx.field(static=True)

    def __init__(
        self,
        ts: Any,
        ys: Any,
        *,
        accelerations: Any = None,
        controls: Any = None,
        observations: Any = None,
        parameters: Any = None,
        mask: Any = None,
        gap: float | None = None,
        names: Sequence[str] | None = None,
    ):
        check_gap(gap)
        extras = {"accelerations": accelerations, "controls": controls}
        extras = {name: value for name, value in extras.items() if value is not None} | columns_of(observations)
        if isinstance(ys, Sequence):
            if mask is not None:
                raise ShapeError(
                    "`mask` is given with a sequence of trajectories; expected None, since their lengths define it"
                )
            ts, ys, extras, mask = stacked(ts, ys, extras)
        else:
            ts, ys = as_array("ts", ts), as_array("ys", ys)
            extras = {name: as_array(name, value) for name, value in extras.items()}
            if ys.ndim == 2:
                ys = ys[None]
                extras = {name: as_columns(name, array, 2)[None] for name, array in extras.items()}
            if ys.ndim != 3:
                raise ShapeError(f"`ys` has shape {ys.shape}; expected (trajectory, time, 2 dof)")
            extras = {name: as_columns(name, array, 3) for name, array in extras.items()}
            if ts.ndim == 1:
                ts = np.broadcast_to(ts, (ys.shape[0], ts.shape[0]))
            mask = np.broadcast_to(True, ys.shape[:2]) if mask is None else np.asarray(mask)
        check_shapes(ts, ys, extras, mask)
        check_values(ts, ys, extras, mask)
        self.gap = None if gap is None else float(gap)
        self.names = None if names is None else checked_names(names, ys.shape[2] // 2)
        self.ts, self.ys, self.mask = ts, ys, mask
        self.accelerations, self.controls = extras.get("accelerations"), extras.get("controls")
        self.observations = named(observations, extras)
        self.parameters = None if parameters is None else checked_parameters(parameters, len(ys))

    @property
    def dof(self) -> int:
        """Number of degrees of freedom n."""
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

    def index(self, coordinate: str | int) -> int:
        """The index of a coordinate, from its name or index.

        **Raises:** `ValueError` if the coordinate does not exist.
        """
        known = self.names or ()
        if coordinate in known:
            return known.index(coordinate)
        if isinstance(coordinate, str) or coordinate not in range(self.dof):
            named = f", or one of {', '.join(map(repr, known))}" if known else ""
            raise ValueError(f"coordinate {coordinate!r} is unknown; expected an index from 0 to {self.dof - 1}{named}")
        return int(coordinate)

    def runs(self) -> Runs:
        """The runs (parts without gaps): trajectory, first sample and number of samples of each, shape `(run,)`."""
        return runs_of(self.ts, self.lengths, self.gap)

    def split_at_gaps(self) -> "Trajectories":
        """The same motion, split at gaps: each run between gaps becomes a separate trajectory. Times do not change.

        The result has `gap=math.inf`, so no more gaps are detected.
        """
        runs = self.runs()
        if len(runs.length) == len(self):
            return self._each(lambda rows: rows, gap=math.inf)
        parts = list(runs.slices())
        rows = jax.tree.map(lambda array: [array[i, samples] for i, samples in parts], self._arrays)
        parameters = jax.tree.map(lambda array: array[runs.trajectory], self.parameters)
        return Trajectories(**rows, parameters=parameters, gap=math.inf, names=self.names)

    def from_zero(self) -> "Trajectories":
        """The same motion with times counted from the first sample of each trajectory.

        Use it for large times, such as seconds since 1970, which single precision cannot resolve.
        """
        return eqx.tree_at(lambda trajectories: trajectories.ts, self, self.ts - self.ts[:, :1])

    def astype(self, dtype: DTypeLike) -> "Trajectories":
        """The same motion in another floating-point precision.

        **Raises:** `TimeOrderError` if `dtype` cannot resolve the time steps, because the times are too large.
        """
        check_resolution(self.ts, self.mask, dtype)
        parameters = jax.tree.map(lambda array: array.astype(dtype), self.parameters)
        return self._each(lambda rows: rows if rows.dtype == bool else rows.astype(dtype), parameters=parameters)

    def select(self, trajectories: Any) -> "Trajectories":
        """The trajectories of the given indices (integers, a slice or a boolean array), in that order."""
        index = np.arange(len(self))[trajectories].reshape(-1)
        parameters = jax.tree.map(lambda array: array[index], self.parameters)
        return self._each(lambda rows: rows[index], parameters=parameters)

    def thin(self, every: int) -> "Trajectories":
        """Keep every `every`-th sample of each trajectory, starting with the first. The result is split at gaps."""
        every = positive_integer("every", every)
        return self.split_at_gaps()._each(lambda rows: rows[:, ::every])

    @property
    def _arrays(self) -> dict[str, Any]:
        """The arrays of samples by argument name, without the mask."""
        names = ("ts", "ys", "accelerations", "controls", "observations")
        arrays = {name: getattr(self, name) for name in names}
        return {name: array for name, array in arrays.items() if array is not None}

    def _each(self, fn: Callable[[np.ndarray], np.ndarray], **changed: Any) -> "Trajectories":
        """Apply `fn` to every array, including the mask."""
        arrays = jax.tree.map(fn, self._arrays)
        same = {"gap": self.gap, "names": self.names, "parameters": self.parameters}
        return Trajectories(**arrays, mask=fn(self.mask), **same | changed)

    def __repr__(self) -> str:
        lengths = self.lengths
        span = f"{lengths.min()}" if lengths.min() == lengths.max() else f"{lengths.min()} to {lengths.max()}"
        driven = "" if self.controls is None else f", {self.controls.shape[2]} controls"
        seen = "" if self.observations is None else f", observations {', '.join(self.observations)}"
        known = "" if self.parameters is None else f", parameters {', '.join(self.parameters)}"
        coordinates = f"dof={self.dof}" if self.names is None else ", ".join(self.names)
        return f"Trajectories({len(self)} of {span} samples, {coordinates}{driven}{seen}{known}, {self.ys.dtype})"

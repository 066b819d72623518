"""Windows of trajectories: index pairs on the host, gathers on the device, never copies of the data."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, DTypeLike, Float, Int

from .container import Trajectories
from .errors import TimeOrderError


class Windows(eqx.Module):
    """All stretches of `horizon` intervals of `stride` samples each that lie inside one trajectory.

    **Arguments:**

    - `trajectories`: where they are cut from.
    - `horizon`: intervals a window, so that it has `horizon + 1` rows; 0 gives single samples.
    - `stride`: samples from one row to the next.
    - `dtype`: floating precision of the rows.

    **Raises:** `ValueError` if no trajectory is long enough; `TimeOrderError` if the times are too large for `dtype`
    to tell neighbouring samples apart.
    """

    ts: Float[Array, "trajectory time"]
    ys: Float[Array, "trajectory time two_dof"]
    accelerations: Float[Array, "trajectory time dof"] | None
    controls: Float[Array, "trajectory time m"] | None
    starts: Int[Array, "window 2"]
    horizon: int = eqx.field(static=True)
    stride: int = eqx.field(static=True)

    def __init__(self, trajectories: Trajectories, horizon: int, *, stride: int = 1, dtype: DTypeLike | None = None):
        if horizon < 0 or stride < 1:
            raise ValueError(f"`horizon` is {horizon}, `stride` {stride}; expected at least 0 and at least 1")
        counts = np.maximum(trajectories.lengths - horizon * stride, 0)
        if counts.sum() == 0:
            raise ValueError(
                f"`horizon` is {horizon} intervals of {stride} samples, so a window needs {horizon * stride + 1} "
                f"samples; the longest trajectory has {trajectories.lengths.max()}"
            )
        starts = np.stack(
            [
                np.repeat(np.arange(len(trajectories)), counts),
                np.concatenate([np.arange(count) for count in counts]),
            ],
            axis=1,
        )
        dtype = jax.dtypes.canonicalize_dtype(trajectories.ys.dtype if dtype is None else dtype)
        _check_resolution(trajectories, dtype)
        self.ts = jnp.asarray(trajectories.ts, dtype)
        self.ys = jnp.asarray(trajectories.ys, dtype)
        extras = (trajectories.accelerations, trajectories.controls)
        self.accelerations, self.controls = (None if rows is None else jnp.asarray(rows, dtype) for rows in extras)
        self.starts = jnp.asarray(starts)
        self.horizon = horizon
        self.stride = stride

    def __len__(self) -> int:
        return self.starts.shape[0]

    def gather(self, indices: Int[Array, " batch"]) -> tuple[Array | None, ...]:
        """`(ts, ys)` of the windows of the given numbers, the batch axis first, and what else there is.

        `(ts, ys, accelerations)` with accelerations, and with controls `(ts, ys, accelerations, controls)`, the
        accelerations `None` where there are none.
        """
        trajectory, rows = self.rows(indices)
        arrays = (self.ts, self.ys, self.accelerations, self.controls)
        last = max(i for i, array in enumerate(arrays) if array is not None)
        return tuple(None if array is None else array[trajectory, rows] for array in arrays[: last + 1])

    def rows(self, indices: Int[Array, " batch"]) -> tuple[Int[Array, "batch 1"], Int[Array, "batch row"]]:
        """The trajectory of the windows of the given numbers, and their samples in it."""
        trajectory, start = self.starts[indices, 0][:, None], self.starts[indices, 1][:, None]
        return trajectory, start + self.stride * jnp.arange(self.horizon + 1)[None]


def _check_resolution(trajectories: Trajectories, dtype: DTypeLike) -> None:
    """Large times in single precision, such as seconds since 1970, would silently distort every step."""
    exact = np.diff(trajectories.ts, axis=1)
    rounded = np.diff(trajectories.ts.astype(dtype), axis=1).astype(exact.dtype)
    wrong = (np.abs(rounded - exact) > 0.01 * exact) & trajectories.mask[:, 1:]
    if wrong.any():
        trajectory, before = (int(i) for i in np.argwhere(wrong)[0])
        earlier, later = trajectories.ts[trajectory, before : before + 2]
        raise TimeOrderError(
            f"times {earlier} and {later} are {rounded[trajectory, before]} apart in {np.dtype(dtype)}; expected times "
            f"that start near zero, or double precision",
            trajectory=trajectory,
            index=before + 1,
        )

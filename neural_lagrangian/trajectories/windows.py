"""All windows of a set of trajectories, gathered on demand without copies of the data."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, DTypeLike, Int

from .container import Trajectories
from .sources import Dealt, Mapped, Resident, first_row, placed
from .validation import check_resolution
from .window import Window


class Windows(eqx.Module):
    """All windows of `horizon` intervals in a set of trajectories. No window crosses a gap.

    **Arguments:**

    - `trajectories`: the trajectories.
    - `horizon`: number of intervals of a window. A window has `horizon + 1` rows; 0 gives single samples.
    - `stride`: number of samples from one row to the next.
    - `dtype`: floating-point precision of the rows.
    - `mesh`: devices along one axis over which the trajectories are sharded. Each process gives its own trajectories.

    **Raises:** `ValueError` if no run between gaps is long enough. `TimeOrderError` if `dtype` cannot resolve the time
    steps, because the times are too large.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, numpy as np, neural_lagrangian as nl
    >>> motion = nl.Trajectories(np.arange(10.0), np.ones((10, 2)))
    >>> windows = nl.trajectories.Windows(motion, horizon=3)  # of 4 samples each
    >>> len(windows), windows.gather(jnp.array([0, 6])).ts.tolist()
    (7, [[0.0, 1.0, 2.0, 3.0], [6.0, 7.0, 8.0, 9.0]])
    ```
    """

    source: Resident | Dealt | Mapped
    ends: Int[Array, " run"]
    trajectory: Int[Array, " run"]
    first: Int[Array, " run"]
    count: int = eqx.field(static=True)
    horizon: int = eqx.field(static=True)
    stride: int = eqx.field(static=True)

    def __init__(
        self,
        trajectories: Trajectories,
        horizon: int,
        *,
        stride: int = 1,
        dtype: DTypeLike | None = None,
        mesh: Mesh | None = None,
    ):
        if horizon < 0 or stride < 1:
            raise ValueError(f"`horizon` is {horizon}, `stride` is {stride}; expected `horizon` >= 0 and `stride` >= 1")
        dtype = jax.dtypes.canonicalize_dtype(trajectories.ys.dtype if dtype is None else dtype)
        check_resolution(trajectories.ts, trajectories.mask, dtype)
        self.source, runs = placed(trajectories, dtype, mesh)
        ends = np.cumsum(np.maximum(runs.length - horizon * stride, 0))
        if ends[-1] == 0:
            between = "run between gaps" if np.ptp(runs.first) > 0 else "trajectory"
            raise ValueError(
                f"`horizon` is {horizon} intervals of {stride} samples, so a window needs {horizon * stride + 1} "
                f"samples, but the longest {between} has {runs.length.max()}; expected a smaller `horizon`"
            )
        if ends[-1] > np.iinfo(np.int32).max:
            raise ValueError(f"`trajectories` have {ends[-1]} windows; expected at most {np.iinfo(np.int32).max}")
        self.ends, self.trajectory, self.first = map(jnp.asarray, (ends, runs.trajectory, runs.first))
        self.count = int(ends[-1])
        self.horizon = horizon
        self.stride = stride

    def __len__(self) -> int:
        return self.count

    @property
    def mesh(self) -> Mesh | None:
        """The devices over which the trajectories are sharded, or `None`."""
        return self.source.mesh if isinstance(self.source, Dealt) else None

    @property
    def axis(self) -> str | None:
        """The name of the axis of `mesh`."""
        return None if self.mesh is None else self.mesh.axis_names[0]

    def evenly(self, most: int) -> Int[Array, " batch"]:
        """The numbers of at most `most` windows, evenly spaced among all."""
        return jnp.linspace(0, len(self) - 1, min(most, len(self))).astype(int)

    def gather(self, indices: Int[Array, " batch"]) -> Window:
        """The windows with the given numbers as one `Window` with a batch axis in front.

        With a mesh, call it only inside `jax.shard_map`, where each device gets its share of the batch.
        """
        return first_row(self.source.take(*self.rows(indices)))

    def rows(self, indices: Int[Array, " batch"]) -> tuple[Int[Array, "batch 1"], Int[Array, "batch row"]]:
        """The trajectories and the samples of the windows with the given numbers."""
        run = jnp.searchsorted(self.ends, indices, side="right")
        before = jnp.where(run > 0, self.ends[run - 1], 0)
        start = (self.first[run] + indices - before)[:, None]
        return self.trajectory[run][:, None], start + self.stride * jnp.arange(self.horizon + 1)[None]

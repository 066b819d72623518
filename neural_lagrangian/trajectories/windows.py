"""Windows of trajectories: numbers, and gathers when they are needed, never copies of the data."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, DTypeLike, Int

from .container import Trajectories
from .sources import Dealt, Mapped, Resident, placed
from .validation import check_resolution
from .window import Window


class Windows(eqx.Module):
    """All stretches of `horizon` intervals of `stride` samples each that lie inside one trajectory and cross no gap.

    **Arguments:**

    - `trajectories`: where they are cut from.
    - `horizon`: intervals a window, so that it has `horizon + 1` rows; 0 gives single samples.
    - `stride`: samples from one row to the next.
    - `dtype`: floating precision of the rows.
    - `mesh`: devices along one axis over which the trajectories are dealt out; each process gives its own.

    **Raises:** `ValueError` if no run between gaps is long enough; `TimeOrderError` if the times are too large for
    `dtype` to tell neighbouring samples apart.

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
            raise ValueError(f"`horizon` is {horizon}, `stride` {stride}; expected at least 0 and at least 1")
        dtype = jax.dtypes.canonicalize_dtype(trajectories.ys.dtype if dtype is None else dtype)
        check_resolution(trajectories.ts, trajectories.mask, dtype)
        self.source, runs = placed(trajectories, dtype, mesh)
        ends = np.cumsum(np.maximum(runs.length - horizon * stride, 0))
        if ends[-1] == 0:
            between = "run between gaps" if np.ptp(runs.first) > 0 else "trajectory"
            raise ValueError(
                f"`horizon` is {horizon} intervals of {stride} samples, so a window needs {horizon * stride + 1} "
                f"samples; the longest {between} has {runs.length.max()}"
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
        """The devices over which the trajectories are dealt out, if they are."""
        return self.source.mesh if isinstance(self.source, Dealt) else None

    @property
    def axis(self) -> str | None:
        """The one axis of `mesh`."""
        return None if self.mesh is None else self.mesh.axis_names[0]

    def evenly(self, most: int) -> Int[Array, " batch"]:
        """Numbers of at most so many windows, evenly from all of them."""
        return jnp.linspace(0, len(self) - 1, min(most, len(self))).astype(int)

    def gather(self, indices: Int[Array, " batch"]) -> Window:
        """The windows of the given numbers as one `Window` whose arrays have the batch axis first.

        With a mesh, only inside `jax.shard_map`, where each device gets its share of the batch.
        """
        return self.source.take(*self.rows(indices))

    def rows(self, indices: Int[Array, " batch"]) -> tuple[Int[Array, "batch 1"], Int[Array, "batch row"]]:
        """The trajectory of the windows of the given numbers, and their samples in it."""
        run = jnp.searchsorted(self.ends, indices, side="right")
        before = jnp.where(run > 0, self.ends[run - 1], 0)
        start = (self.first[run] + indices - before)[:, None]
        return self.trajectory[run][:, None], start + self.stride * jnp.arange(self.horizon + 1)[None]

"""Where the rows of trajectories are while windows are cut from them: on a device, dealt out over several, in files."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, DTypeLike, Int

from .container import Trajectories
from .gaps import Runs
from .window import Window


class Resident(eqx.Module):
    """All rows in the memory of one device."""

    rows: Window

    def __init__(self, trajectories: Trajectories, dtype: DTypeLike):
        # Cast on the host: by JAX it would be compiled for every shape. A copy, since JAX may take the memory as it is.
        with np.errstate(over="ignore"):  # what is too large becomes infinite: a window that diverges
            rows = jax.tree.map(lambda part: np.array(part, dtype), whole(trajectories))
        self.rows = jax.device_put(rows)

    def take(self, trajectory: Int[Array, "batch 1"], sample: Int[Array, "batch row"]) -> Window:
        return jax.tree.map(lambda part: part[trajectory, sample], self.rows)


class Dealt(eqx.Module):
    """Rows in the memories of the devices along a mesh of one axis, an equal share of the trajectories in each.

    Each process gives its own trajectories; they count in the order of the processes, each one's filled up with empty
    ones, to the `shape` (trajectories, samples) that is the same in all.
    """

    rows: Window
    mesh: Mesh = eqx.field(static=True)

    def __init__(self, trajectories: Trajectories, dtype: DTypeLike, mesh: Mesh, shape: tuple[int, int]):
        sharding = NamedSharding(mesh, PartitionSpec(mesh.axis_names[0]))

        def deal(part: np.ndarray) -> Array:
            filled = np.zeros((*shape, *part.shape[2:]), dtype)
            with np.errstate(over="ignore"):
                filled[: part.shape[0], : part.shape[1]] = part
            return jax.make_array_from_process_local_data(sharding, filled)

        self.rows = jax.tree.map(deal, whole(trajectories))
        self.mesh = mesh

    def take(self, trajectory: Int[Array, "batch 1"], sample: Int[Array, "batch row"]) -> Window:
        """Inside `jax.shard_map`: each device's share of the batch, from whichever device has its rows."""
        (axis,) = self.mesh.axis_names
        parts, structure = jax.tree.flatten(self.rows)
        known = [part if part.ndim == 3 else part[..., None] for part in parts]
        here = trajectory - jax.lax.axis_index(axis) * known[0].shape[0]
        mine = (here >= 0) & (here < known[0].shape[0])
        found = jnp.concatenate([part[jnp.where(mine, here, 0), sample] for part in known], axis=2)
        shared = jax.lax.psum_scatter(jnp.where(mine[..., None], found, 0), axis, tiled=True)  # one message for all
        columns = jnp.split(shared, np.cumsum([part.shape[2] for part in known])[:-1], axis=2)
        alike = [one if part.ndim == 3 else one[..., 0] for one, part in zip(columns, parts, strict=True)]
        return jax.tree.unflatten(structure, alike)


class Mapped(eqx.Module):
    """Rows in files, of which a batch is read when it is needed, whatever their size."""

    reader: "_Reader" = eqx.field(static=True)

    def __init__(self, trajectories: Trajectories, dtype: DTypeLike):
        self.reader = _Reader(whole(trajectories), np.dtype(dtype))

    def take(self, trajectory: Int[Array, "batch 1"], sample: Int[Array, "batch row"]) -> Window:
        def shape(part: np.ndarray) -> jax.ShapeDtypeStruct:
            return jax.ShapeDtypeStruct((*sample.shape, *part.shape[2:]), self.reader.dtype)

        shapes = jax.tree.map(shape, self.reader.rows)
        return jax.pure_callback(self.reader, shapes, trajectory, sample, vmap_method="expand_dims")


class _Reader:
    """Reads rows; equal to itself alone, as what is compiled for it."""

    def __init__(self, rows: Window, dtype: np.dtype):
        self.rows, self.dtype = rows, dtype

    def __call__(self, trajectory: Array, sample: Array) -> Window:
        at = np.asarray(trajectory), np.asarray(sample)
        with np.errstate(over="ignore"):
            return jax.tree.map(lambda part: np.asarray(part[at], self.dtype), self.rows)


def placed(trajectories: Trajectories, dtype: DTypeLike, mesh: Mesh | None) -> tuple[Resident | Dealt | Mapped, Runs]:
    """The rows where they are kept, and the runs without gaps, as their trajectories count there.

    With a mesh the rows are dealt out; those that are mapped from files stay in their files.
    """
    if mesh is None:
        keep = Mapped if isinstance(trajectories.ys, np.memmap) else Resident
        return keep(trajectories, dtype), trajectories.runs()
    shape = _largest(trajectories, mesh)
    return Dealt(trajectories, dtype, mesh, shape), _runs_of_all(trajectories.runs(), shape[0])


def _runs_of_all(mine: Runs, count: int) -> Runs:
    """The runs of every process, each of which has so many trajectories."""
    numbers = np.asarray(multihost_utils.process_allgather(np.array([len(mine.length)], np.int32))).reshape(-1)
    filled = np.zeros((3, numbers.max()), np.int32)
    filled[:, : len(mine.length)] = mine
    everyone = np.asarray(multihost_utils.process_allgather(filled)).reshape(len(numbers), 3, -1)
    parts = [runs[:, :number] for runs, number in zip(everyone, numbers, strict=True)]
    trajectory, first, length = np.concatenate(parts, axis=1).astype(int)
    return Runs(trajectory + count * np.repeat(np.arange(len(numbers)), numbers), first, length)


def whole(trajectories: Trajectories) -> Window:
    """All rows of all trajectories as one window; the trajectories are its batch axis."""
    a, us = trajectories.accelerations, trajectories.controls
    return Window(trajectories.ts, trajectories.ys, accelerations=a, controls=us)


def _largest(trajectories: Trajectories, mesh: Mesh) -> tuple[int, int]:
    """Most trajectories of a process, made up to a multiple of its devices, and the most samples of one."""
    parts = (trajectories.ys, trajectories.accelerations, trajectories.controls)
    columns = [0 if part is None else part.shape[-1] for part in parts]
    mine = np.array([*trajectories.ts.shape, *columns], np.int32)
    everyone = np.asarray(multihost_utils.process_allgather(mine)).reshape(-1, len(mine))
    if (everyone[:, 2:] != everyone[0, 2:]).any():
        raise ValueError(
            f"`trajectories` have {everyone[:, 2:].tolist()} columns of states, accelerations and controls in the "
            f"processes; expected the same in each"
        )
    devices = len(mesh.local_devices)
    count, longest = everyone[:, :2].max(axis=0)
    return int(-(-count // devices) * devices), int(longest)

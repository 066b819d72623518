"""Storage of trajectories while windows are cut from them: on one device, sharded over several, or in files."""

from dataclasses import replace

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
    """All trajectories in the memory of one device."""

    rows: Window

    def __init__(self, trajectories: Trajectories, dtype: DTypeLike):
        # Cast by NumPy: JAX would compile for every shape. Copy: JAX may use the memory without a copy.
        with np.errstate(over="ignore"):  # numbers that overflow become infinite, so their window diverges
            rows = jax.tree.map(lambda part: np.array(part, dtype), whole(trajectories))
        self.rows = jax.device_put(rows)

    def take(self, trajectory: Int[Array, "batch 1"], sample: Int[Array, "batch row"]) -> Window:
        return jax.tree.map(lambda part: part[trajectory, sample], self.rows)


class Dealt(eqx.Module):
    """Trajectories sharded over the devices of a mesh with one axis, an equal number on each device.

    Each process gives its own trajectories. They are numbered in the order of the processes. Each process is padded by
    empty trajectories to the same `shape` (trajectories, samples).
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
        """Inside `jax.shard_map`: each device's share of the batch, gathered from all devices."""
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
    """Trajectories in memory-mapped files of any size. Each batch is read when it is needed."""

    reader: "_Reader" = eqx.field(static=True)

    def __init__(self, trajectories: Trajectories, dtype: DTypeLike):
        self.reader = _Reader(whole(trajectories), np.dtype(dtype))

    def take(self, trajectory: Int[Array, "batch 1"], sample: Int[Array, "batch row"]) -> Window:
        def shape(part: np.ndarray) -> jax.ShapeDtypeStruct:
            return jax.ShapeDtypeStruct((*sample.shape, *part.shape[2:]), self.reader.dtype)

        shapes = jax.tree.map(shape, self.reader.rows)
        return jax.pure_callback(self.reader, shapes, trajectory, sample, vmap_method="expand_dims")


class _Reader:
    """Callable that reads rows. Compiled functions are specific to one instance (compared by identity)."""

    def __init__(self, rows: Window, dtype: np.dtype):
        self.rows, self.dtype = rows, dtype

    def __call__(self, trajectory: Array, sample: Array) -> Window:
        at = np.asarray(trajectory), np.asarray(sample)
        with np.errstate(over="ignore"):
            return jax.tree.map(lambda part: np.asarray(part[at], self.dtype), self.rows)


def placed(trajectories: Trajectories, dtype: DTypeLike, mesh: Mesh | None) -> tuple[Resident | Dealt | Mapped, Runs]:
    """Store the trajectories: returns the storage, and the runs without gaps with the trajectory numbers used there.

    With a mesh the trajectories are sharded over its devices. Without, memory-mapped trajectories stay in their files.
    """
    if mesh is None:
        keep = Mapped if isinstance(trajectories.ys, np.memmap) else Resident
        return keep(trajectories, dtype), trajectories.runs()
    shape = _largest(trajectories, mesh)
    return Dealt(trajectories, dtype, mesh, shape), _runs_of_all(trajectories.runs(), shape[0])


def _runs_of_all(mine: Runs, count: int) -> Runs:
    """The runs of all processes, each of which has `count` trajectories."""
    numbers = np.asarray(multihost_utils.process_allgather(np.array([len(mine.length)], np.int32))).reshape(-1)
    filled = np.zeros((3, numbers.max()), np.int32)
    filled[:, : len(mine.length)] = mine
    everyone = np.asarray(multihost_utils.process_allgather(filled)).reshape(len(numbers), 3, -1)
    parts = [runs[:, :number] for runs, number in zip(everyone, numbers, strict=True)]
    trajectory, first, length = np.concatenate(parts, axis=1).astype(int)
    return Runs(trajectory + count * np.repeat(np.arange(len(numbers)), numbers), first, length)


def whole(trajectories: Trajectories) -> Window:
    """All trajectories as one window with a batch axis. Parameters have a row for each sample, as all else."""
    names = ("accelerations", "controls", "observations")
    extras = {name: getattr(trajectories, name) for name in names}
    count, samples = trajectories.ts.shape

    def of_each_sample(parameter: np.ndarray) -> np.ndarray:
        return np.broadcast_to(parameter[:, None], (count, samples, *parameter.shape[1:]))

    extras["parameters"] = jax.tree.map(of_each_sample, trajectories.parameters)
    return Window(trajectories.ts, trajectories.ys, **extras)


def first_row(window: Window) -> Window:
    """A batch of windows from `whole` with one value of each parameter for each window."""
    parameters = jax.tree.map(lambda rows: rows[:, 0], window.parameters)
    return replace(window, parameters=parameters)


def _largest(trajectories: Trajectories, mesh: Mesh) -> tuple[int, int]:
    """Largest number of trajectories of a process, rounded up to a multiple of its devices, and of samples of one."""
    window = whole(trajectories)
    named = jax.tree.leaves((window.observations, window.parameters))
    parts = (window.ys, window.accelerations, window.controls, *named)
    columns = [0 if part is None else np.prod(part.shape[2:], dtype=int) for part in parts]
    mine = np.array([*trajectories.ts.shape, *columns], np.int32)
    everyone = np.asarray(multihost_utils.process_allgather(mine)).reshape(-1, len(mine))
    if (everyone[:, 2:] != everyone[0, 2:]).any():
        raise ValueError(
            f"`trajectories` have {everyone[:, 2:].tolist()} columns of states, accelerations, controls, "
            f"observations and parameters in the processes; expected the same in each"
        )
    devices = len(mesh.local_devices)
    count, longest = everyone[:, :2].max(axis=0)
    return int(-(-count // devices) * devices), int(longest)

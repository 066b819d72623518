"""Train on several devices and processes: windows are sharded, everything else is replicated."""

import hashlib
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import DTypeLike, PyTree

from ..trajectories import Trajectories, Windows

EVERYWHERE = PartitionSpec()
"""Sharding of an array that is replicated on all devices."""
MAX_PROBED_TRAJECTORIES = 16
"""Largest number of trajectories that are put on one device to test rollouts, when the data are sharded."""


def on_devices(function: Callable[..., PyTree], windows: Windows) -> Callable[..., PyTree]:
    """Run `function` on each device of the mesh of `windows`, one of its arguments.

    `windows` are sharded over the axis of the mesh. All other arguments and all results are replicated. If the windows
    are on one device, `function` is returned unchanged.
    """
    mesh = windows.mesh
    if mesh is None:
        return function
    dealt = PartitionSpec(windows.axis)
    everywhere = jax.tree.map(lambda _: EVERYWHERE, windows)
    by_device = eqx.tree_at(lambda w: w.source.rows, everywhere, replace_fn=lambda _: dealt)

    def call(*arguments):
        arrays, rest = eqx.partition(arguments, eqx.is_array)
        specs = tuple(by_device if argument is windows else EVERYWHERE for argument in arguments)

        def on_each(arrays):
            return function(*eqx.combine(arrays, rest))

        return jax.shard_map(on_each, mesh=mesh, in_specs=(specs,), out_specs=EVERYWHERE, check_vma=False)(arrays)

    return call


def shared(function: Callable[..., PyTree], mesh: Mesh | None) -> Callable[..., PyTree]:
    """Call `function` with arrays of this process, replicated on every device of the mesh.

    Arrays that are sharded already, and those of NumPy, such as in a `Scaling`, stay as they are. The results are
    arrays of this process again. Without a mesh, `function` is returned unchanged.
    """
    if mesh is None:
        return function
    everywhere = NamedSharding(mesh, EVERYWHERE)

    def replicated(x: Any) -> Any:
        if isinstance(x, np.ndarray) or isinstance(x.sharding, NamedSharding):
            return x
        if jnp.issubdtype(x.dtype, jax.dtypes.prng_key):
            return jax.random.wrap_key_data(replicated(jax.random.key_data(x)), impl=jax.random.key_impl(x))
        return jax.make_array_from_process_local_data(everywhere, np.asarray(x))

    def call(*arguments):
        arrays, rest = eqx.partition(arguments, eqx.is_array)
        results = function(*eqx.combine(jax.tree.map(replicated, arrays), rest))
        return jax.tree.map(lambda x: x.addressable_data(0), results)

    return call


def windows_here(windows: Windows, trajectories: Trajectories, dtype: DTypeLike) -> Windows:
    """Windows like `windows` on one device of this process. If the data are sharded, they are of a few trajectories."""
    if windows.mesh is None:
        return windows
    runs = trajectories.runs()
    chosen = np.unique(runs.trajectory[np.argsort(-runs.length, kind="stable")[:MAX_PROBED_TRAJECTORIES]])
    return Windows(trajectories.select(chosen), windows.horizon, stride=windows.stride, dtype=dtype)


def agreed(value: Any, mesh: Mesh | None) -> Any:
    """The value of the first process, for all processes. Values that come from clocks differ between processes."""
    if mesh is None or jax.process_count() == 1 or value is None:
        return value
    return multihost_utils.broadcast_one_to_all(np.asarray(value)).item()


def digests(trajectories: Trajectories, mesh: Mesh | None) -> list[str]:
    """SHA-256 of the trajectories of each process; without a mesh, only of this one."""
    digest = hashlib.sha256()
    for leaf in jax.tree.leaves(trajectories):
        digest.update(f"{leaf.dtype}{leaf.shape}".encode())
        for row in leaf:  # one row at a time: data in files may be larger than memory
            digest.update(np.ascontiguousarray(row).data)
    found = np.frombuffer(digest.digest(), np.uint8)
    everyone = found if mesh is None else np.asarray(multihost_utils.process_allgather(found))
    return [bytes(each).hex() for each in everyone.reshape(-1, found.size)]


def mesh_of_cores(trajectories: Trajectories, batch_size: int, estimate_states: bool) -> Mesh | None:
    """The CPU devices of this process, if it has several and they can share the training."""
    devices = jax.devices()
    several = len(devices) > 1 and devices[0].platform == "cpu" and jax.process_count() == 1
    mapped = isinstance(trajectories.ys, np.memmap)  # stays in its file, on one device
    if not several or batch_size % len(devices) or estimate_states or mapped:
        return None
    return Mesh(np.array(devices), ("window",))


def check_mesh(mesh: Mesh | None, batch_size: int, estimate_states: bool) -> None:
    """**Raises:** `ValueError` if the devices of `mesh` cannot share the training."""
    if mesh is None:
        return
    if len(mesh.axis_names) != 1:
        raise ValueError(f"`mesh` has axes {mesh.axis_names}; expected one, such as `jax.make_mesh((4,), ('data',))`")
    processes = [device.process_index for device in mesh.devices]
    if processes != sorted(processes):
        raise ValueError(f"`mesh` has devices of processes {processes}; expected devices sorted by process")
    if batch_size % mesh.size:
        raise ValueError(f"`batch_size` is {batch_size}; expected a multiple of the {mesh.size} devices of `mesh`")
    if estimate_states:
        raise ValueError("`estimate_states` is True and `mesh` is given; expected only one of them")

"""A training shared by processes, each of which has some of the trajectories and some devices."""

from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import AxisType

import neural_lagrangian as nl

from ..helpers import fit_options, small_network
from .killed import data

SETTINGS = {"steps": (12, 8), "horizon": (2, 4), "batch_size": 8, "optimizer": optax.adam(1e-2)}


def make(seed):
    """Networks of one shape, and of weights of their own."""
    network = small_network(1, out=1)
    return nl.NeuralODE(eqx.tree_at(lambda n: n.layers[0].bias, network, jnp.sin(seed + jnp.arange(8.0))))


def trained(motion, members=None, **keywords):
    key = jax.random.key(0)
    model = make(0.0) if members is None else eqx.filter_vmap(make)(jnp.arange(float(members)))
    settings = SETTINGS | {"held_out": data(0.4), "look_every": 4, "members": members}
    return nl.fit(model, motion, key=key, **fit_options(**settings | keywords))


def weights(result):
    return [np.asarray(x) for x in jax.tree.leaves(eqx.filter(result.model, eqx.is_inexact_array))]


def main(folder, members=None):
    """What each process does, once they are connected."""
    rank, processes = jax.process_index(), jax.process_count()
    shares = np.split(np.arange(len(data())), [5] if processes > 1 else [])  # five and three of eight
    several = jax.make_mesh((jax.device_count(),), ("data",), axis_types=(AxisType.Explicit,))
    mesh = several if processes > 1 else None  # one process takes all its devices by itself
    result = trained(data().select(shares[rank]), members, mesh=mesh, resume=Path(folder) / "checkpoints")
    np.savez(Path(folder) / f"{rank}.npz", *weights(result), loss=result.history.loss)

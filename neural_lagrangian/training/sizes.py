"""A word on motion whose numbers are far from order one, where networks and optimisers learn badly."""

import warnings
from typing import Any

import jax
import numpy as np

from ..networks import PeriodicEmbedding
from ..trajectories import Scaling, Trajectories

MAX_ORDINARY_SIZE = 20.0
"""Coordinates and the unit of time of a motion of ordinary size are at most this large, and at least one over this.
A pendulum (32 units, 600 steps) is predicted to 0.015 of its size in units where that is 1 or 5, to 0.17 where it is
1 / 20, and not at all where it is 20.
"""
MAX_SAMPLES = 4096
"""Trajectories, and samples of each, that are looked at: enough for a size, and few of a recording that is a file."""


def warn_of_sizes(model: Any, trajectories: Trajectories) -> None:
    """Say so if coordinates, or the motion's own unit of time, are far from one in the units they are given in.

    The sizes alone decide: those of `Scaling.of`. A model that holds a `Scaling` has units of its own, and angles of a
    `PeriodicEmbedding` are in radians, however often they went round. Numbers whose squares overflow are no sizes: the
    windows that hold them diverge, which `fit` counts and says.
    """
    if _parts(model, Scaling):
        return
    embeddings = (part for part in _parts(model, PeriodicEmbedding) if part.dof == trajectories.dof)
    periodic = sorted({i for part in embeddings for i in part.periodic})
    found = Scaling.of(_sampled(trajectories), periodic=periodic)
    names = trajectories.names or tuple(f"q{i}" for i in range(trajectories.dof))
    sizes = dict(zip((f"coordinate {name}" for name in names), found.q_scale, strict=True))
    sizes["time scale of the motion (root mean square coordinate over velocity)"] = found.t_scale
    far = [f"{name}: {size:.2g}" for name, size in sizes.items() if not _is_ordinary(float(size))]
    if far and max(sizes.values()) < np.sqrt(np.finfo(trajectories.ys.dtype).max):
        warnings.warn(
            f"`trajectories` are far from order one in their units ({'; '.join(far)}; expected "
            f"{1 / MAX_ORDINARY_SIZE:g} to {MAX_ORDINARY_SIZE:g}), where training goes badly. Train in natural units: "
            f"`scaling = Scaling.of(trajectories)`, then `fit(model, scaling.scale(trajectories), ...)`; "
            f"`Scaled(result.model, scaling)` is the trained model in the units of the data. (Angles that go round: "
            f"`PeriodicEmbedding`.)",
            stacklevel=3,
        )


def _is_ordinary(size: float) -> bool:
    return 1 / MAX_ORDINARY_SIZE <= size <= MAX_ORDINARY_SIZE


def _parts(model: Any, kind: type) -> list[Any]:
    leaves = jax.tree.leaves(model, is_leaf=lambda node: isinstance(node, kind))
    return [leaf for leaf in leaves if isinstance(leaf, kind)]


def _sampled(trajectories: Trajectories) -> Trajectories:
    """Evenly some of the samples."""
    few = slice(None, None, -(-len(trajectories) // MAX_SAMPLES))
    rows = slice(None, None, -(-trajectories.ys.shape[1] // MAX_SAMPLES))
    arrays = (trajectories.ts, trajectories.ys, trajectories.mask)
    ts, ys, mask = (np.array(array[few, rows]) for array in arrays)
    return Trajectories(ts, ys, mask=mask)

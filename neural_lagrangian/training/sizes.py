"""A warning for motion whose numbers are far from order one, since networks and optimisers then learn badly."""

import warnings
from typing import Any

import jax
import numpy as np

from ..networks import PeriodicEmbedding
from ..trajectories import Scaling, Trajectories

MAX_ORDINARY_SIZE = 20.0
"""Coordinates and the time scale of a motion should lie between this number and its inverse. Measured on a pendulum
(width 32, 600 steps): the relative error is 0.015 at size 1 or 5 and 0.17 at size 1 / 20; at size 20 training fails.
"""
MAX_SAMPLES = 4096
"""Largest number of trajectories, and of samples of each, that are read to find the size of the data."""


def warn_of_sizes(model: Any, trajectories: Trajectories) -> None:
    """Warn if the coordinates, or the time scale of the motion, are far from one in the units of the data.

    The sizes are those of `Scaling.of`. There is no warning for a model that holds a `Scaling`: it scales the data
    itself. Angles of a `PeriodicEmbedding` have size 1, however often they turn. Numbers whose squares overflow
    are ignored: their windows diverge, and `fit` counts these.
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
    """At most `MAX_SAMPLES` trajectories and samples, evenly from all."""
    few = slice(None, None, -(-len(trajectories) // MAX_SAMPLES))
    rows = slice(None, None, -(-trajectories.ys.shape[1] // MAX_SAMPLES))
    arrays = (trajectories.ts, trajectories.ys, trajectories.mask)
    ts, ys, mask = (np.array(array[few, rows]) for array in arrays)
    return Trajectories(ts, ys, mask=mask)

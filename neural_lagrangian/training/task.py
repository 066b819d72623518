"""The task of a training: all arguments of `fit`, checked."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import DTypeLike, PRNGKeyArray, PyTree

from ..trajectories import Trajectories, Windows
from .alike import name_of
from .devices import digests
from .fit_options import Rollouts, Running, Watching
from .loss import Loss
from .stages import Stage


class TrainingTask(NamedTuple):
    """The checked arguments of `fit`, with the same names.

    `static`: the part of the model that is not trained. `dtype`: dtype of the trained arrays. `watched`: validation
    windows.
    """

    model: Any
    static: PyTree
    dtype: DTypeLike
    trajectories: Trajectories
    held_out: Trajectories | None
    watched: Windows | None
    loss: Loss
    stages: Sequence[Stage]
    key: PRNGKeyArray
    batch_size: int
    rollouts: Rollouts
    watching: Watching
    running: Running

    @property
    def steps(self) -> int:
        """Total number of steps of all stages."""
        return sum(stage.steps for stage in self.stages)

    def windows(self, stage: Stage) -> Windows:
        """The windows of a stage."""
        cut = {"stride": self.rollouts.stride, "dtype": self.dtype, "mesh": self.running.mesh}
        return Windows(self.trajectories, stage.horizon, **cut)

    def plan(self) -> dict[str, Any]:
        """The settings that must be the same to resume from a checkpoint."""
        return {
            "horizon, steps": [[stage.horizon, stage.steps] for stage in self.stages],
            "stride": self.rollouts.stride,
            "estimate_states": self.rollouts.estimate_states,
            "members": self.running.members,
            "batch_size": self.batch_size,
            "look_every, patience": [self.watching.look_every, self.watching.patience],
            "loss": name_of(self.loss),
            "key": np.asarray(jax.random.key_data(self.key)).tolist(),
            "trajectories": digests(self.trajectories, self.running.mesh),
            "held_out": None if self.held_out is None else digests(self.held_out, None),
        }

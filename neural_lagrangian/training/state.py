"""The state of a training between two steps, as checkpoints store it."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, DTypeLike, PyTree

from .checkpoints import Checkpoints
from .history import History
from .stages import Stage
from .step import MEMBER, Estimated

NEVER_LOOKED_AT = np.iinfo(np.int32).max
"""Number of validation windows that diverge before the first validation: larger than any real number."""


class TrainingState(NamedTuple):
    """The state of a training between two steps.

    `best`, `best_loss` and `best_diverged`: weights, validation loss and number of diverging windows at the best
    validation. `stage`: index of the stage. `done`: steps taken in it. `waited`: validations without a better model.
    `max_steps`: limit of integration steps of a rollout.
    """

    params: PyTree
    opt_state: PyTree
    best: PyTree
    best_loss: np.ndarray
    best_diverged: np.ndarray
    history: History
    stage: int = 0
    done: int = 0
    waited: int = 0
    max_steps: int | None = None

    @staticmethod
    def begun(weights: PyTree, states: Array | None, dtype: DTypeLike, members: int | None) -> "TrainingState":
        """The state before the first step. `states`: initial values of the estimated states, or `None`."""
        params = weights if states is None else Estimated(weights, states)
        shape = () if members is None else (members,)
        unknown, never = np.full(shape, np.inf, dtype), np.full(shape, NEVER_LOOKED_AT)
        return TrainingState(params, None, params, unknown, never, History.empty(dtype, 0, members))

    @property
    def step(self) -> int:
        """Number of steps taken."""
        return len(self.history.loss)

    @property
    def found(self) -> PyTree:
        """The weights to return: those of the best validation, or the latest if no validation loss was finite."""
        return chosen(np.isfinite(self.best_loss), self.best, self.params)

    def moved(self, params: PyTree, opt_state: PyTree, rows: History) -> "TrainingState":
        """The state after some steps, recorded in `rows`. The last row may have a validation loss."""
        history, done = self.history.followed_by(rows), self.done + len(rows.loss)
        after = self._replace(params=params, opt_state=opt_state, history=history, done=done)
        return after.looked(rows.held_out[-1, ...], rows.held_out_diverged[-1, ...])

    def looked(self, loss: np.ndarray, diverged: np.ndarray) -> "TrainingState":
        """The state after a validation; NaN means that there was none.

        A model is better if fewer validation windows diverge, then if the loss of the other windows is smaller.
        """
        if np.isnan(loss).all():
            return self
        fewer, as_many = diverged < self.best_diverged, diverged == self.best_diverged
        better = np.isfinite(loss) & (fewer | (as_many & (loss < self.best_loss)))
        return self._replace(
            best=chosen(better, self.params, self.best),
            best_loss=np.where(better, loss, self.best_loss),
            best_diverged=np.where(better, diverged, self.best_diverged),
            waited=0 if better.any() else self.waited + 1,
        )

    def next_stage(self) -> "TrainingState":
        """The state at the beginning of the next stage, with the best weights so far."""
        return self._replace(params=self.found, opt_state=None, stage=self.stage + 1, done=0, waited=0)

    def write(self, folder: Checkpoints, plan: dict[str, Any]) -> None:
        """Write a checkpoint that `resumed` can read."""
        numbers = {name: getattr(self, name) for name in ("step", "stage", "done", "waited", "max_steps")}
        between = self if self.done else self._replace(opt_state=None)  # a stage makes a new one when it begins
        folder.write(self.step, between.arrays, {"plan": plan, "state": numbers})

    @property
    def arrays(self) -> dict[str, Any]:
        """The fields that are trees of arrays."""
        names = ("params", "opt_state", "best", "best_loss", "best_diverged", "history")
        return {name: getattr(self, name) for name in names}


def begun_optimizer(stage: Stage, params: PyTree, members: int | None) -> PyTree:
    """The optimiser's state at the beginning of a stage."""
    init = stage.optimizer.init
    return init(params) if members is None else jax.vmap(init, axis_name=MEMBER)(params)


def chosen(which: np.ndarray | np.bool_, one: PyTree, other: PyTree) -> PyTree:
    """Select `one` where `which` is true, else `other`; separately for each member of an ensemble."""

    def of(a: Array, b: Array) -> Array:
        return jnp.where(which.reshape(which.shape + (1,) * (a.ndim - 1)) if which.ndim else which, a, b)

    return jax.tree.map(of, one, other)

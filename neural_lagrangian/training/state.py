"""Where a training is: all that it needs to go on, and the weights that it would return."""

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
"""Held-out windows that diverge, where none were looked at yet: more than any look finds."""


class TrainingState(NamedTuple):
    """A training between two steps. `best`, `best_loss` and `best_diverged` are of the best look at held-out motion."""

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
        """Before the first step; `states` are those to be estimated, if any are."""
        params = weights if states is None else Estimated(weights, states)
        shape = () if members is None else (members,)
        unknown, never = np.full(shape, np.inf, dtype), np.full(shape, NEVER_LOOKED_AT)
        return TrainingState(params, None, params, unknown, never, History.empty(dtype, 0, members))

    @property
    def step(self) -> int:
        return len(self.history.loss)

    @property
    def found(self) -> PyTree:
        """The weights to return: the best of the looks, the latest where no look was finite."""
        return chosen(np.isfinite(self.best_loss), self.best, self.params)

    def moved(self, params: PyTree, opt_state: PyTree, rows: History) -> "TrainingState":
        """After some steps, of which `rows` tell; the held-out motion was looked at after the last of them, or not."""
        history, done = self.history.followed_by(rows), self.done + len(rows.loss)
        after = self._replace(params=params, opt_state=opt_state, history=history, done=done)
        return after.looked(rows.held_out[-1, ...], rows.held_out_diverged[-1, ...])

    def looked(self, loss: np.ndarray, diverged: np.ndarray) -> "TrainingState":
        """After a look at held-out motion; NaN is no look. Better is a model with which fewer of its windows diverge,
        then one with a lower loss of the others.
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
        """With the best weights, where there are such."""
        return self._replace(params=self.found, opt_state=None, stage=self.stage + 1, done=0, waited=0)

    def write(self, folder: Checkpoints, plan: dict[str, Any]) -> None:
        """A checkpoint of it, from which `resumed` goes on."""
        numbers = {name: getattr(self, name) for name in ("step", "stage", "done", "waited", "max_steps")}
        between = self if self.done else self._replace(opt_state=None)  # a stage makes its own when it begins
        folder.write(self.step, between.arrays, {"plan": plan, "state": numbers})

    @property
    def arrays(self) -> dict[str, Any]:
        names = ("params", "opt_state", "best", "best_loss", "best_diverged", "history")
        return {name: getattr(self, name) for name in names}


def begun_optimizer(stage: Stage, params: PyTree, members: int | None) -> PyTree:
    """The optimiser's state at the beginning of a stage."""
    init = stage.optimizer.init
    return init(params) if members is None else jax.vmap(init, axis_name=MEMBER)(params)


def chosen(which: np.ndarray | np.bool_, one: PyTree, other: PyTree) -> PyTree:
    """The one or the other, for each member by itself if there are several."""

    def of(a: Array, b: Array) -> Array:
        return jnp.where(which.reshape(which.shape + (1,) * (a.ndim - 1)) if which.ndim else which, a, b)

    return jax.tree.map(of, one, other)

"""The loop of a training: steps, looks at held-out motion, callbacks, checkpoints."""

import time
import warnings
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import DTypeLike, PRNGKeyArray, PyTree

from ..integrators import with_integration
from ..trajectories import Trajectories, Windows
from .alike import name_of
from .checkpoints import Checkpoints
from .devices import agreed, digests, shared, windows_here
from .display import Display, display
from .history import History, warn_of_failures, warn_of_looks
from .loss import Loss
from .progress import Callback, Progress
from .result import DivergenceError, FitResult, divergence_message, share_diverging
from .solves import reasons, steps_to_allow, with_max_steps
from .stages import Stage, with_controller
from .state import State, begun_optimizer, resumed
from .step import CHUNK, HELD_OUT, held_out_loss, take_steps, weights_and_states

REFRESH = 0.5
"""Seconds that a compiled call should take, so that the progress bar stays lively however slow a step is."""


class Task(NamedTuple):
    """What is trained, on what, and how; checked. The names are those of `fit`."""

    model: Any
    static: PyTree
    dtype: DTypeLike
    trajectories: Trajectories
    watched: Windows | None
    loss: Loss
    stages: Sequence[Stage]
    key: PRNGKeyArray
    stride: int
    batch_size: int
    members: int | None
    mesh: Mesh | None
    look_every: int
    patience: int | None
    largest_divergence: float
    callbacks: Sequence[Callback]
    checkpoint_every: float
    progress: bool

    @property
    def steps(self) -> int:
        """Of all stages."""
        return sum(stage.steps for stage in self.stages)

    def plan(self, held_out: Trajectories | None, estimate_states: bool) -> dict[str, Any]:
        """What must be the same for a training to go on from a checkpoint."""
        return {
            "horizon, steps": [[stage.horizon, stage.steps] for stage in self.stages],
            "stride": self.stride,
            "estimate_states": estimate_states,
            "members": self.members,
            "batch_size": self.batch_size,
            "look_every, patience": [self.look_every, self.patience],
            "loss": name_of(self.loss),
            "key": np.asarray(jax.random.key_data(self.key)).tolist(),
            "trajectories": digests(self.trajectories, self.mesh),
            "held_out": None if held_out is None else digests(held_out, None),
        }


class Loop:
    """A training under way, from a `state` to the last step of the last stage."""

    def __init__(self, task: Task, state: State):
        self.task, self.state = task, state
        self.first = jax.process_index() == 0
        self.folder: Checkpoints | None = None
        self.said: Callable[[], str] = lambda: ""

    def run(self, folder: Checkpoints | None, plan: dict[str, Any]) -> FitResult:
        """Train, from the newest checkpoint of the folder if there is one, and return the model to keep.

        However it ends, by an interrupt or a fault too, the folder then has a checkpoint of the last step.
        """
        task = self.task
        with ExitStack() as stack:
            if folder is not None:
                if self.first:
                    stack.enter_context(folder.held())
                self.state = resumed(folder, plan, self.state, task.stages, task.members)
            self.folder, self.plan, self.kept = folder, plan, self._place()
            self.before = self.state.history.seconds[-1] if self.state.step else 0.0
            self.began = self.written = time.perf_counter()
            shown = stack.enter_context(display(task.progress and self.first, task.steps, self.state.step))
            try:
                stopped = any(self._stopped_in(stage, shown) for stage in task.stages[self.state.stage :])
            finally:
                self._keep()
        if stopped:
            self._look_at_the_end()
        warn_of_failures(self.state.history, task.batch_size, self.said)
        if task.watched is not None:
            warn_of_looks(self.state.best_loss, self.state.best_diverged, min(HELD_OUT, len(task.watched)))
        return self.result()

    def result(self) -> FitResult:
        """What is to be returned if the training ends now."""
        weights, states = weights_and_states(self.state.found)
        trained = with_integration(eqx.combine(weights, self.task.static), self.task.model)
        return FitResult(trained, self.state.history, None if states is None else np.asarray(states))

    def _stopped_in(self, stage: Stage, shown: Display) -> bool:
        """Take the steps of a stage that are left; whether a callback has asked for the end."""
        task = self.task
        free = with_integration(task.static, with_controller(task.model, stage.controller))
        windows = Windows(task.trajectories, stage.horizon, stride=task.stride, dtype=task.dtype, mesh=task.mesh)
        probe = windows_here(windows, task.trajectories, task.dtype)
        self.said = lambda: reasons(self.state.params, free, probe, task.members)
        allow = partial(steps_to_allow, static=free, windows=probe, members=task.members)
        if self.state.done == 0:
            self.state = self.state._replace(max_steps=agreed(allow(self.state.params), task.mesh))
        if self.state.opt_state is None:
            opt_state = begun_optimizer(stage, self.state.params, task.members)
            self.state = self.state._replace(opt_state=opt_state)
        shown.compiling()
        chunk = 1
        while self.state.done < stage.steps and (task.patience is None or self.state.waited < task.patience):
            started = time.perf_counter()
            done = self.state.done
            chunk = min(chunk, stage.steps - done, task.look_every - done % task.look_every)
            self._advance(stage, free, windows, chunk, allow)
            shown.show(told := self._progress())
            if share_diverging(self.state.history, task.batch_size) > task.largest_divergence:
                message = divergence_message(self.state.history, task.batch_size, task.largest_divergence, self.said())
                raise DivergenceError(message, self.result())
            stop = self.first and any([callback(told) is True for callback in task.callbacks])  # all are told
            if agreed(stop, task.mesh):
                return True
            now = time.perf_counter()
            if now - self.written >= task.checkpoint_every:
                self._keep()
                self.written = now
            chunk = agreed(min(CHUNK, 2 * chunk, max(1, int(chunk * REFRESH / (now - started))) + 1), task.mesh)
        self.state = self.state.next_stage()
        self._keep()
        return False

    def _advance(
        self, stage: Stage, free: PyTree, windows: Windows, chunk: int, allow: Callable[[PyTree], int | None]
    ) -> None:
        """Some more steps, and a look where one is due. The state changes once, at the end: an interrupt is safe."""
        task, state = self.task, self.state
        span = jnp.array([state.step, chunk])  # arrays: a Python integer would compile anew each time
        moved, opt_state, record = shared(take_steps, task.mesh)(
            state.params,
            state.opt_state,
            with_max_steps(free, state.max_steps),
            windows,
            task.loss,
            stage.optimizer,
            task.key,
            span,
            task.batch_size,
            task.members,
        )
        record = (np.asarray(x) if task.members is None else np.asarray(x).swapaxes(0, 1) for x in record)
        losses, causes, skipped = (x[:chunk] for x in record)
        look, diverged, ends = (
            np.full(losses.shape, np.nan, task.dtype),
            np.zeros(losses.shape, int),
            state.done + chunk,
        )
        looks = ends % task.look_every == 0 or ends == stage.steps
        if task.watched is not None and looks:
            look[-1], diverged[-1] = held_out_loss(moved, free, task.watched, task.loss, task.members)
        seconds = np.full(chunk, self.before + time.perf_counter() - self.began)
        horizons = np.full(chunk, stage.horizon)
        rows = History(losses, causes, skipped, horizons, look, diverged, seconds)
        after = state.moved(moved, opt_state, rows)
        if looks and after.history.failures[-task.look_every :].any():
            after = after._replace(max_steps=agreed(allow(moved), task.mesh))
        self.state = after

    def _progress(self) -> Progress:
        history = self.state.history
        return Progress(
            self.state.step,
            self.task.steps,
            int(history.horizon[-1]),
            float(np.median(history.loss[-1])),
            int(history.causes.sum()),
            float(np.median(history.held_out[-1])),
            float(history.seconds[-1]),
            lambda: self.result().model,
        )

    def _look_at_the_end(self) -> None:
        """Where a callback ended the training between two looks: what was learned since may be the best."""
        task, history = self.task, self.state.history
        if task.watched is None or not history.loss.size or not np.isnan(history.held_out[-1]).all():
            return
        stage = task.stages[min(self.state.stage, len(task.stages) - 1)]
        free = with_integration(task.static, with_controller(task.model, stage.controller))
        look, diverged = history.held_out.copy(), history.held_out_diverged.copy()
        found = held_out_loss(self.state.params, free, task.watched, task.loss, task.members)
        look[-1], diverged[-1] = found
        seen = eqx.tree_at(lambda h: (h.held_out, h.held_out_diverged), history, (look, diverged))
        self.state = self.state._replace(history=seen).looked(look[-1, ...], diverged[-1, ...])

    def _place(self) -> tuple[int, int]:
        return self.state.step, self.state.stage

    def _keep(self) -> None:
        """A checkpoint, unless there is one of this step. A disk that is full does not end the training."""
        if self.folder is None or not self.first or self.kept == self._place():
            return
        try:
            self.state.write(self.folder, self.plan)
        except OSError as error:
            warnings.warn(f"no checkpoint of step {self.state.step} could be written: {error}", stacklevel=4)
        else:
            self.kept = self._place()

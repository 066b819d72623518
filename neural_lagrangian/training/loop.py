"""The training loop: steps, validation, callbacks, checkpoints."""

import time
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from ..integrators import with_integration
from ..trajectories import Windows
from .checkpoints import Checkpoints
from .devices import agreed, shared, windows_here
from .display import Display, display
from .history import History, warn_of_failures, warn_of_looks
from .progress import Progress
from .result import DivergenceError, FitResult, divergence_message, share_diverging
from .resume import resumed
from .solves import reasons, steps_to_allow, with_max_steps
from .stages import Stage, with_controller
from .state import TrainingState, begun_optimizer
from .step import MAX_HELD_OUT_WINDOWS, MAX_STEPS_TOGETHER, held_out_loss, take_steps, weights_and_states
from .task import TrainingTask

REFRESH_SECONDS = 0.5
"""Target duration of one compiled call, in seconds: after each call the progress bar is updated."""


class Loop:
    """A running training: it takes the steps of `task` from `state` to the end of the last stage."""

    def __init__(self, task: TrainingTask, state: TrainingState):
        self.task, self.state = task, state
        self.mesh, self.members = task.running.mesh, task.running.members
        self.first = jax.process_index() == 0
        self.folder: Checkpoints | None = None
        self.said: Callable[[], str] = lambda: ""

    def run(self) -> FitResult:
        """Train, from the newest checkpoint if there is one, and return the best model.

        A checkpoint of the last step is written at the end, after an interrupt and after an error too.
        """
        task, resume = self.task, self.task.running.resume
        folder, plan = (None, {}) if resume is None else (Checkpoints(resume), task.plan())
        with ExitStack() as stack:
            if folder is not None:
                if self.first:
                    stack.enter_context(folder.held())
                self.state = resumed(folder, plan, self.state, task.stages, self.members)
            self.folder, self.plan, self.kept = folder, plan, self._place()
            self.before = self.state.history.seconds[-1] if self.state.step else 0.0
            self.began = self.written = time.perf_counter()
            shown = stack.enter_context(display(task.watching.progress and self.first, task.steps, self.state.step))
            try:
                stopped = any(self._stopped_in(stage, shown) for stage in task.stages[self.state.stage :])
            finally:
                self._keep()
        if stopped:
            self._look_at_the_end()
        warn_of_failures(self.state.history, task.batch_size, self.said)
        if task.watched is not None:
            warn_of_looks(self.state.best_loss, self.state.best_diverged, min(MAX_HELD_OUT_WINDOWS, len(task.watched)))
        return self.result()

    def result(self) -> FitResult:
        """The result if the training ends now."""
        weights, states = weights_and_states(self.state.found)
        trained = with_integration(eqx.combine(weights, self.task.static), self.task.model)
        return FitResult(trained, self.state.history, None if states is None else np.asarray(states))

    def _stopped_in(self, stage: Stage, shown: Display) -> bool:
        """Take the remaining steps of a stage. Returns whether a callback has ended the training."""
        task, watching = self.task, self.task.watching
        free = with_integration(task.static, with_controller(task.model, stage.controller))
        windows = task.windows(stage)
        probe = windows_here(windows, task.trajectories, task.dtype)
        self.said = lambda: reasons(self.state.params, free, probe, self.members)
        allow = partial(steps_to_allow, static=free, windows=probe, members=self.members)
        if self.state.done == 0:
            self.state = self.state._replace(max_steps=agreed(allow(self.state.params), self.mesh))
        if self.state.opt_state is None:
            opt_state = begun_optimizer(stage, self.state.params, self.members)
            self.state = self.state._replace(opt_state=opt_state)
        shown.compiling()
        chunk = 1
        while self.state.done < stage.steps and (watching.patience is None or self.state.waited < watching.patience):
            started = time.perf_counter()
            done = self.state.done
            chunk = min(chunk, stage.steps - done, watching.look_every - done % watching.look_every)
            self._advance(stage, free, windows, chunk, allow)
            shown.show(progress := self._progress())
            self._check_divergence()
            stop = self.first and any([callback(progress) is True for callback in watching.callbacks])  # call each
            if agreed(stop, self.mesh):
                return True
            now = time.perf_counter()
            if now - self.written >= task.running.checkpoint_every:
                self._keep()
                self.written = now
            chunk = agreed(
                min(MAX_STEPS_TOGETHER, 2 * chunk, max(1, int(chunk * REFRESH_SECONDS / (now - started))) + 1),
                self.mesh,
            )
        self.state = self.state.next_stage()
        self._keep()
        return False

    def _check_divergence(self) -> None:
        history, batch_size, largest = self.state.history, self.task.batch_size, self.task.watching.largest_divergence
        if share_diverging(history, batch_size) > largest:
            raise DivergenceError(divergence_message(history, batch_size, largest, self.said()), self.result())

    def _advance(
        self, stage: Stage, free: PyTree, windows: Windows, chunk: int, allow: Callable[[PyTree], int | None]
    ) -> None:
        """Take `chunk` steps, and compute the validation loss if it is due.

        The state changes only at the end, so that an interrupt is safe.
        """
        task, state = self.task, self.state
        span = jnp.array([state.step, chunk])  # an array, since each new Python integer would be compiled again
        moved, opt_state, record = shared(take_steps, self.mesh)(
            state.params,
            state.opt_state,
            with_max_steps(free, state.max_steps),
            windows,
            task.loss,
            stage.optimizer,
            task.key,
            span,
            task.batch_size,
            self.members,
        )
        record = (np.asarray(x) if self.members is None else np.asarray(x).swapaxes(0, 1) for x in record)
        losses, causes, skipped = (x[:chunk] for x in record)
        look, diverged, ends = (
            np.full(losses.shape, np.nan, task.dtype),
            np.zeros(losses.shape, int),
            state.done + chunk,
        )
        looks = ends % task.watching.look_every == 0 or ends == stage.steps
        if task.watched is not None and looks:
            look[-1], diverged[-1] = held_out_loss(moved, free, task.watched, task.loss, self.members)
        seconds = np.full(chunk, self.before + time.perf_counter() - self.began)
        horizons = np.full(chunk, stage.horizon)
        rows = History(losses, causes, skipped, horizons, look, diverged, seconds)
        after = state.moved(moved, opt_state, rows)
        if looks and after.history.failures[-task.watching.look_every :].any():
            after = after._replace(max_steps=agreed(allow(moved), self.mesh))
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
        """Compute the validation loss of the last step if a callback ended the training before."""
        task, history = self.task, self.state.history
        if task.watched is None or not history.loss.size or not np.isnan(history.held_out[-1]).all():
            return
        stage = task.stages[min(self.state.stage, len(task.stages) - 1)]
        free = with_integration(task.static, with_controller(task.model, stage.controller))
        look, diverged = history.held_out.copy(), history.held_out_diverged.copy()
        found = held_out_loss(self.state.params, free, task.watched, task.loss, self.members)
        look[-1], diverged[-1] = found
        seen = eqx.tree_at(lambda h: (h.held_out, h.held_out_diverged), history, (look, diverged))
        self.state = self.state._replace(history=seen).looked(look[-1, ...], diverged[-1, ...])

    def _place(self) -> tuple[int, int]:
        return self.state.step, self.state.stage

    def _keep(self) -> None:
        """Write a checkpoint, unless this step has one. A full disk gives a warning and does not end the training."""
        if self.folder is None or not self.first or self.kept == self._place():
            return
        try:
            self.state.write(self.folder, self.plan)
        except OSError as error:
            warnings.warn(f"no checkpoint of step {self.state.step} could be written: {error}", stacklevel=4)
        else:
            self.kept = self._place()

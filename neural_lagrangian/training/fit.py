"""Training."""

import inspect
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh
from jaxtyping import Array, PRNGKeyArray, PyTree
from tqdm import tqdm

from ..integrators.rollout import Controller, with_integration, without_integration
from ..mechanics import SampledControl
from ..trajectories import Scaling, Trajectories, Windows
from .checkpoints import CheckpointError, Checkpoints
from .devices import agreed, check_mesh, digests, shared, windows_here
from .history import History, warn_of_failures
from .losses import trajectory_mse
from .progress import Callback, Progress
from .solves import reasons, steps_to_allow, with_max_steps
from .stages import Stage, stages_of, with_controller
from .step import CHUNK, EXTRAS, MEMBER, Estimated, held_out_loss, take_steps, weights_and_states

REFRESH = 0.5
"""Seconds that a compiled call should take, so that the progress bar stays lively however slow a step is."""
RECENT = 100
"""Steps over which the share of windows that diverge is taken."""


class FitResult(eqx.Module):
    """A trained `model` and the `history` of its training. `states`: the estimated ones, shape
    `(trajectory, time, 2 dof)`, where they were asked for.
    """

    model: Any
    history: History
    states: np.ndarray | None = None

    def __repr__(self) -> str:
        states = "" if self.states is None else f", states of shape {self.states.shape}"
        return f"FitResult(a {type(self.model).__name__}, {self.history!r}{states})"


class DivergenceError(RuntimeError):
    """So many windows diverge that training means nothing. `result`: the `FitResult` so far."""

    def __init__(self, message: str, result: FitResult):
        super().__init__(message)
        self.result = result


def fit(
    model: Callable[[Array, Array], Array],
    trajectories: Trajectories,
    *,
    loss: Callable[..., Array] = trajectory_mse,
    optimizer: optax.GradientTransformation | Sequence[optax.GradientTransformation] | None = None,
    steps: int | Sequence[int] = 2000,
    key: PRNGKeyArray,
    horizon: int | Sequence[int] = (2, 8),
    stride: int = 1,
    batch_size: int = 128,
    stepsize_controller: Controller | Sequence[Controller | None] | None = None,
    estimate_states: bool = False,
    members: int | None = None,
    mesh: Mesh | None = None,
    held_out: Trajectories | None = None,
    look_every: int = 100,
    patience: int | None = None,
    largest_divergence: float = 0.9,
    callbacks: Sequence[Callback] = (),
    resume: str | Path | None = None,
    checkpoint_every: float = 30.0,
    progress: bool = True,
) -> FitResult:
    """Train a model on windows of trajectories, with true gradients through its rollouts.

    The horizon grows in stages: short windows first, since long rollouts of an untrained model fit little but the
    mean. Each stage draws its own optimiser state. Windows that diverge are left out of their step, which then has
    exactly the gradient of the others, and are counted. A step's batch depends on `key` and the step's number only.

    **Arguments:**

    - `model`: any rollout model; its floating arrays are trained, in their own precision.
    - `trajectories`: the motion to learn from.
    - `loss`: `loss(model, ts, ys) -> scalar` of one window, or with a fourth argument where the trajectories carry
      accelerations, and a fifth where they carry controls.
    - `optimizer`: an optax optimiser, or one for each stage. `None` means Muon with a cosine-decayed rate from 1e-2.
    - `steps`: gradient steps in all, split evenly over the stages, or one number for each stage.
    - `key`: a JAX random key.
    - `horizon`: intervals a window, or a sequence of them, one for each stage.
    - `stride`: samples from one row of a window to the next.
    - `batch_size`: windows a step.
    - `stepsize_controller`: how rollouts step during training, or one for each stage: cheap fixed steps first, adaptive
      ones later, which may then take so many steps, within the model's `max_steps`, as those that succeed need. `None`
      means as the model says, or `StepsPerSample(1)` where it says nothing (neither `stepsize_controller` nor `dt0`).
      The model returned has its own again.
    - `estimate_states`: whether the true states of the trajectories are trained too, from the recorded ones on: for
      noisy recordings. The loss starts from them (see `multiple_shooting`, `trajectory_mse`).
    - `members`: of an ensemble, trained side by side in one compiled step, each on batches of its own; one that
      diverges does not touch the others. `model` is then a stack of so many, `eqx.filter_vmap(make)(keys)`, and so is
      the one returned; each has its own best on held-out motion. Losses and optimisers may differ from one to the
      other: `jax.lax.axis_index(training.MEMBER)` tells them which it is.
    - `mesh`: devices along one axis, such as `jax.make_mesh((4,), ("data",))`, that share the windows of each step. The
      trajectories are dealt out over them, so that none holds all. With several processes (`jax.distributed`) all
      call `fit`, each with its own trajectories and with the same for all else; the first writes and is told.
    - `held_out`: motion that is not trained on. Every `look_every` steps of a stage, and at its end, the loss of its
      windows, of the last stage's horizon, is taken; the model returned is the best of those, and so is that with which
      the next stage begins.
    - `patience`: looks in a row that are no better, after which a stage ends; `None` for never.
    - `largest_divergence`: the share of the windows of the last 100 steps that may diverge.
    - `callbacks`: told a `Progress` every few steps, such as `json_lines(path)`. Training ends once one returns `True`.
    - `resume`: a folder of checkpoints. A training that was killed goes on from the newest that is sound, to weights
      that are bit for bit those it would have had; where there is none, it begins. `checkpoint_every`: seconds from
      one to the next.
    - `progress`: whether to show a progress bar (never outside a terminal).

    **Returns:** a `FitResult`.

    **Raises:** `ValueError` for arguments that do not fit together, or data that do not fit the model;
    `DivergenceError` beyond `largest_divergence`; `CheckpointError` for checkpoints of another training.
    """
    stages = stages_of(model, horizon, steps, optimizer, stepsize_controller)
    _check_options(batch_size, look_every, patience, held_out)
    check_mesh(mesh, batch_size, estimate_states)
    if estimate_states:
        _check_takes_states(loss)
    weights, static, dtype = parameters_of(model)
    _check_members(weights, members)
    params = weights
    if estimate_states:
        ys = jnp.asarray(trajectories.ys, dtype)
        params = Estimated(weights, ys if members is None else jnp.broadcast_to(ys, (members, *ys.shape)))
    watched = None if held_out is None else Windows(held_out, stages[-1].horizon, stride=stride, dtype=dtype)
    unknown = np.full(() if members is None else members, np.inf, dtype)
    state = _State(params, None, params, unknown, History.empty(dtype, 0, members))
    folder, plan = None, {}
    if resume is not None:
        folder = Checkpoints(resume)
        plan = {
            "horizon, steps": [[stage.horizon, stage.steps] for stage in stages],
            "stride": stride,
            "estimate_states": estimate_states,
            "members": members,
            "batch_size": batch_size,
            "look_every, patience": [look_every, patience],
            "loss": getattr(loss, "__qualname__", type(loss).__qualname__),
            "key": np.asarray(jax.random.key_data(key)).tolist(),
            "trajectories": digests(trajectories, mesh),
            "held_out": None if held_out is None else digests(held_out, None),
        }
        state = _resumed(folder, plan, state, stages, members)
    first = jax.process_index() == 0
    before = state.history.seconds[-1] if state.step else 0.0
    began = written = time.perf_counter()
    total = sum(stage.steps for stage in stages)

    def explain(params: PyTree) -> str:
        return ""

    def result() -> FitResult:
        found = state.params if watched is None else state.best
        weights, states = weights_and_states(found)
        trained = with_integration(eqx.combine(weights, static), model)
        return FitResult(trained, state.history, None if states is None else np.asarray(states))

    with tqdm(total=total, initial=state.step, disable=None if progress and first else True, unit="step") as bar:
        for stage in stages[state.stage :]:
            free = with_integration(static, with_controller(model, stage.controller))
            windows = Windows(trajectories, stage.horizon, stride=stride, dtype=dtype, mesh=mesh)
            probe = windows_here(windows, trajectories, dtype)
            explain = partial(reasons, static=free, windows=probe, members=members)
            if state.done == 0:
                state = state._replace(max_steps=agreed(steps_to_allow(state.params, free, probe, members), mesh))
            if state.opt_state is None:
                state = state._replace(opt_state=_begun(stage, state.params, members))
            bar.set_description("compiling")
            chunk = 1
            while state.done < stage.steps and (patience is None or state.waited < patience):
                started = time.perf_counter()
                chunk = min(chunk, stage.steps - state.done, look_every - state.done % look_every)
                span = jnp.array([state.step, chunk])  # arrays: a Python integer would compile anew each time
                moved, opt_state, record = shared(take_steps, mesh)(
                    state.params,
                    state.opt_state,
                    with_max_steps(free, state.max_steps),
                    windows,
                    loss,
                    stage.optimizer,
                    key,
                    span,
                    batch_size,
                    members,
                )
                record = (np.asarray(x) if members is None else np.asarray(x).swapaxes(0, 1) for x in record)
                losses, causes, skipped = (x[:chunk] for x in record)
                look, ends = np.full(losses.shape, np.nan, dtype), state.done + chunk
                looks = ends % look_every == 0 or ends == stage.steps
                if watched is not None and looks:
                    look[-1] = held_out_loss(moved, free, watched, loss, members)
                now = time.perf_counter()
                horizons, seconds = np.full(chunk, stage.horizon), np.full(chunk, before + now - began)
                state = state.moved(moved, opt_state, History(losses, causes, skipped, horizons, look, seconds))
                told = Progress(
                    state.step,
                    total,
                    stage.horizon,
                    float(np.median(losses[-1])),
                    int(state.history.causes.sum()),
                    float(np.median(look[-1])),
                    float(seconds[-1]),
                    lambda: result().model,
                )
                bar.set_description(f"horizon {stage.horizon}")
                bar.set_postfix(loss=f"{told.loss:.2e}", diverged=told.diverged, refresh=False)
                bar.update(chunk)
                if looks and state.history.failures[-look_every:].any():
                    state = state._replace(max_steps=agreed(steps_to_allow(moved, free, probe, members), mesh))
                if _diverging(state.history, batch_size) > largest_divergence:
                    said = explain(state.params)
                    raise DivergenceError(_advice(state.history, batch_size, largest_divergence, said), result())
                stop = first and any([callback(told) is True for callback in callbacks])  # all are told
                if agreed(stop, mesh):
                    return result()
                if first and folder is not None and now - written >= checkpoint_every:
                    _write(folder, plan, state)
                    written = now
                chunk = agreed(min(CHUNK, 2 * chunk, max(1, int(chunk * REFRESH / (now - started))) + 1), mesh)
            state = state.next_stage()
            if first and folder is not None:
                _write(folder, plan, state)
    warn_of_failures(state.history, batch_size, lambda: explain(state.params))
    return result()


class _State(NamedTuple):
    """A training between two steps: all that is to be known to go on."""

    params: PyTree
    opt_state: PyTree
    best: PyTree
    best_loss: np.ndarray
    history: History
    stage: int = 0
    done: int = 0
    waited: int = 0
    max_steps: int | None = None

    @property
    def step(self) -> int:
        return len(self.history.loss)

    def moved(self, params: PyTree, opt_state: PyTree, rows: History) -> "_State":
        """After some steps, the last of them looked at or not."""
        done = self.done + len(rows.loss)
        after = self._replace(params=params, opt_state=opt_state, history=self.history.followed_by(rows), done=done)
        look = rows.held_out[-1]
        if np.isnan(look).all():
            return after
        better = look < self.best_loss
        waited = 0 if better.any() else self.waited + 1
        best_loss = np.where(better, look, self.best_loss)
        return after._replace(best=_chosen(better, params, self.best), best_loss=best_loss, waited=waited)

    def next_stage(self) -> "_State":
        """With the best weights, if there are such."""
        params = _chosen(np.isfinite(self.best_loss), self.best, self.params)
        return self._replace(params=params, opt_state=None, stage=self.stage + 1, done=0, waited=0)

    @property
    def arrays(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("params", "opt_state", "best", "best_loss", "history")}

    @property
    def numbers(self) -> dict[str, int | None]:
        return {name: getattr(self, name) for name in ("step", "stage", "done", "waited", "max_steps")}


def _chosen(which: np.ndarray | np.bool_, one: PyTree, other: PyTree) -> PyTree:
    """The one or the other, for each member by itself if there are several."""

    def of(a: Array, b: Array) -> Array:
        return jnp.where(which.reshape(which.shape + (1,) * (a.ndim - 1)) if which.ndim else which, a, b)

    return jax.tree.map(of, one, other)


def _begun(stage: Stage, params: PyTree, members: int | None) -> PyTree:
    """The optimiser's state at the beginning of a stage."""
    init = stage.optimizer.init
    return init(params) if members is None else jax.vmap(init, axis_name=MEMBER)(params)


def _write(folder: Checkpoints, plan: dict[str, Any], state: _State) -> None:
    folder.write(state.step, state.arrays, {"plan": plan, "state": state.numbers})


def _resumed(
    folder: Checkpoints, plan: dict[str, Any], start: _State, stages: Sequence[Stage], members: int | None
) -> _State:
    """The state of the newest checkpoint, or the one to start with."""

    def like(header: dict[str, Any]) -> Any:
        for name, value in plan.items():
            if header["plan"].get(name) != value:
                raise CheckpointError(
                    f"`resume` is {str(folder.folder)!r}, whose checkpoints are of another training: `{name}` was "
                    f"{header['plan'].get(name)}, and is {value}"
                )
        numbers = header["state"]
        stage = None if numbers["stage"] == len(stages) or not numbers["done"] else stages[numbers["stage"]]
        opt_state = None if stage is None else _begun(stage, start.params, members)
        history = History.empty(start.history.loss.dtype, numbers["step"], members)
        return start._replace(opt_state=opt_state, history=history).arrays

    found = folder.newest(like)
    if found is None:
        return start
    header, arrays = found
    numbers = {name: value for name, value in header["state"].items() if name != "step"}
    return _State(**arrays, **numbers)


def _diverging(history: History, batch_size: int) -> float:
    """The share of recent windows that diverge; zero before there are enough."""
    if len(history.loss) < RECENT:
        return 0.0
    return float(history.failures[-RECENT:].mean()) / batch_size


def _advice(history: History, batch_size: int, largest: float, reasons: str) -> str:
    return (
        f"{100 * _diverging(history, batch_size):.0f} % of the windows of the last {RECENT} steps diverged, more than "
        f"`largest_divergence`, {largest:g}. {reasons}Shorter windows (`horizon`), more steps a sample "
        f"(`StepsPerSample`), a smaller learning rate, scaled data (`Scaled`) or a model that starts near a free "
        f"particle (`MechanicalLagrangian`) help."
    )


def _check_options(batch_size: int, look_every: int, patience: int | None, held_out: Trajectories | None) -> None:
    for name, value in {"batch_size": batch_size, "look_every": look_every, "patience": patience}.items():
        if value is not None and value < 1:
            raise ValueError(f"`{name}` is {value}; expected at least 1")
    if patience is not None and held_out is None:
        raise ValueError(f"`patience` is {patience}, but `held_out` is None; expected held-out motion to look at")


def _check_members(weights: PyTree, members: int | None) -> None:
    if members is not None and (members < 1 or any(x.shape[:1] != (members,) for x in jax.tree.leaves(weights))):
        shapes = sorted({x.shape for x in jax.tree.leaves(weights)})
        raise ValueError(
            f"`members` is {members}, but `model` has arrays of shapes {shapes}; expected a stack of so many, such as "
            f"`eqx.filter_vmap(make)(jax.random.split(key, {members}))`"
        )


def _check_takes_states(loss: Callable[..., Array]) -> None:
    try:
        inspect.signature(loss).bind(*range(EXTRAS + 2))
    except TypeError:
        name = getattr(loss, "__qualname__", repr(loss))
        raise ValueError(
            f"`estimate_states` is True, but the loss {name} takes no states; expected `multiple_shooting()`, "
            f"`trajectory_mse`, or any other (model, ts, ys, accelerations, controls, states)"
        ) from None


def parameters_of(model: Any) -> tuple[PyTree, PyTree, Any]:
    """What of a model is trained, the rest of it but for how it is integrated, and the dtype of the former.

    Trained is every floating array but those of its units and its recorded controls.
    """
    given = (Scaling, SampledControl)

    def trainable(node):
        return eqx.is_inexact_array(node) and not isinstance(node, given)

    bare = without_integration(model)
    spec = jax.tree.map(trainable, bare, is_leaf=lambda node: isinstance(node, given))
    weights, static = eqx.partition(bare, spec)
    dtypes = {leaf.dtype for leaf in jax.tree.leaves(weights)}
    if len(dtypes) != 1:
        found = ", ".join(sorted(str(d) for d in dtypes)) or "no floating arrays"
        raise ValueError(f"`model` has parameters of {found}; expected all of one floating dtype")
    return weights, static, dtypes.pop()

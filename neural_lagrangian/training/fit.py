"""Training."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh
from jaxtyping import Array, PRNGKeyArray, PyTree

from ..integrators import Controller
from ..trajectories import Trajectories, Windows
from .alike import alike
from .checkpoints import Checkpoints
from .devices import check_mesh
from .loop import Loop, Task
from .loss import Loss
from .losses import trajectory_mse
from .parameters import check_motion, parameters_of, warn_of_unused_states
from .progress import Callback
from .result import FitResult
from .sizes import warn_of_sizes
from .stages import stages_of
from .state import State
from .step import Estimated, weights_and_states


def fit(
    model: Callable[[Array, Array], Array],
    trajectories: Trajectories,
    *,
    loss: Loss = trajectory_mse,
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
    - `trajectories`: the motion to learn from. Its numbers should be of order one, since networks and optimisers learn
      badly from others; a warning says so where they are not (see `Scaling`, `Scaled`).
    - `loss`: `loss(model, window) -> scalar` of one `Window`, which has what the trajectories carry. Recorded controls
      drive the `ControlForce` of its model.
    - `optimizer`: an optax optimiser, or one for each stage. `None` means Muon with a cosine-decayed rate from 1e-2.
    - `steps`: gradient steps in all, split evenly over the stages, or one number for each stage.
    - `key`: a JAX random key.
    - `horizon`: intervals a window, or a sequence of them, one for each stage.
    - `stride`: samples from one row of a window to the next.
    - `batch_size`: windows a step.
    - `stepsize_controller`: how rollouts step during training, or one for each stage: cheap fixed steps first, adaptive
      ones later, which may then take so many steps, within the model's `max_steps`, as those that succeed need. `None`
      means as the model says, or `StepsPerSample(1)` where it says nothing (neither `stepsize_controller` nor `dt0`).
      Steps go by time: where samples are far apart, `StepsPerSample` takes more of them.
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
    - `held_out`: a validation set, motion that is not trained on. Every `look_every` steps of a stage, at its end, and
      where a callback ends the training, the loss of its windows is computed, at the last stage's horizon. The best
      model so far starts the next stage and is returned at the end. The best is the model with which the fewest of
      these windows diverge, and of several such the one with the least mean loss of the others. If no look is finite,
      the last model is returned, with a warning.
    - `patience`: looks in a row that are no better, after which a stage ends; `None` for never.
    - `largest_divergence`: the share of the windows of the last 100 steps that may diverge.
    - `callbacks`: functions that get a `Progress` every few steps, such as `json_lines(path)`. Training ends once one
      returns `True`.
    - `resume`: a folder of checkpoints, for one training at a time. A training that was interrupted or killed goes on
      from the newest sound checkpoint, to weights that are bit for bit those it would have had. Without checkpoints it
      begins. `checkpoint_every`: seconds from one checkpoint to the next; an interrupt writes one too.
    - `progress`: whether to show progress: a bar on a terminal and in a notebook, elsewhere a line every few seconds.

    **Returns:** a `FitResult`.

    **Raises:** `ValueError` for arguments that do not fit together, or data that do not fit the model;
    `DivergenceError` beyond `largest_divergence`; `CheckpointError` for checkpoints of another training, and for a
    folder to which another process writes.
    """
    recordings = {"trajectories": trajectories} | ({} if held_out is None else {"held_out": held_out})
    for name, recording in recordings.items():
        check_motion(name, recording)
    stages = stages_of(model, horizon, steps, optimizer, stepsize_controller, [*recordings.values()], stride, mesh)
    _check_key(key)
    _check_options(batch_size, look_every, patience, held_out)
    check_mesh(mesh, batch_size, estimate_states)
    weights, static, dtype = parameters_of(model)
    _check_members(weights, members)
    params = _with_states(weights, jnp.asarray(trajectories.ys, dtype), members) if estimate_states else weights
    watched = None if held_out is None else Windows(held_out, stages[-1].horizon, stride=stride, dtype=dtype)
    warn_of_sizes(model, trajectories)
    task = Task(
        model=model,
        static=static,
        dtype=dtype,
        trajectories=trajectories,
        watched=watched,
        loss=alike(loss),
        stages=stages,
        key=key,
        stride=stride,
        batch_size=batch_size,
        members=members,
        mesh=mesh,
        look_every=look_every,
        patience=patience,
        largest_divergence=largest_divergence,
        callbacks=callbacks,
        checkpoint_every=checkpoint_every,
        progress=progress,
    )
    loop = Loop(task, State.begun(params, dtype, members))
    folder = None if resume is None else Checkpoints(resume)
    result = loop.run(folder, {} if folder is None else task.plan(held_out, estimate_states))
    if estimate_states:
        warn_of_unused_states(weights_and_states(params)[1], result.states)
    return result


def _with_states(weights: PyTree, ys: Array, members: int | None) -> Estimated:
    """Weights beside the states to be estimated, which begin as the recorded ones: of each member its own."""
    return Estimated(weights, ys if members is None else jnp.broadcast_to(ys, (members, *ys.shape)))


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


def _check_key(key: Any) -> None:
    try:
        data = jax.random.key_data(key)
    except (TypeError, ValueError):  # of JAX, which names no argument
        data = None
    if data is None or data.ndim != 1:
        came = f"of shape {key.shape}, dtype {key.dtype}" if isinstance(key, Array) else repr(key)
        raise ValueError(f"`key` is {came}; expected one JAX random key, such as `jax.random.key(0)`")

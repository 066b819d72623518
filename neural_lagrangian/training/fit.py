"""`fit`: train a model on windows of trajectories."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import optax
from jaxtyping import Array, PRNGKeyArray

from .._checks import check_instance
from ..networks import check_runs
from ..trajectories import Trajectories, Windows
from .alike import alike
from .devices import check_mesh, mesh_of_cores
from .fit_options import Rollouts, Running, Watching, check_at_least_one
from .lags import check_sensors_of, warn_of_short_windows
from .loop import Loop
from .loss import Loss
from .parameters import begun_states, check_key, check_members, check_motion, parameters_of, warn_of_unused_states
from .result import FitResult
from .rollout_losses import trajectory_mse
from .sizes import warn_of_sizes
from .stages import stages_of
from .state import TrainingState
from .task import TrainingTask


def fit(
    model: Callable[[Array, Array], Array],
    trajectories: Trajectories,
    *,
    loss: Loss = trajectory_mse,
    optimizer: optax.GradientTransformation | Sequence[optax.GradientTransformation] | None = None,
    steps: int | Sequence[int] = 2000,
    key: PRNGKeyArray,
    horizon: int | Sequence[int] = (2, 8),
    batch_size: int = 128,
    held_out: Trajectories | None = None,
    rollouts: Rollouts = Rollouts(),  # noqa: B008
    watching: Watching = Watching(),  # noqa: B008
    running: Running = Running(),  # noqa: B008
) -> FitResult:
    """Train a model on windows of trajectories, with true gradients through its rollouts.

    The horizon grows in stages. Short windows come first, since long rollouts of an untrained model fit little but the
    mean. Each stage begins with a new optimiser state. A window that diverges is counted and left out of its step: the
    gradient is exactly that of the other windows. The batch of a step depends only on `key` and the step's number.

    **Arguments:**

    - `model`: any rollout model. Its floating-point arrays are trained in their own precision, except those that are
      `Frozen`, a `Scaling` or a recorded control.
    - `trajectories`: the training set. Its numbers should be of order one, otherwise networks and optimisers learn
      badly; a warning says if they are not (see `Scaling`, `Scaled`).
    - `loss`: `loss(model, window) -> scalar` for one `Window`, which has the fields that the trajectories carry.
      Recorded controls drive the `ControlForce` of the model.
    - `optimizer`: an optax optimiser, or one for each stage (default: Muon with a cosine-decayed rate from 1e-2).
    - `steps`: total number of gradient steps, split evenly over the stages, or one number for each stage.
    - `key`: a JAX random key, for the batches.
    - `horizon`: number of intervals in a window, or one number for each stage.
    - `batch_size`: number of windows in each step.
    - `held_out`: a validation set. Every `watching.look_every` steps, and at the end of a stage, the loss of its
      windows is computed at the horizon of the last stage. The best model so far starts the next stage and is returned
      at the end. Best is the model for which the fewest of these windows diverge, then the one with the smallest mean
      loss of the other windows. If no validation loss is finite, the last model is returned, with a warning.
    - `rollouts`: a `training.Rollouts`: stride, stepsize controller, estimated states.
    - `watching`: a `training.Watching`: validation, early stopping, callbacks, progress.
    - `running`: a `training.Running`: members of an ensemble, devices, checkpoints.

    **Returns:** a `FitResult`.

    **Raises:** `ValueError` if arguments do not fit together, data do not fit the model, or a delay, or the gain of a
    sensor that gave the recorded states, is to be trained without `estimate_states`; `DivergenceError` if too
    many windows diverge; `CheckpointError` if the checkpoints belong to another training, or another process writes to
    their folder.

    **Example:**

    ```python
    >>> import jax, numpy as np, optax, neural_lagrangian as nl
    >>> t = np.linspace(0.0, 2.0, 21)
    >>> motion = nl.Trajectories(t, np.stack([np.cos(2 * t), -2 * np.sin(2 * t)], axis=1))  # k / m = 4
    >>> spring = lambda t, q, v, *, k: (v @ v - k * q @ q) / 2
    >>> model = nl.NeuralLagrangian(nl.lagrangians.ParametricLagrangian(spring, dof=1, k=3.5))
    >>> result = nl.fit(model, motion, optimizer=optax.adam(0.05), steps=100, key=jax.random.key(0))
    >>> round(float(result.model.network.coefficients["k"]), 1)
    4.0
    ```
    """
    sets = {"trajectories": trajectories} | ({} if held_out is None else {"held_out": held_out})
    for name, motion in sets.items():
        check_motion(name, motion)
        check_runs(model, motion.parameters)
    for name, option, kind in (("rollouts", rollouts, Rollouts), ("watching", watching, Watching)):
        check_instance(name, option, kind)
    check_instance("running", running, Running)
    check_at_least_one(batch_size=batch_size)
    if running.mesh is None:
        running = replace(running, mesh=mesh_of_cores(trajectories, batch_size, rollouts.estimate_states))
    stages = stages_of(model, horizon, steps, optimizer, rollouts, [*sets.values()], running.mesh)
    check_key(key)
    if watching.patience is not None and held_out is None:
        raise ValueError(f"`patience` is {watching.patience}, but `held_out` is None; expected a validation set")
    check_mesh(running.mesh, batch_size, rollouts.estimate_states)
    weights, static, dtype = parameters_of(model)
    if not rollouts.estimate_states:
        check_sensors_of(weights, trajectories, option="`rollouts=Rollouts(estimate_states=True)`")
    warn_of_short_windows(weights, trajectories, stages[-1].horizon, rollouts.stride)
    check_members(weights, running.members)
    watched = None if held_out is None else Windows(held_out, stages[-1].horizon, stride=rollouts.stride, dtype=dtype)
    warn_of_sizes(model, trajectories)
    states = begun_states(trajectories, dtype, running.members) if rollouts.estimate_states else None
    task = TrainingTask(
        model=model,
        static=static,
        dtype=dtype,
        trajectories=trajectories,
        held_out=held_out,
        watched=watched,
        loss=alike(loss),
        stages=stages,
        key=key,
        batch_size=batch_size,
        rollouts=rollouts,
        watching=watching,
        running=running,
    )
    result = Loop(task, TrainingState.begun(weights, states, dtype, running.members)).run()
    if states is not None:
        warn_of_unused_states(states, result.states)
    return result

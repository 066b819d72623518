"""Training."""

import operator
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, PRNGKeyArray, PyTree
from tqdm import tqdm

from ..integrators import AbstractMotionModel, StepsPerSample
from ..integrators.rollout import Controller
from ..mechanics import SampledControl
from ..trajectories import Scaling, Trajectories, Windows
from .losses import trajectory_mse
from .safe_gradient import safe_gradient

CHUNK = 50
"""Most steps a compiled call takes: enough to hide its dispatch."""
REFRESH = 0.5
"""Seconds that a compiled call should take, so that the progress bar stays lively however slow a step is."""


class History(eqx.Module):
    """What happened at each training step; all arrays have shape `(step,)`.

    `loss` is that of the samples that behaved, `failures` the number of windows that diverged, `skipped` whether the
    step was not taken (nothing usable in its batch), `horizon` the window length, `seconds` the time since the
    start, compilation included.
    """

    loss: np.ndarray
    failures: np.ndarray
    skipped: np.ndarray
    horizon: np.ndarray
    seconds: np.ndarray


class FitResult(eqx.Module):
    """A trained `model` and the `history` of its training."""

    model: Any
    history: History


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
    stepsize_controller: Controller | None = None,
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
    - `stepsize_controller`: how rollouts step during training. `None` means as the model says, or `StepsPerSample(1)`
      where it says nothing (neither `stepsize_controller` nor `dt0`). The model returned has its own again.
    - `progress`: whether to show a progress bar (never outside a terminal).

    **Returns:** a `FitResult`.

    **Raises:** `ValueError` for arguments that do not fit together, or data that do not fit the model.
    """
    stages = _stages(horizon, steps, optimizer)
    if batch_size < 1:
        raise ValueError(f"`batch_size` is {batch_size}; expected at least 1")
    training = model if stepsize_controller is None else _with_controller(model, stepsize_controller)
    if stepsize_controller is None and _says_nothing_of_steps(model):
        training = _with_controller(model, StepsPerSample(1))
    params, static = eqx.partition(training, _trainable(training))
    dtype = _parameter_dtype(params)

    records: list[tuple[Any, ...]] = []
    done, failed, began = 0, 0, time.perf_counter()
    with tqdm(total=sum(count for _, count, _ in stages), disable=None if progress else True, unit="step") as bar:
        for stage_horizon, count, stage_optimizer in stages:
            windows = Windows(trajectories, stage_horizon, stride=stride, dtype=dtype)
            opt_state = stage_optimizer.init(params)
            bar.set_description("compiling")
            remaining, chunk = count, 1
            while remaining:
                chunk = min(chunk, remaining)
                started = time.perf_counter()
                span = jnp.array([done, chunk])  # arrays: a Python integer would compile anew each time
                params, opt_state, record = _run(
                    params, opt_state, static, windows, loss, stage_optimizer, key, span, batch_size
                )
                record = jax.tree.map(lambda x: np.asarray(x)[:chunk], record)  # noqa: B023 - used at once
                now = time.perf_counter()
                records.append((*record, np.full(chunk, stage_horizon), np.full(chunk, now - began)))
                remaining -= chunk
                done += chunk
                failed += int(record[1].sum())
                bar.set_description(f"horizon {stage_horizon}")
                bar.set_postfix(loss=f"{record[0][-1]:.2e}", diverged=failed, refresh=False)
                bar.update(chunk)
                chunk = min(CHUNK, 2 * chunk, max(1, int(chunk * REFRESH / (now - started))) + 1)
    history = History(*(np.concatenate(column) for column in zip(*records, strict=True)))
    _report(history, batch_size)
    trained = eqx.combine(params, static)
    if isinstance(model, AbstractMotionModel):
        trained = eqx.tree_at(lambda m: m.integration, trained, model.integration)
    return FitResult(trained, history)


@eqx.filter_jit
def _run(
    params: PyTree,
    opt_state: PyTree,
    static: PyTree,
    windows: Windows,
    loss: Callable[..., Array],
    optimizer: optax.GradientTransformation,
    key: PRNGKeyArray,
    span: Array,
    batch_size: int,
) -> tuple[PyTree, PyTree, tuple[Array, Array, Array]]:
    """Training steps, `span[1]` (at most `CHUNK`) of them from number `span[0]`."""
    update = optax.with_extra_args_support(optimizer).update

    def sample_loss(params, *sample):
        return loss(eqx.combine(params, static), *sample)

    def step(i, state):
        params, opt_state, (losses, failures, skipped) = state
        indices = jax.random.randint(jax.random.fold_in(key, span[0] + i), (batch_size,), 0, len(windows))
        result = safe_gradient(sample_loss, params, windows.gather(indices))
        # The loss is for optimisers that watch it, such as `optax.contrib.reduce_on_plateau`.
        updates, stepped = update(result.gradient, opt_state, params, value=result.loss)
        moved = optax.apply_updates(params, updates)
        take = result.usable
        params, opt_state = jax.tree.map(
            lambda new, old: jnp.where(take, new, old), (moved, stepped), (params, opt_state)
        )
        record = (
            losses.at[i].set(jnp.where(take, result.loss, jnp.nan)),
            failures.at[i].set(result.failures),
            skipped.at[i].set(~take),
        )
        return params, opt_state, record

    dtype = jax.tree.leaves(params)[0].dtype
    record = (jnp.zeros(CHUNK, dtype), jnp.zeros(CHUNK, int), jnp.zeros(CHUNK, bool))
    return jax.lax.fori_loop(0, span[1], step, (params, opt_state, record))


def _stages(horizon: Any, steps: Any, optimizer: Any) -> list[tuple[int, int, optax.GradientTransformation]]:
    horizons = _integers("horizon", horizon)
    n = len(horizons)
    if n == 0:
        raise ValueError("`horizon` is empty; expected at least one stage")
    counts = _integers("steps", steps)
    if np.ndim(steps) == 0:
        counts = [counts[0] // n + (i < counts[0] % n) for i in range(n)]
    if len(counts) != n or min(counts) < 1:
        raise ValueError(f"`steps` is {steps!r}; expected at least {n}, or {n} positive integers, one a stage")
    if optimizer is None:
        optimizers = [optax.contrib.muon(optax.cosine_decay_schedule(1e-2, count)) for count in counts]
    elif isinstance(optimizer, optax.GradientTransformation):
        optimizers = [optimizer] * n
    else:
        optimizers = list(optimizer)
    if len(optimizers) != n or any(not isinstance(o, optax.GradientTransformation) for o in optimizers):
        raise ValueError(f"`optimizer` is {optimizer!r}; expected one optax optimiser, or {n}, one a stage")
    return list(zip(horizons, counts, optimizers, strict=True))


def _integers(name: str, value: Any) -> list[int]:
    try:
        return [operator.index(entry) for entry in np.atleast_1d(value).tolist()]
    except (TypeError, ValueError):
        raise ValueError(f"`{name}` is {value!r}; expected an integer, or a sequence of integers") from None


def _trainable(model: Any) -> PyTree:
    """True at every floating array of the model but those of its integration, its units and its recorded controls."""
    given = (Scaling, SampledControl)

    def trainable(node):
        return eqx.is_inexact_array(node) and not isinstance(node, given)

    spec = jax.tree.map(trainable, model, is_leaf=lambda node: isinstance(node, given))
    if isinstance(model, AbstractMotionModel):
        spec = eqx.tree_at(lambda m: m.integration, spec, replace_fn=lambda part: jax.tree.map(lambda _: False, part))
    return spec


def _parameter_dtype(params: PyTree) -> Any:
    dtypes = {leaf.dtype for leaf in jax.tree.leaves(params)}
    if len(dtypes) != 1:
        found = ", ".join(sorted(str(d) for d in dtypes)) or "no floating arrays"
        raise ValueError(f"`model` has parameters of {found}; expected all of one floating dtype")
    return dtypes.pop()


def _says_nothing_of_steps(model: Any) -> bool:
    if not isinstance(model, AbstractMotionModel):
        return False
    return model.integration.stepsize_controller is None and model.integration.dt0 is None


def _with_controller(model: Any, controller: Controller) -> Any:
    if not isinstance(model, AbstractMotionModel):
        return model
    return eqx.tree_at(lambda m: m.integration.stepsize_controller, model, controller, is_leaf=lambda x: x is None)


def _report(history: History, batch_size: int) -> None:
    failed, skipped = int(history.failures.sum()), int(history.skipped.sum())
    if failed or skipped:
        warnings.warn(
            f"{failed} of {batch_size * len(history.loss)} windows diverged and were left out; {skipped} of "
            f"{len(history.loss)} steps had nothing usable and were skipped. Shorter windows (`horizon`), more steps "
            f"a sample (`StepsPerSample`) or a smaller learning rate help.",
            stacklevel=3,
        )

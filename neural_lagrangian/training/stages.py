"""The stages of a training. Each has a horizon, a number of steps, an optimiser and a stepsize controller."""

import operator
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import equinox as eqx
import numpy as np
import optax
from jax.sharding import Mesh

from ..integrators import AbstractMotionModel, Controller, StepsPerSample
from ..trajectories import Trajectories
from .alike import alike
from .devices import agreed
from .fit_options import Rollouts

MAX_MEDIAN_INTERVALS = 1_000_000
"""Number of intervals from which the usual one is taken; of longer recordings every k-th, as memory allows."""


class Stage(NamedTuple):
    """Training steps on windows of one length. If `controller` is `None`, rollouts use the model's own."""

    horizon: int
    steps: int
    optimizer: optax.GradientTransformation
    controller: Controller | None


def stages_of(
    model: Any,
    horizon: Any,
    steps: Any,
    optimizer: Any = None,
    rollouts: Rollouts = Rollouts(),  # noqa: B008
    recordings: Sequence[Trajectories] = (),
    mesh: Mesh | None = None,
) -> list[Stage]:
    """Make the stages from the arguments of `fit`.

    `StepsPerSample` takes more steps if the `recordings` are sampled unevenly, so that no step is too long.

    **Raises:** `ValueError` if the arguments do not fit together.
    """
    horizons = _integers("horizon", horizon)
    n = len(horizons)
    if n == 0:
        raise ValueError("`horizon` is empty; expected at least one stage")
    counts = _integers("steps", steps)
    if np.ndim(steps) == 0:
        counts = [counts[0] // n + (i < counts[0] % n) for i in range(n)]
    if len(counts) != n or min(counts) < 1:
        raise ValueError(f"`steps` is {steps!r}; expected at least {n}, or {n} positive integers, one for each stage")
    if optimizer is None:
        optimizers = [optax.contrib.muon(optax.cosine_decay_schedule(1e-2, count)) for count in counts]
    elif isinstance(optimizer, optax.GradientTransformation):
        optimizers = [optimizer] * n
    else:
        optimizers = list(optimizer)
    if len(optimizers) != n or any(not isinstance(o, optax.GradientTransformation) for o in optimizers):
        raise ValueError(f"`optimizer` is {optimizer!r}; expected one optax optimiser, or {n}, one for each stage")
    controller: Any = rollouts.stepsize_controller
    stride = rollouts.stride
    controllers = list(controller) if isinstance(controller, list | tuple) else [controller] * n
    if len(controllers) != n or any(not isinstance(c, (*Controller.__args__, type(None))) for c in controllers):
        raise ValueError(f"`stepsize_controller` is {controller!r}; expected one controller, or {n}, one a stage")
    if _says_nothing_of_steps(model):
        controllers = [StepsPerSample(1) if c is None else c for c in controllers]
    of_runs = [_times(recording) for recording in recordings]
    longest = [max((_extra_intervals(runs, h, stride) for runs in of_runs), default=0) for h in horizons]
    further = [agreed(count, mesh) for count in longest]
    controllers = [_by_time(model, *pair) for pair in zip(controllers, further, strict=True)]
    return [Stage(*parts) for parts in zip(horizons, counts, alike(optimizers), controllers, strict=True)]


def _by_time(model: Any, controller: Controller | None, further: int) -> Controller | None:
    """The controller of a stage, with steps for `further` more intervals of the usual length."""
    own = model.integration.stepsize_controller if isinstance(model, AbstractMotionModel) else None
    chosen = own if controller is None else controller
    if further == 0 or not isinstance(chosen, StepsPerSample) or chosen.extra:
        return controller
    return replace(chosen, extra=chosen.substeps * further)


def _times(trajectories: Trajectories) -> list[np.ndarray]:
    """The times of each run, as views."""
    return [trajectories.ts[i, samples] for i, samples in trajectories.runs().slices()]


def _extra_intervals(runs: Sequence[np.ndarray], horizon: int, stride: int) -> int:
    """How many usual intervals the most stretched window is longer than a window of an even recording.

    An interval reaches from a sample to the one `stride` samples later. The usual interval is the median. Each interval
    counts as the nearest whole number of usual ones. Runs may lie in files, so one at a time is in memory.
    """
    runs = [ts for ts in runs if len(ts) > horizon * stride]
    if horizon == 0 or not runs:
        return 0
    apart = -(-sum(map(len, runs)) // MAX_MEDIAN_INTERVALS)
    usual = np.median(np.concatenate([_intervals(ts, stride, apart) for ts in runs]))
    most = 0
    for ts in runs:
        lengths = _intervals(ts, stride)
        if lengths.max() >= 1.5 * usual:  # else each counts as one
            further = np.maximum(np.rint(lengths / usual) - 1, 0)
            windows = len(lengths) - (horizon - 1) * stride
            of_windows = np.sum([further[k * stride : k * stride + windows] for k in range(horizon)], axis=0)
            most = max(most, int(of_windows.max()))
    return most


def _intervals(ts: np.ndarray, stride: int, apart: int = 1) -> np.ndarray:
    """Time from each sample, or every `apart`-th, to the one `stride` samples later."""
    return np.asarray(ts[stride::apart], np.float64) - ts[:-stride:apart]


def with_controller(model: Any, controller: Controller | None) -> Any:
    """The model with the stepsize controller of a stage, for training."""
    if controller is None or not isinstance(model, AbstractMotionModel):
        return model
    return eqx.tree_at(lambda m: m.integration.stepsize_controller, model, controller, is_leaf=lambda x: x is None)


def _integers(name: str, value: Any) -> list[int]:
    try:
        return [operator.index(entry) for entry in np.atleast_1d(value).tolist()]
    except (TypeError, ValueError):  # NumPy's message does not name the argument
        raise ValueError(f"`{name}` is {value!r}; expected an integer, or a sequence of integers") from None


def _says_nothing_of_steps(model: Any) -> bool:
    if not isinstance(model, AbstractMotionModel):
        return False
    return model.integration.stepsize_controller is None and model.integration.dt0 is None

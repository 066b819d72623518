"""Training of the network. Windows, stages and weights of the loss follow from the natural units of the motion."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import optax

from ..integrators import StepsPerSample
from ..models import NeuralLagrangian, NeuralODE
from ..training import Callback, FitResult, Loss, Rollouts, Running, Watching, fit, trajectory_mse, weighted
from ..trajectories import Scaling, Trajectories, spread
from .recordings import Parts, thinned

ROW_INTERVAL = 0.125
"""Time between two rows of a window, and longest integration step, in natural units of time (a period is 6.3)."""
STAGE_HORIZONS = (0.25, 1.0, 4.0)
"""Length of the windows of each stage, in natural units of time. The last one is two thirds of a period."""
DEFAULT_STEPS = 2400
"""Gradient steps of all stages together."""
STAGE_SHARES = (0.6, 0.25, 0.15)
"""Share of the gradient steps that each stage gets."""
LEARNING_RATES = (2e-2, 5e-3, 1e-3)
"""Learning rate of Muon at the beginning of each stage. It falls to zero along a cosine."""
BATCH_SIZE = 64
"""Number of windows in each gradient step."""
VALIDATIONS = 30
"""Approximate number of times that the validation loss is computed."""


class Plan(NamedTuple):
    """Sizes of windows and stages.

    `stride`: samples from one row of a window to the next. `substeps`: integration steps between two rows. `horizons`
    and `steps`: for each stage, intervals of a window and gradient steps.
    """

    stride: int
    substeps: int
    horizons: tuple[int, ...]
    steps: tuple[int, ...]


def rows_apart(trajectories: Trajectories, scaling: Scaling) -> int:
    """Number of samples from one row of a window to the next."""
    return max(1, round(ROW_INTERVAL * float(scaling.t_scale) / spacing(trajectories)))


def shortest_piece(trajectories: Trajectories, scaling: Scaling) -> int:
    """Smallest number of samples of a piece: windows of the first two stages must fit into it."""
    return round(STAGE_HORIZONS[1] / ROW_INTERVAL) * rows_apart(trajectories, scaling) + 1


def spacing(trajectories: Trajectories) -> float:
    """Median time between two samples, in seconds."""
    return float(np.median(np.concatenate([np.diff(t) for t, _ in trajectories])))


def plan_of(parts: Parts, scaling: Scaling, steps: int) -> Plan:
    """Plan the training such that windows fit into the longest piece of every part.

    The stages have `steps` gradient steps together. If there are fewer steps than stages, the last stages get them.
    """
    stride = rows_apart(parts.train, scaling)
    row = stride * spacing(parts.train) / float(scaling.t_scale)
    most = min((int(part.lengths.max()) - 1) // stride for part in parts)
    horizons = sorted({min(max(round(horizon / row), 1), most) for horizon in STAGE_HORIZONS})[-steps:]
    shares = np.array(STAGE_SHARES[: len(horizons)])
    counts = np.maximum(1, np.round(steps * shares / shares.sum())).astype(int)
    counts[0] += steps - counts.sum()
    return Plan(stride, max(1, round(row / ROW_INTERVAL)), tuple(horizons), tuple(counts.tolist()))


def loss_for(trajectories: Trajectories, periodic: Sequence[int] = (), *, velocity: float = 1.0) -> Loss:
    """Mean square error of rollouts. Each component is divided by its spread; `velocity` weights velocities."""
    q_spread, v_spread = np.split(spread(trajectories, periodic), 2)
    return weighted(trajectory_mse, position=1 / q_spread, velocity=velocity / v_spread)


def train(
    model: NeuralLagrangian | NeuralODE,
    parts: Parts,
    scaling: Scaling,
    plan: Plan,
    *,
    periodic: Sequence[int] = (),
    seed: int,
    callbacks: Sequence[Callback],
    checkpoints: Path | None,
    progress: bool,
) -> FitResult:
    """Scale the motion to natural units and train the model. `checkpoints` is a folder, or `None`."""
    inside = Parts(*(scaling.scale(thinned(part, plan.stride)) for part in parts))
    options: dict[str, Any] = {
        "loss": loss_for(inside.train, periodic),
        "optimizer": [
            optax.contrib.muon(optax.cosine_decay_schedule(rate, steps))
            for rate, steps in zip(LEARNING_RATES, plan.steps, strict=False)
        ],
        "horizon": plan.horizons,
        "steps": plan.steps,
        "batch_size": BATCH_SIZE,
        "held_out": inside.validation,
        "rollouts": Rollouts(stride=plan.stride, stepsize_controller=StepsPerSample(plan.substeps)),
        "watching": Watching(look_every=max(1, sum(plan.steps) // VALIDATIONS), callbacks=callbacks, progress=progress),
        "running": Running(resume=checkpoints),
    }
    return fit(model, inside.train, key=jax.random.key(seed), **options)

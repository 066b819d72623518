"""How `fit` trains: windows, stages and weights that follow from the motion's own units."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import optax

from .._types import Scalar
from ..integrators import StepsPerSample
from ..models import NeuralLagrangian
from ..training import Callback, FitResult, Rollouts, Running, Watching, fit, trajectory_mse, weighted
from ..trajectories import Scaling, Trajectories, spread
from .pieces import Parts

Loss = Callable[..., Scalar]

ROW = 0.125
"""Time from one row of a window to the next, and most time of an integration step, in units of the motion."""
HORIZONS = (0.25, 1.0, 4.0)
"""Lengths of the windows of each stage, in units of the motion: the last is two thirds of a period."""
SHARES = (0.6, 0.25, 0.15)
"""Of the steps, of each stage."""
RATES = (2e-2, 5e-3, 1e-3)
"""Of Muon at the beginning of each stage; it falls to zero along a cosine."""
BATCH = 64
LOOKS = 30
"""How often the watched pieces are looked at, about."""


class Plan(NamedTuple):
    """Samples from row to row, integration steps between them, intervals of each stage's windows, and its steps."""

    stride: int
    substeps: int
    horizons: tuple[int, ...]
    steps: tuple[int, ...]


def rows_apart(trajectories: Trajectories, scaling: Scaling) -> int:
    """Samples from one row of a window to the next."""
    return max(1, round(ROW * float(scaling.t_scale) / spacing(trajectories)))


def shortest_piece(trajectories: Trajectories, scaling: Scaling) -> int:
    """Samples of a piece in which windows of two stages fit."""
    return round(HORIZONS[1] / ROW) * rows_apart(trajectories, scaling) + 1


def spacing(trajectories: Trajectories) -> float:
    """The usual time from one sample to the next, in seconds."""
    return float(np.median(np.concatenate([np.diff(t) for t, _ in trajectories])))


def plan_of(parts: Parts, scaling: Scaling, steps: int) -> Plan:
    """Stages whose windows fit into the pieces of every part."""
    stride = rows_apart(parts.train, scaling)
    row = stride * spacing(parts.train) / float(scaling.t_scale)
    most = min((int(part.lengths.max()) - 1) // stride for part in parts)
    horizons = sorted({min(max(round(horizon / row), 1), most) for horizon in HORIZONS})
    shares = np.array(SHARES[: len(horizons)])
    counts = np.maximum(1, np.round(steps * shares / shares.sum())).astype(int)
    return Plan(stride, max(1, round(row / ROW)), tuple(horizons), tuple(counts.tolist()))


def loss_for(trajectories: Trajectories, periodic: Sequence[int] = (), *, velocity: float = 1.0) -> Loss:
    """The mean square error of rollouts, each component of the state in units of its spread; velocities by a weight."""
    q_spread, v_spread = np.split(spread(trajectories, periodic), 2)
    return weighted(trajectory_mse, position=1 / q_spread, velocity=velocity / v_spread)


def train(
    model: NeuralLagrangian,
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
    """The model of scaled motion, trained."""
    inside = Parts(*(scaling.scale(part) for part in parts))
    options: dict[str, Any] = {
        "loss": loss_for(inside.train, periodic),
        "optimizer": [
            optax.contrib.muon(optax.cosine_decay_schedule(rate, steps))
            for rate, steps in zip(RATES, plan.steps, strict=False)
        ],
        "horizon": plan.horizons,
        "steps": plan.steps,
        "batch_size": BATCH,
        "held_out": inside.watched,
        "rollouts": Rollouts(stride=plan.stride, stepsize_controller=StepsPerSample(plan.substeps)),
        "watching": Watching(look_every=max(1, sum(plan.steps) // LOOKS), callbacks=callbacks, progress=progress),
        "running": Running(resume=checkpoints),
    }
    return fit(model, inside.train, key=jax.random.key(seed), **options)

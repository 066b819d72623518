"""One case of the gym: identify a recording, fit the true family alone, and compare both with other exact motion."""

import time
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

import neural_lagrangian as nl
from neural_lagrangian.identification import identifying
from neural_lagrangian.identification.candidates.contest import Candidate
from neural_lagrangian.identification.candidates.fitted_families import found_of
from neural_lagrangian.identification.inspection import inspected
from neural_lagrangian.identification.judging import better_than_baselines
from neural_lagrangian.identification.learning import spacing
from neural_lagrangian.identification.preparation import prepared
from neural_lagrangian.identification.recordings.control_timing import Timing
from neural_lagrangian.identification.recordings.declared import Declared
from neural_lagrangian.integrators import RK4

from .faults import Recorded, made
from .oracle import fitted
from .systems import SYSTEMS, System

STARTS = 24
"""Number of exact states from which predictions are compared, over one period each."""
MAX_RATIO = 1.5
"""A prediction is as good as that of the oracle if its error is at most this factor larger."""
MAX_SOLVED = 0.1
"""The oracle solves a case if its error over one period is at most this share of the spread."""
STEPS = nl.StepsPerSample(2)
"""Integration steps from one sample of the exact motion to the next, of which a period has 60."""

FOUND, RIGHTLY, MISSED, WRONG = "found", "rightly refused", "missed", "wrong and confident"
"""The four results. An answer with a warning that something is missing counts as refused."""


def case(name: str, fault: str, seed: int, *, steps: int) -> dict[str, Any]:
    """The result of one case, as JSON can hold it.

    `said`: the best candidate. `undecided`: friction that the verdict says it may have too. `verdict`: one of four
    results. `ratio`: error of prediction over that of the oracle. `oracle`: error of the oracle, in spreads. `rest`:
    errors in units of the noise, as the verdict says them. `coverage`: of the bands on the held-out set. `seconds`:
    processor time of `identify`.
    """
    system = SYSTEMS[name]
    recording, exact = made(system, fault, seed)
    row: dict[str, Any] = {"system": name, "fault": fault, "seed": seed, "steps": steps}
    oracle = oracle_error(system, recording, exact)
    row["oracle"] = oracle if np.isfinite(oracle) else None
    refused = RIGHTLY if not oracle <= MAX_SOLVED else MISSED
    began = time.process_time()
    try:
        with patch.object(identifying, "DEFAULT_STEPS", steps):  # without `steps`, a network is trained if it is needed
            found = nl.identification.identify(recording.motion, **recording.options, seed=seed)
    except nl.NeuralLagrangianError as error:
        return row | {"verdict": refused, "said": str(error), "seconds": time.process_time() - began}
    row["seconds"] = time.process_time() - began
    contest, examination = found.candidates, found.outcome.examination
    row["coverage"] = None if examination is None else examination.bands.coverage
    if not contest.candidates:
        return row | {"verdict": refused, "said": "no candidate"}
    winner = contest.winner
    row |= {"said": winner.title, "rest": winner.rest if np.isfinite(winner.rest) else None}
    row["undecided"] = list(contest.undecided)
    if found.formula_model is None or not better_than_baselines(found.errors, "formula"):
        return row | {"verdict": refused}
    model = found.formula_model
    held = Timing.read(found.outcome.settings).held
    error = prediction_error(rule_of(model), system, recording, exact, held=held)
    ratio = error / oracle if 0 < oracle < np.inf else np.nan
    row |= {"error": error if np.isfinite(error) else None, "ratio": float(ratio) if np.isfinite(ratio) else None}
    warned = contest.is_unexplained or bool(contest.undecided)
    return row | {"verdict": result(system, winner, warned, error, oracle, refused)}


def result(system: System, winner: Any, warned: bool, error: float, oracle: float, refused: str) -> str:
    """Whether an answer is right, or warns of itself, or neither."""
    friction = [word for word in ("linear", "dry", "drag") if getattr(system, word)] or ["no friction"]
    said = str(winner.variant or "")
    driven = ["driven by u0"] * bool(system.motor)
    named = bool(system.family) and system.family in winner.name and all(word in said for word in friction + driven)
    if named or error <= MAX_RATIO * (oracle if oracle <= MAX_SOLVED else MAX_SOLVED / MAX_RATIO):
        return FOUND
    return refused if warned else WRONG


def oracle_error(system: System, recording: Recorded, exact: tuple[np.ndarray, np.ndarray]) -> float:
    """Error of prediction of the true family; infinite if it cannot be fitted."""
    declared = Declared(velocities=recording.options.get("velocities"), angles=list(system.angles))
    try:
        task = prepared(inspected(recording.motion, declared), structure="mechanical", friction=False, steps=10)
    except nl.NeuralLagrangianError:
        return np.inf
    if system.motor:
        task = task.with_timing(Timing(spacing(task.parts.train) / 2, held=True), "as it is")
    found = fitted(system, recording.shift, task)
    if found is None:
        return np.inf
    fit, trial = found
    model = found_of(Candidate("the true family", 0, 0.0), fit, task.columns, trial.units).model
    return prediction_error(rule_of(model), system, recording, exact)


def rule_of(model: nl.NeuralLagrangian) -> nl.NeuralLagrangian:
    """The same model with a fixed number of steps."""
    return nl.NeuralLagrangian(model.network, RK4(), force=model.force, stepsize_controller=STEPS)


def prediction_error(
    model: Callable[[Array, Array], Array],
    system: System,
    recording: Recorded,
    exact: tuple[np.ndarray, np.ndarray],
    *,
    held: bool = True,
) -> float:
    """Median root mean square error of the coordinates over a period, from exact states, in spreads.

    `held`: whether the model knows that its controls are held. A line through them is then half a sample later.
    """
    t, y = exact
    y = y + np.concatenate([recording.shift, 0 * recording.shift])  # as sensors without noise would show it
    length = round(system.period / float(t[1] - t[0]))
    begins = np.linspace(0, len(t) - length - 1, STARTS).astype(int)
    ts, ys = t[: length + 1], np.stack([y[k : k + length + 1] for k in begins])
    us = None
    if system.motor:
        levels = np.asarray(system.control(t))
        between = np.concatenate([levels[:1], (levels[1:] + levels[:-1]) / 2]) if held else levels
        us = jnp.asarray(np.stack([between[k : k + length + 1, None] for k in begins]))
    predicted = np.asarray(_rollouts(model, jnp.asarray(ts), jnp.asarray(ys[:, 0]), us))[..., : system.dof]
    spreads = y.std(axis=0)[: system.dof]
    spreads = np.where(np.isin(system.names, system.angles), np.minimum(spreads, 1.0), spreads)
    errors = np.sqrt(np.mean(((predicted - ys[..., : system.dof]) / spreads) ** 2, axis=(1, 2)))
    return float(np.median(np.where(np.isfinite(errors), errors, np.inf)))


@eqx.filter_jit
def _rollouts(model: Callable[[Array, Array], Array], ts: Array, y0s: Array, us: Array | None) -> Array:
    if us is None:
        return jax.vmap(model, (None, 0))(ts, y0s)
    return jax.vmap(lambda y0, u: nl.models.with_control(model, ts, u, kind="linear")(ts, y0))(y0s, us)

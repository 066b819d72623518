"""`fit`: from a recording to a model, figures and a formula."""

import argparse
import platform
import shlex
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..identification import (
    MODEL,
    NOT_BETTER,
    OVER,
    Architecture,
    Attempt,
    Budget,
    Columns,
    Evidence,
    Measure,
    NoAnswerError,
    Outcome,
    Parts,
    Plan,
    Refined,
    Region,
    best_formula,
    check_rates,
    columns_of,
    cut,
    dealt,
    described,
    energies_of,
    is_folder,
    library_for,
    look_for_formulas,
    lost_turns,
    lyapunov_time,
    plan_of,
    predicts,
    read_recording,
    roles,
    rollout_errors,
    shortest_piece,
    spacing,
    starts_of,
    suspicious,
    train,
    verdict,
    write_formula,
    write_model,
    write_report,
    write_settings,
)
from ..models import Scaled, with_precision
from ..training import History, json_lines
from ..trajectories import Scaling
from .interruption import Terminated
from .text import aligned, note, say

CHECKPOINTS = "checkpoints"
"""Folder that `--resume` needs."""
REPORT = "report.html"
PACKAGES = ("neural_lagrangian", "jax", "equinox", "diffrax", "optax", "numpy", "scipy")


class Task(NamedTuple):
    """What is to be learned, from what, and how."""

    columns: Columns
    architecture: Architecture
    scaling: Scaling
    parts: Parts
    observed: Parts
    plan: Plan
    window: int | None
    read: tuple[str, ...]


def run(asked: argparse.Namespace) -> None:
    """Learn from a recording, judge, and write the folder."""
    path, budget = Path(asked.recording), Budget(asked.minutes)
    folder = Path(f"{path.stem}-fit" if asked.output is None else asked.output)
    task = _prepared(path, asked)
    _claim(folder, asked.resume)
    try:
        _fitted(task, folder, asked, budget)
    except (KeyboardInterrupt, Terminated) as error:
        error.add_note(_left(folder))
        raise


def _fitted(task: Task, folder: Path, asked: argparse.Namespace, budget: Budget) -> None:
    settings = _settings(asked, task)
    if not is_folder(folder):
        write_settings(folder, settings)
    model, history = _learned(task, folder, asked, budget)
    write_settings(folder, settings)  # of a fit that went on, once it is known to be the same
    outcome = _judged(task, settings, model, history, budget)
    write_formula(folder, outcome.formula)
    write_settings(folder, settings | {"judged": outcome.judgement})
    write_report(folder / REPORT, outcome)  # before anything is printed that could fail
    say("motion", str(outcome.errors.measure))
    say("errors", aligned(outcome.errors.table(task.columns)))
    for topic, text in outcome.facts():
        say(topic, text)
    say("formula", outcome.reading())
    formula = "" if outcome.formula is None else "formula.json, "
    say("verdict", "\n".join(verdict(outcome)))
    say("written", f"{folder}: report.html, model, {formula}settings.json, history.jsonl")
    if outcome.energies.suggests_friction(outcome.starts) and not asked.friction:
        lost = outcome.energies.lost(outcome.starts)
        note(f"the learned energy falls by {lost:.0%} along the recorded motion: try --friction")
    if not predicts(outcome.errors, "network"):
        raise NoAnswerError(f"the network {NOT_BETTER}")


def _left(folder: Path) -> str:
    """What an interrupted fit leaves, and whether it can go on."""
    kept = any((folder / CHECKPOINTS).glob("step-*.checkpoint"))
    if (folder / REPORT).is_file():
        return f"{folder} holds a trained network and a report"
    if (folder / MODEL).is_file():
        return f"{folder} holds the trained network, without a report; the same command with --resume writes it"
    if kept:
        return f"{folder} holds a checkpoint of the training; the same command with --resume goes on"
    return f"{folder} holds no checkpoint yet; the same command with --resume begins again"


def _claim(folder: Path, resume: bool) -> None:
    """Make the folder; of several processes that begin at once, one gets it."""
    try:
        if is_folder(folder) and not resume:
            raise FileExistsError
        (folder / CHECKPOINTS).mkdir(parents=True, exist_ok=resume)
    except FileExistsError:
        raise NoAnswerError(
            f"{folder} holds a fit already: --resume goes on with it, --output names another folder"
        ) from None


def _prepared(path: Path, asked: argparse.Namespace) -> Task:
    columns = columns_of(path, asked)
    recording = read_recording(path, columns)
    motion = recording.trajectories
    for name, values in zip(columns.coordinates, motion.ys[motion.mask].T, strict=False):
        if not np.ptp(values) > 0:
            raise NoAnswerError(f"{path}: column {name!r} never changes; let it move, or leave it out")
    if turns := lost_turns(recording.recorded, columns):
        raise NoAnswerError(f"{path}: {turns[0]}")
    check_rates(motion, columns)
    remarks = suspicious(recording.recorded, columns)
    for line in remarks:
        note(line)
    scaling = Scaling.of(motion, centre=True, periodic=columns.periodic)
    shortest, dtype = shortest_piece(motion, scaling), jnp.result_type(float)
    parts, observed = (dealt(cut(path, one, shortest).astype(dtype)) for one in (motion, recording.observed))
    architecture = Architecture(columns.dof, asked.structure, asked.friction, columns.periodic)
    plan = plan_of(parts, scaling, asked.steps)
    say("recording", f"{path}: {described(recording.recorded)}")
    say("columns", roles(path, columns))
    found = "as recorded" if recording.window is None else f"by local polynomials of {recording.window} samples"
    say("velocities", f"{', '.join(columns.rates)}, {found}")
    say("pieces", str(parts))
    lengths = ", ".join(f"{h * plan.stride * spacing(motion):.3g}" for h in plan.horizons)
    say("training", f"{sum(plan.steps)} steps, windows of {lengths} s")
    read = (f"{described(recording.recorded)}.", f"{roles(path, columns)}.", *remarks)
    return Task(columns, architecture, scaling, parts, observed, plan, recording.window, read)


def _learned(task: Task, folder: Path, asked: argparse.Namespace, budget: Budget) -> tuple[Scaled, History]:
    untrained = task.architecture.model(jax.random.key(asked.seed))
    callbacks = [json_lines(folder / "history.jsonl"), budget.ends_training]
    result = train(
        untrained,
        task.parts,
        task.scaling,
        task.plan,
        periodic=task.columns.periodic,
        seed=asked.seed,
        callbacks=callbacks,
        checkpoints=folder / CHECKPOINTS,
    )
    write_model(folder, Scaled(result.model, task.scaling))
    return Scaled(with_precision(result.model, jnp.result_type(float)), task.scaling), result.history


def _judged(task: Task, settings: dict[str, Any], model: Scaled, history: History, budget: Budget) -> Outcome:
    starts, motion = starts_of(task.parts.judged, task.plan.stride), task.parts.train
    attempts = look_for_formulas(model, motion, library_for(task.columns), budget.ends_search)
    formula = best_formula(attempts, model, _evidence(task), budget.ends_refinement)
    models = {"network": model} | ({} if formula is None else {"formula": formula.model})
    measure = Measure.of(motion, task.columns)
    if not budget.ends_refinement():
        measure = measure._replace(lyapunov_time=lyapunov_time(model, starts, measure))
    errors, rollouts = rollout_errors(models, starts, task.columns, measure)
    energies = energies_of(model, starts, rollouts["network"])
    learned = (settings, task.columns, str(task.parts), model, history)
    cut_short = _cut_short(task, history, attempts, formula)
    return Outcome(*learned, attempts, formula, starts, errors, rollouts, energies, task.read, cut_short)


def _cut_short(task: Task, history: History, attempts: list[Attempt], formula: Refined | None) -> tuple[str, ...]:
    """What the time given left undone."""
    done, steps = len(history.loss), sum(task.plan.steps)
    lines = [] if done >= steps else [f"What more training gives: {done} of {steps} steps were taken."]
    if any(one.fault == OVER for one in attempts):
        lines.append("Whether a longer search finds a formula: the time was up before it ended.")
    if formula is not None and not formula.refined:
        lines.append("The best coefficients of the formula: there was no time to refine them.")
    return tuple(lines)


def _evidence(task: Task) -> Evidence:
    return Evidence(task.parts, task.observed, task.plan, task.window is None, task.columns.periodic)


def _settings(asked: argparse.Namespace, task: Task) -> dict[str, Any]:
    """All that is to be known to do it again."""
    scaling = {"centre": task.scaling.centre, "q_scale": task.scaling.q_scale, "t_scale": task.scaling.t_scale}
    return {
        "command": shlex.join(asked.given),
        "recording": asked.recording,
        "columns": task.columns.settings,
        "velocity_window": task.window,
        "architecture": task.architecture.settings,
        "region": Region.of(task.parts.train, task.columns).settings,
        "scaling": {name: value.tolist() for name, value in scaling.items()},
        "training": {"seed": asked.seed, **task.plan._asdict()},
        "precision": "single" if asked.float32 else "trained in single, judged in double",
        "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
    }

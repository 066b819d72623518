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

from ..models import Scaled, with_precision
from ..training import History, Progress, json_lines
from ..training.progress import Callback
from ..trajectories import Scaling
from .architecture import Architecture
from .columns import Columns, columns_of, roles
from .faults import NoAnswerError
from .formulas import library_for, look_for_formulas
from .inspection import described, lost_turns, suspicious
from .judging import energies_of, predicts, rollout_errors, starts_of
from .learning import Plan, plan_of, shortest_piece, spacing, train
from .model_folder import is_folder, write_model, write_settings
from .outcome import Outcome
from .pieces import Parts, cut, dealt
from .recording import check_rates, read_recording
from .refinement import Evidence, best_formula
from .report import write_report
from .text import aligned, note, say

FALLS = 0.05
"""Share of the kinetic energy that may be lost while a piece is predicted, before friction is suspected."""
CHECKPOINTS = "checkpoints"
"""Folder that `--resume` needs."""
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


def run(asked: argparse.Namespace) -> None:
    """Learn from a recording, judge, and write the folder."""
    path = Path(asked.recording)
    folder = Path(f"{path.stem}-fit" if asked.output is None else asked.output)
    task = _prepared(path, asked)
    _claim(folder, asked.resume)
    settings = _settings(asked, task)
    if not is_folder(folder):
        write_settings(folder, settings)
    model, history = _learned(task, folder, asked)
    write_settings(folder, settings)  # of a fit that went on, once it is known to be the same
    outcome = _judged(task, settings, model, history)
    say("errors", aligned(outcome.errors.table(task.columns)))
    for topic, text in outcome.facts():
        say(topic, text)
    say("formula", outcome.reading())
    write_report(folder / "report.html", outcome)
    say("written", f"{folder}: report.html, model, settings.json, history.jsonl")
    lost = outcome.energies.lost(outcome.starts)
    if lost > FALLS and not asked.friction:
        note(f"the learned energy falls by {lost:.0%} along the recorded motion: try --friction")
    if not predicts(outcome.errors, "network"):
        raise NoAnswerError("the model predicts no better than constant velocity or rest do: do not use it")


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
    for line in suspicious(recording.recorded, columns):
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
    return Task(columns, architecture, scaling, parts, observed, plan, recording.window)


def _learned(task: Task, folder: Path, asked: argparse.Namespace) -> tuple[Scaled, History]:
    untrained = task.architecture.model(jax.random.key(asked.seed))
    callbacks = [json_lines(folder / "history.jsonl")]
    if asked.minutes is not None:
        callbacks.append(_ends_after(asked.minutes))
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


def _judged(task: Task, settings: dict[str, Any], model: Scaled, history: History) -> Outcome:
    starts = starts_of(task.parts.judged, task.plan.stride)
    attempts = look_for_formulas(model, task.parts.train, library_for(task.columns))
    formula = best_formula(attempts, model, _evidence(task))
    models = {"network": model} | ({} if formula is None else {"formula": formula.model})
    errors, rollouts = rollout_errors(models, starts, task.columns)
    energies = energies_of(model, starts, rollouts["network"])
    learned = (settings, task.columns, str(task.parts), model, history)
    return Outcome(*learned, attempts, formula, starts, errors, rollouts, energies)


def _evidence(task: Task) -> Evidence:
    return Evidence(task.parts, task.observed, task.plan, task.window is None, task.columns.periodic)


def _ends_after(minutes: float) -> Callback:
    """Ends the training after so long; `fit` then looks at the watched pieces once more."""

    def is_over(progress: Progress) -> bool:
        return progress.seconds > 60 * minutes

    return is_over


def _settings(asked: argparse.Namespace, task: Task) -> dict[str, Any]:
    """All that is to be known to do it again."""
    scaling = {"centre": task.scaling.centre, "q_scale": task.scaling.q_scale, "t_scale": task.scaling.t_scale}
    return {
        "command": shlex.join(asked.given),
        "recording": asked.recording,
        "columns": task.columns.settings,
        "velocity_window": task.window,
        "architecture": task.architecture.settings,
        "scaling": {name: value.tolist() for name, value in scaling.items()},
        "training": {"seed": asked.seed, **task.plan._asdict()},
        "precision": "single" if asked.float32 else "trained in single, judged in double",
        "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
    }

"""`compare`: a model with a recording, or two models with each other."""

import argparse
from pathlib import Path

import jax.numpy as jnp
import numpy as np

from ..discovery import compare_lagrangians
from ..identification import (
    NOT_BETTER,
    Learned,
    Measure,
    NoAnswerError,
    Region,
    UsageError,
    cut,
    described,
    is_folder,
    judged,
    lyapunov_time,
    of_another_file,
    predicts,
    read_folder,
    read_recording,
    rollout_errors,
    rows_apart,
    shortest_piece,
    starts_of,
    why,
)
from .text import aligned, say

STATES = 500
"""At which two Lagrangians are compared."""


def run(asked: argparse.Namespace) -> None:
    """Print errors by horizon and a verdict; of two models also whether they have the same Lagrangian.

    **Raises:** `NoAnswerError` where a model predicts no better than knowing nothing.
    """
    path, models = _named(asked)
    learned = [read_folder(name, asked.predictor) for name in models]
    columns, settings = learned[0].columns, learned[0].settings
    if (other := learned[-1].columns.dof) != columns.dof:
        raise NoAnswerError(f"{models[-1]} has {other} degrees of freedom; expected {columns.dof}, as {models[0]}")
    path = Path(settings["recording"]) if path is None else path
    if str(path) != settings["recording"]:
        columns = of_another_file(path, columns)
    recording = read_recording(path, columns)
    motion = recording.trajectories
    scaling = learned[0].scaling
    pieces = cut(path, motion, shortest_piece(motion, scaling)).astype(jnp.result_type(float))
    starts = starts_of(pieces, rows_apart(motion, scaling))
    measure = Measure.of(pieces, columns)
    measure = measure._replace(lyapunov_time=lyapunov_time(learned[0].model, starts, measure))
    by_name = {name: one.model for name, one in zip(models, learned, strict=True)}
    errors, _ = rollout_errors(by_name, starts, columns, measure)
    say("recording", f"{path}: {described(recording.recorded)}")
    say("motion", str(measure))
    say("errors", aligned(errors.table(columns)))
    states = motion.ys[motion.mask]
    for name, one in dict(zip(models, learned, strict=True)).items():
        reasons = f"rollouts that fail: {why(one.model, starts)}" if errors.failures(name) else ""
        lines = [judged(errors, name, "this recording", reasons), reasons, _outside(one, states)]
        say("verdict", "\n".join(line for line in lines if line))
    if len(learned) == 2:
        chosen = states[np.linspace(0, len(states) - 1, min(STATES, len(states))).astype(int)]
        chosen = jnp.asarray(chosen, jnp.result_type(float))
        found = compare_lagrangians(learned[0].model.lagrangian, learned[1].model.lagrangian, chosen)
        say("Lagrangians", str(found))
    if bad := [name for name in models if not predicts(errors, name)]:
        raise NoAnswerError(f"on {path} {bad[0]} {NOT_BETTER} there")


def _named(asked: argparse.Namespace) -> tuple[Path | None, list[str]]:
    """The recording, if one is named, and the folders of models."""
    names = (asked.model, *asked.others)
    models = [name for name in names if is_folder(Path(name))]
    recordings = [name for name in asked.others if name not in models]
    if asked.model not in models:
        raise NoAnswerError(f"{asked.model} is no folder that `fit` has written")
    if len(models) > 2 or len(recordings) > 1:
        raise UsageError(f"expected one or two models, and a recording; got {len(models)} and {len(recordings)}")
    return Path(recordings[0]) if recordings else None, models


def _outside(one: Learned, states: np.ndarray) -> str:
    """What the recording has that the model was not trained on; nothing of a model that does not say."""
    region = one.settings.get("region")
    if not isinstance(region, dict):
        return ""
    least, most = (np.array(region[name], float) for name in ("least", "most"))
    return Region(least, most).outside(states, (*one.columns.coordinates, *one.columns.rates))

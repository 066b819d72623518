"""`compare`: a model with a recording, or two models with each other."""

import argparse
from pathlib import Path

import jax.numpy as jnp
import numpy as np

from ..discovery import compare_lagrangians
from .columns import of_another_file
from .faults import NoAnswerError, UsageError
from .inspection import described
from .judging import rollout_errors, starts_of
from .learning import rows_apart, shortest_piece
from .model_folder import is_folder, read_folder
from .pieces import cut
from .recording import read_recording
from .text import aligned, say

STATES = 500
"""At which two Lagrangians are compared."""


def run(asked: argparse.Namespace) -> None:
    """Print errors by horizon; of two models also whether they have the same Lagrangian."""
    names = (asked.model, *asked.others)
    models = [name for name in names if is_folder(Path(name))]
    recordings = [name for name in asked.others if name not in models]
    if asked.model not in models:
        raise NoAnswerError(f"{asked.model} is no folder that `fit` has written")
    if len(models) > 2 or len(recordings) > 1:
        raise UsageError(f"expected one or two models, and a recording; got {len(models)} and {len(recordings)}")
    learned = [read_folder(name) for name in models]
    columns, settings = learned[0].columns, learned[0].settings
    if (other := learned[-1].columns.dof) != columns.dof:
        raise NoAnswerError(f"{models[-1]} has {other} degrees of freedom; expected {columns.dof}, as {models[0]}")
    path = Path(recordings[0] if recordings else settings["recording"])
    if str(path) != settings["recording"]:
        columns = of_another_file(path, columns)
    recording = read_recording(path, columns)
    motion = recording.trajectories
    scaling = learned[0].model.scaling
    pieces = cut(path, motion, shortest_piece(motion, scaling)).astype(jnp.result_type(float))
    starts = starts_of(pieces, rows_apart(motion, scaling))
    errors, _ = rollout_errors({name: one.model for name, one in zip(models, learned, strict=True)}, starts, columns)
    say("recording", f"{path}: {described(recording.recorded)}")
    say("errors", aligned(errors.table(columns)))
    if len(learned) == 2:
        states = motion.ys[motion.mask]
        chosen = states[np.linspace(0, len(states) - 1, min(STATES, len(states))).astype(int)]
        chosen = jnp.asarray(chosen, jnp.result_type(float))
        found = compare_lagrangians(learned[0].model.lagrangian, learned[1].model.lagrangian, chosen)
        say("Lagrangians", str(found))

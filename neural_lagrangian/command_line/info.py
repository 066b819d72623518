"""`info`: what a model or a recording holds."""

import argparse
from pathlib import Path

import numpy as np

from ..identification import (
    check_rates,
    columns_of,
    described,
    is_folder,
    read_folder,
    read_recording,
    roles,
    suspicious,
)
from .text import aligned, say


def run(asked: argparse.Namespace) -> None:
    """Print what there is to know."""
    path = Path(asked.path)
    if is_folder(path) or path.is_dir():
        _of_model(path)
    else:
        _of_recording(path, asked)


def _of_model(folder: Path) -> None:
    learned = read_folder(folder)  # checks the SHA-256
    settings, columns = learned.settings, learned.columns
    architecture = settings["architecture"]
    say("model", f"{folder}: sound, its SHA-256 is the one recorded")
    friction = "linear damping" if architecture["friction"] else "no friction"
    networks = f"{architecture['depth']} hidden layers of {architecture['width']}"
    say("structure", f"{architecture['structure']}, {friction}; networks with {networks}")
    angles = f"; angles {', '.join(columns.angles)}" if columns.angles else ""
    say("state", f"{', '.join((*columns.coordinates, *columns.rates))}{angles}")
    say("learned from", f"{settings['recording']}, by {settings['command']}")
    training = settings["training"]
    say("training", f"{sum(training['steps'])} steps, seed {training['seed']}")
    say("versions", ", ".join(f"{name} {number}" for name, number in settings["versions"].items()))


def _of_recording(path: Path, asked: argparse.Namespace) -> None:
    columns = columns_of(path, asked, all_are_coordinates=True)
    recording = read_recording(path, columns)
    motion = recording.observed
    say("recording", f"{path}: {described(recording.recorded)}")
    say("columns", roles(path, columns))
    names = [*columns.coordinates, *(columns.velocities or ())]
    rows = [["column, in SI", "least", "mean", "most", "spread"]]
    for name, x in zip(names, motion.ys[motion.mask].T, strict=False):
        rows.append([name, *(f"{value:.4g}" for value in (x.min(), np.mean(x), x.max(), np.std(x)))])
    say("ranges", aligned(rows))
    say("suspicious", "\n".join(suspicious(recording.recorded, columns)) or "nothing")
    check_rates(motion, columns)

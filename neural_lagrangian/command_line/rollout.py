"""The command `rollout`: predict a motion with a model."""

import argparse
import tempfile
from pathlib import Path

from ..identification import outside_training, predicted, write_predicted
from .options import parameters_given, signal_given
from .text import note, print_table


def run(asked: argparse.Namespace) -> None:
    """Predict the motion, and write or print times and states in the units of the model's recording."""
    options = {name: getattr(asked, name) for name in ("until", "step", "output", "predictor", "anyway")}
    given = {"parameters": parameters_given(asked), "controls": signal_given(asked)}
    motion, columns = predicted(asked.model, asked.start, **options, **given)
    for text in outside_training(asked.model, motion, asked.predictor):
        note(text)
    if asked.output is not None:
        write_predicted(asked.output, motion, columns)
        return
    with tempfile.TemporaryDirectory() as folder:
        write_predicted(table := Path(folder) / "rollout.csv", motion, columns)
        print_table(table.read_text(encoding="utf-8"))

"""The command `fit`: learn a model and a formula from a recording."""

import argparse
import shlex
from pathlib import Path

from ..identification import NOT_BETTER, NoAnswerError, Remark, identify
from .options import columns_given, in_options
from .text import note, say


def run(asked: argparse.Namespace) -> None:
    """Learn from a recording, write the folder, and print the results.

    **Raises:** `NoAnswerError` if the best model predicts no better than the baselines.
    """
    folder = f"{Path(asked.recording).stem}-fit" if asked.output is None else asked.output
    own = ("structure", "friction", "steps", "minutes", "seed", "float32", "resume")
    found = identify(
        asked.recording,
        **columns_given(asked),
        **{name: getattr(asked, name) for name in own},
        folder=folder,
        command=shlex.join(asked.given),
        tell=show,
    )
    for topic, text in found.facts:
        say(topic, text)
    say("written", f"{folder}: {found.files(folder)}")
    for hint in found.hints:
        note(in_options(hint))
    if not found.predicts:
        raise NoAnswerError(f"the {found.predictor} {NOT_BETTER}")


def show(topic: str, text: str | Remark) -> None:
    """Print a message of `identify`: remarks to standard error, the rest to standard output."""
    if topic == "note":
        note(in_options(text))
    else:
        say(topic, str(text))

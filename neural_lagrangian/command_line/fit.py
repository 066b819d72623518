"""`fit`: from a recording to a model, figures and a formula."""

import argparse
import shlex
from pathlib import Path

from ..identification import NOT_BETTER, NoAnswerError, Remark, identify
from .options import columns_given, in_options
from .text import note, say


def run(asked: argparse.Namespace) -> None:
    """Learn from a recording, write the folder, and print what came out.

    **Raises:** `NoAnswerError` where the network predicts no better than knowing nothing does.
    """
    folder = f"{Path(asked.recording).stem}-fit" if asked.output is None else asked.output
    own = ("structure", "friction", "steps", "minutes", "seed", "float32", "resume")
    found = identify(
        asked.recording,
        **columns_given(asked),
        **{name: getattr(asked, name) for name in own},
        folder=folder,
        command=shlex.join(asked.given),
        tell=told,
    )
    for topic, text in found.facts:
        say(topic, text)
    say("written", f"{folder}: {found.files(folder)}")
    for hint in found.hints:
        note(in_options(hint))
    if not found.predicts:
        raise NoAnswerError(f"the network {NOT_BETTER}")


def told(topic: str, text: str | Remark) -> None:
    """What is said while it works: remarks to standard error, the rest to standard output."""
    if topic == "note":
        note(in_options(text))
    else:
        say(topic, str(text))

"""The command `info`: summarise a model or a recording."""

import argparse

from ..identification import Inspection, NoAnswerError, inspect
from .options import columns_given, in_options
from .text import say


def run(asked: argparse.Namespace) -> None:
    """Print the summary.

    **Raises:** `NoAnswerError` if recorded velocities are not the derivatives of their coordinates.
    """
    found = inspect(asked.path, **columns_given(asked))
    recording = isinstance(found, Inspection)
    for topic, text in found.facts(in_options) if recording else found.facts():
        say(topic, text)
    if recording and found.wrong_rates:
        raise NoAnswerError(found.wrong_rates[0])

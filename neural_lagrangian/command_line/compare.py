"""The command `compare`: compare a model with a recording, or two models with each other."""

import argparse

from ..identification import NoAnswerError, compared
from .options import parameters_given
from .text import say


def run(asked: argparse.Namespace) -> None:
    """Print errors by horizon and a verdict. For two models, print whether their Lagrangians are the same too.

    **Raises:** `NoAnswerError` if a model predicts no better than the baselines.
    """
    found = compared((asked.model, *asked.others), asked.predictor, parameters_given(asked))
    for topic, text in found.facts:
        say(topic, text)
    if found.refused:
        raise NoAnswerError(found.refused)

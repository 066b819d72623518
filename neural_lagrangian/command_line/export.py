"""The command `export`: write a model as a program in another language."""

import argparse

from ..identification import exported
from .text import say


def run(asked: argparse.Namespace) -> None:
    """Write the program, and say where."""
    for topic, text in exported(asked.model, asked.output, to=asked.to, predictor=asked.predictor, anyway=asked.anyway):
        say(topic, text)

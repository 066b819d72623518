"""The command `export`: write a model as a program in another language."""

import argparse

from ..identification import exported
from .options import parameters_given
from .text import say


def run(asked: argparse.Namespace) -> None:
    """Write the program, and say where."""
    options = {name: getattr(asked, name) for name in ("to", "predictor", "anyway")}
    for topic, text in exported(asked.model, asked.output, **options, parameters=parameters_given(asked)):
        say(topic, text)

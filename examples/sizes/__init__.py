"""What all examples share: how large a run is, from the command line, and where its figures go."""

import sys
from pathlib import Path

OUTPUT = Path(__file__).parents[1] / "output"
"""The folder for figures and files."""

OUTPUT.mkdir(exist_ok=True)


def asked(size: str) -> bool:
    """Whether the command line asks for a size: `--smoke` checks that everything runs."""
    return f"--{size}" in sys.argv


def size_of_run(*sizes: str) -> str:
    """The first of these sizes that the command line asks for, such as `--quick`; "standard" if none."""
    return next((size for size in sizes if asked(size)), "standard")

"""The command line: it reads arguments and prints text. All decisions are made in `identification`."""

from .program import main

__all__ = ["main"]

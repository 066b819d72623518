"""The package from a terminal: a recording in, a model, figures and a formula out."""

from .program import main

__all__ = ["main"]

"""The package from a terminal: arguments in, text out. What is decided is decided in `identification`."""

from .program import main

__all__ = ["main"]

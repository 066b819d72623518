"""The package from a terminal: a recording in, a model, figures and a formula out; and its models in Python."""

from typing import Any

from .program import main

__all__ = ["load_model", "main"]


def __getattr__(name: str) -> Any:
    """Import `load_model` at its first use, so that `--help` loads nothing that computes."""
    if name != "load_model":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .model_folder import load_model

    return load_model

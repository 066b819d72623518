"""The package from a terminal: a recording in, a model, figures and a formula out; and its models in Python."""

from typing import Any

from .program import main

__all__ = ["load_model", "main"]


def __getattr__(name: str) -> Any:
    """What computes is imported when it is first asked for."""
    if name != "load_model":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .model_folder import load_model

    return load_model

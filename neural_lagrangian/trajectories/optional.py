"""Packages of the extra `io`, imported where they are needed."""

import importlib
from typing import Any

from .._errors import MissingPackageError


def optional(module: str, kind: str) -> Any:
    """The module that reads and writes files of a kind.

    **Raises:** `MissingPackageError` that names the extra.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise MissingPackageError(f"{kind} files need {package}: pip install 'neural_lagrangian[io]'") from error

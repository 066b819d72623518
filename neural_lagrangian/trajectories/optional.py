"""Import of optional packages (extra `io`), only when they are needed."""

import importlib
from typing import Any

from .._errors import MissingPackageError


def optional(module: str, kind: str) -> Any:
    """Import the module for a file format.

    **Raises:** `MissingPackageError` with the command to install it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise MissingPackageError(f"{kind} files need {package}: pip install 'neural_lagrangian[io]'") from error

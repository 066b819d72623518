"""`settings.json`, the file that says how a model was trained, how to build it, and which one predicts best."""

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast, get_args

from ..._atomic import atomic_write
from ..choices import Predictor
from ..faults import NoAnswerError

SETTINGS = "settings.json"
"""Name of the file."""
PREDICTOR = "predictor"
"""Name of the setting that says which model is the best one. It is written with the verdict."""
REQUIRED_SETTINGS: dict[str, type] = {
    "recording": str,
    "command": str,
    "columns": dict,
    "architecture": dict,
    "scaling": dict,
    "training": dict,
    "versions": dict,
}
"""Required settings and their types."""


def is_folder(path: Path) -> bool:
    """Whether a folder holds a fit, finished or not."""
    return (path / SETTINGS).is_file()


def read_settings(folder: Path) -> dict[str, Any]:
    """Read `settings.json`. Errors are those of `load_model`."""
    if not is_folder(folder):
        raise NoAnswerError(f"{folder} has no {SETTINGS}; name a folder that `identify` has written")
    try:
        settings = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:  # of JSON or of the encoding
        raise NoAnswerError(f"{folder / SETTINGS} is damaged: {_reason(error)}") from error
    known = settings if isinstance(settings, dict) else {}
    if missing := [name for name, kind in REQUIRED_SETTINGS.items() if not isinstance(known.get(name), kind)]:
        raise NoAnswerError(f"{folder / SETTINGS} is damaged: it lacks {', '.join(missing)}")
    if not {"steps", "seed"} <= set(known["training"]) or not isinstance(known["training"]["steps"], list):
        raise NoAnswerError(f"{folder / SETTINGS} is damaged: `training` lacks `steps` or `seed`")
    if (predictor := known.get(PREDICTOR, "network")) not in get_args(Predictor):
        raise NoAnswerError(f"{folder / SETTINGS} is damaged: `{PREDICTOR}` is {predictor!r}")
    return known


def stored_predictor(settings: dict[str, Any]) -> Predictor:
    """The predictor of the verdict. For settings without it, those of an unfinished or an earlier fit, the network."""
    return cast(Predictor, settings.get(PREDICTOR, "network"))


def write_settings(folder: Path, settings: dict[str, Any]) -> None:
    """Write `settings.json`, all or nothing."""
    with atomic_write(folder / SETTINGS) as file:
        file.write((settings_text(settings) + "\n").encode())


def settings_text(settings: dict[str, Any]) -> str:
    """The settings as JSON. Numbers that are not finite become `null`: JSON has none."""
    return json.dumps(_finite(settings), indent=2, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


@contextmanager
def named_faults(folder: Path) -> Iterator[None]:
    """Turn an error about the content of the settings into a `NoAnswerError` that names the file."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError) as error:  # a damaged file may hold anything
        raise NoAnswerError(f"{folder / SETTINGS} is damaged, or belongs to another model: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    return f"it lacks {error}" if isinstance(error, KeyError) else str(error) or type(error).__name__

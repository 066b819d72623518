"""The folder that `fit` writes: a model, and what is to be known to build it again and to read recordings like its own.

`model` is a file of `save`; `settings.json` holds the rest.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from .._atomic import atomic_write
from ..models import Scaled, load, save, with_precision
from ..trajectories import Scaling
from .architecture import Architecture
from .columns import Columns
from .faults import NoAnswerError

MODEL, SETTINGS = "model", "settings.json"
NEEDED: dict[str, type] = {
    "recording": str,
    "command": str,
    "columns": dict,
    "architecture": dict,
    "scaling": dict,
    "training": dict,
    "versions": dict,
}
"""What the commands read from the settings, and its type."""


class Learned(NamedTuple):
    """A `model` in physical units, the columns of its recording, and all that is known of how it was learned."""

    model: Scaled
    columns: Columns
    settings: dict[str, Any]


def load_model(folder: str | Path) -> Scaled:
    """The model that `fit` has written to a folder: a rollout `model(ts, y0)` in SI units, in JAX's default precision.

    **Raises:** `NoAnswerError` if it is no such folder, or its settings are damaged; `ModelFileError` if the model file
    is damaged.
    """
    return read_folder(folder).model


def read_folder(folder: str | Path) -> Learned:
    """All that `fit` has written of a model; errors as for `load_model`."""
    folder = Path(folder)
    settings, columns = read_settings(folder), read_columns(folder)
    weights = (folder / MODEL).stat().st_size // 4
    with _named_faults(folder):
        architecture, scaling = Architecture.of(settings["architecture"]), Scaling(**settings["scaling"])
        architecture.check(columns, weights)
    model = load(folder / MODEL, Scaled(architecture.model(jax.random.key(0)), scaling))
    inner = with_precision(model.model, jnp.result_type(float))
    return Learned(Scaled(inner, model.scaling), columns, settings)


def read_columns(folder: str | Path) -> Columns:
    """The columns of its recording, without the model; errors as for `load_model`."""
    settings = read_settings(Path(folder))
    with _named_faults(Path(folder)):
        columns = Columns.of(settings["columns"])
        names = [columns.time, *columns.coordinates, *columns.velocities, *columns.angles]
        names += [*columns.units, *columns.units.values()]
        if not all(isinstance(name, str) for name in names):
            raise ValueError(f"its columns are {names}; expected names")
        if not columns.coordinates or len(columns.velocities) not in (0, columns.dof):
            raise ValueError(f"it has {columns.dof} coordinates and {len(columns.velocities)} velocities")
        return columns


def is_folder(path: Path) -> bool:
    """Whether `fit` has begun to write there."""
    return (path / SETTINGS).is_file()


def read_settings(folder: Path) -> dict[str, Any]:
    """All that is known of a fit but its arrays; errors as for `load_model`."""
    if not is_folder(folder):
        raise NoAnswerError(f"{folder} has no {SETTINGS}; expected a folder that `fit` has written")
    try:
        settings = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise NoAnswerError(f"{folder / SETTINGS} is damaged: {_reason(error)}") from error
    known = settings if isinstance(settings, dict) else {}
    if missing := [name for name, kind in NEEDED.items() if not isinstance(known.get(name), kind)]:
        raise NoAnswerError(f"{folder / SETTINGS} is damaged: it lacks {', '.join(missing)}")
    if not {"steps", "seed"} <= set(known["training"]) or not isinstance(known["training"]["steps"], list):
        raise NoAnswerError(f"{folder / SETTINGS} is damaged: its training lacks steps or seed")
    return known


def write_settings(folder: Path, settings: dict[str, Any]) -> None:
    """All or nothing."""
    with atomic_write(folder / SETTINGS) as file:
        file.write((json.dumps(settings, indent=2) + "\n").encode())


def write_model(folder: Path, model: Scaled) -> None:
    """All or nothing."""
    save(folder / MODEL, model)


@contextmanager
def _named_faults(folder: Path) -> Iterator[None]:
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise NoAnswerError(f"{folder / SETTINGS} is damaged, or not of this model: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    return f"no {error}" if isinstance(error, KeyError) else str(error) or type(error).__name__

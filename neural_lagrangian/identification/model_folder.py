"""The folder of a model: the model, and the settings with which to build it and to read recordings like its own.

`model` is a file of `save`; `formula.json` holds the formula, if there is one; `settings.json` holds the rest.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, get_args

import jax
import jax.numpy as jnp

from .._atomic import atomic_write
from ..models import NeuralLagrangian, Scaled, load, save, with_precision
from ..trajectories import Scaling
from .architecture import Architecture
from .choices import Predictor
from .columns import Columns
from .faults import NoAnswerError
from .formula_file import read_formula
from .tables import stated_all

MODEL, SETTINGS, REPORT, HISTORY = "model", "settings.json", "report.html", "history.jsonl"
CHECKPOINTS = "checkpoints"
"""Folder that is needed to resume a fit."""
NEEDED: dict[str, type] = {
    "recording": str,
    "command": str,
    "columns": dict,
    "architecture": dict,
    "scaling": dict,
    "training": dict,
    "versions": dict,
}
"""Settings that must be there, with their types."""


class Learned(NamedTuple):
    """A learned model with its history; printed, a summary.

    `model`: in SI units. `columns`: those of its recording. `settings`: how it was learned. `folder`: where it is.

    **Example:**

    ```python
    import pathlib
    if pathlib.Path("pendulum-fit").exists():
        learned = nl.identification.inspect("pendulum-fit")
        print(learned.settings["command"])
    ```
    """

    model: Scaled | NeuralLagrangian
    columns: Columns
    settings: dict[str, Any]
    folder: Path = Path()

    def facts(self) -> list[tuple[str, str]]:
        """Topics, and what there is to say on each."""
        settings, columns = self.settings, self.columns
        architecture, training = settings["architecture"], settings["training"]
        friction = "linear damping" if architecture["friction"] else "no friction"
        networks = f"{architecture['depth']} hidden layers of {architecture['width']}"
        angles = f"; angles {', '.join(columns.angles)}" if columns.angles else ""
        return [
            ("model", f"{self.folder}: sound, its SHA-256 is the one recorded"),
            ("structure", f"{architecture['structure']}, {friction}; networks with {networks}"),
            ("state", f"{', '.join((*columns.coordinates, *columns.rates))}{angles}"),
            ("learned from", f"{settings['recording']}, by {settings['command']}"),
            ("training", f"{sum(training['steps'])} steps, seed {training['seed']}"),
            ("versions", ", ".join(f"{name} {number}" for name, number in settings["versions"].items())),
        ]

    def __str__(self) -> str:
        return stated_all(self.facts())

    @property
    def scaling(self) -> Scaling:
        """Units of the recorded motion."""
        return Scaling(**self.settings["scaling"])


def load_model(folder: str | Path, predictor: Predictor = "network") -> Scaled | NeuralLagrangian:
    r"""The model in a folder that `identify` or `neural_lagrangian fit` has written.

    The model is a rollout `model(ts, y0)` of shape `(time, 2 dof)`. It works in SI units, with angles in radians, in
    JAX's default precision. It has an `energy`, a `lagrangian`, an `acceleration` and a `force`, the friction.

    **Arguments:**

    - `folder`: the folder.
    - `predictor`: `"network"`, the trained network; or `"formula"`, the formula that was found, with its friction and
      its coefficients to the last digit.

    **Raises:** `NoAnswerError` if it is no such folder, its files are damaged, or there is no formula;
    `ModelFileError` if the file of the network is damaged; `ValueError` for another `predictor`.

    **Example:**

    ```python
    import pathlib
    folder = pathlib.Path("pendulum-fit")  # of `neural_lagrangian fit pendulum.csv --dof 1 --angles theta`
    if folder.exists():
        model = nl.load_model(folder, "formula")
        ys = model(jnp.linspace(0.0, 10.0, 201), jnp.array([1.2, 0.0]))  # (201, 2)
    ```
    """
    return read_folder(folder, predictor).model


def read_folder(folder: str | Path, predictor: Predictor = "network") -> Learned:
    """A model, its columns and its settings; errors as for `load_model`."""
    if predictor not in get_args(Predictor):
        raise ValueError(f"`predictor` is {predictor!r}; expected one of {get_args(Predictor)}")
    folder = Path(folder)
    settings, columns = read_settings(folder), read_columns(folder)
    with _named_faults(folder):
        architecture, scaling = Architecture.of(settings["architecture"]), Scaling(**settings["scaling"])
    if predictor == "formula":
        return Learned(read_formula(folder, columns), columns, settings, folder)
    weights = (folder / MODEL).stat().st_size // 4
    with _named_faults(folder):
        architecture.check(columns, weights)
    model = load(folder / MODEL, Scaled(architecture.model(jax.random.key(0)), scaling))
    inner = with_precision(model.model, jnp.result_type(float))
    return Learned(Scaled(inner, model.scaling), columns, settings, folder)


def read_columns(folder: str | Path) -> Columns:
    """The columns of its recording, without the model; errors as for `load_model`."""
    settings = read_settings(Path(folder))
    with _named_faults(Path(folder)):
        return Columns.of(settings["columns"])


def may_be_used(folder: str | Path, predictor: Predictor) -> bool:
    """Whether a model may be used: it was not found to predict worse than constant velocity or rest."""
    judged = read_settings(Path(folder)).get("judged")
    of_one = judged.get(predictor) if isinstance(judged, dict) else None
    return not isinstance(of_one, dict) or of_one.get("predicts") is not False


def is_folder(path: Path) -> bool:
    """Whether a fit has been begun in a folder."""
    return (path / SETTINGS).is_file()


def read_settings(folder: Path) -> dict[str, Any]:
    """All that is known of a fit but its arrays; errors as for `load_model`."""
    if not is_folder(folder):
        raise NoAnswerError(f"{folder} has no {SETTINGS}; expected a folder that `identify` has written")
    try:
        settings = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:  # of JSON or of the encoding
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
    """All or nothing, in single precision, in which it was trained."""
    save(folder / MODEL, Scaled(with_precision(model.model, jnp.float32), model.scaling))


def claim(folder: Path, *, resume: bool = False) -> None:
    """Make the folder of a fit; of several processes that begin at once, one gets it.

    **Raises:** `NoAnswerError` if it holds a fit already, unless that is to be resumed.
    """
    try:
        if is_folder(folder) and not resume:
            raise FileExistsError
        (folder / CHECKPOINTS).mkdir(parents=True, exist_ok=resume)
    except FileExistsError:
        raise NoAnswerError(
            f"{folder} holds a fit already: `resume` goes on with it, `folder` names another folder"
        ) from None


def left_in(folder: Path) -> str:
    """What an interrupted fit leaves, and whether it can go on."""
    if (folder / REPORT).is_file():
        return f"{folder} holds a trained network and a report"
    if (folder / MODEL).is_file():
        return f"{folder} holds the trained network, without a report; the same with `resume` writes it"
    if any((folder / CHECKPOINTS).glob("step-*.checkpoint")):
        return f"{folder} holds a checkpoint of the training; the same with `resume` goes on"
    return f"{folder} holds no checkpoint yet; the same with `resume` begins again"


@contextmanager
def _named_faults(folder: Path) -> Iterator[None]:
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError) as error:  # a damaged file may hold anything
        raise NoAnswerError(f"{folder / SETTINGS} is damaged, or not of this model: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    return f"no {error}" if isinstance(error, KeyError) else str(error) or type(error).__name__

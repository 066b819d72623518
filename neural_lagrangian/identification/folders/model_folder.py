"""The folder that `identify` writes, and `load_model`, which reads it.

`model` is a file of `save`, with the network, if one was trained. `formula.json` holds the formula, if there is one;
`family.json` the constants of a `Family`. `settings.json` holds which of them predicts best, how to build the network,
and how to read recordings with the same columns.
"""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, get_args

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from ...models import NeuralLagrangian, Scaled, load, save, with_precision
from ...networks import with_parameters
from ...observation import Sensor
from ...trajectories import Scaling
from ..architecture import Architecture
from ..choices import Predictor
from ..families import Family
from ..faults import NoAnswerError
from ..plain_text import aligned, stated_all
from ..prior import Prior
from ..recordings import Calibrated, Columns, Timing, Varied, beyond, read_calibrated, read_varied, table_of, values_of
from .family_file import read_family
from .formula_file import formula_of_json, read_formula
from .settings_file import is_folder, named_faults, read_settings, stored_predictor

MODEL, REPORT, HISTORY = "model", "report.html", "history.jsonl"
"""Names of the files."""
CHECKPOINTS, ON_KNOWN_SYSTEM = "checkpoints", "on_known_system"
"""Name of the folder of checkpoints, which `resume` needs, and of the folder with those and the losses of the network
that is added to a known system.
"""
NO_NETWORK = "has no network: none was needed; load the formula, or fit again with `steps` to train one"
"""What is said of a folder in which a system of known form leaves nothing but noise."""


class Learned(NamedTuple):
    """A model read from a folder, with its settings. `print` shows a summary.

    `model`: the rollout model, in SI units. `columns`: the columns of its recording. `settings`: how it was trained.
    `folder`: the folder. `predictor`: what the model is.

    **Example:**

    ```python
    >>> import numpy as np, neural_lagrangian as nl
    >>> t = np.arange(0.0, 6.0, 0.02)
    >>> spring = nl.Trajectories(t, np.stack([np.cos(2 * t), -2 * np.sin(2 * t)], axis=1), names=["x"])
    >>> found = nl.identification.identify(spring, steps=1, minutes=0.001, seed=3, folder="spring-fit")
    >>> learned = nl.identification.inspect("spring-fit")
    >>> learned.columns.coordinates, learned.settings["training"]["seed"]
    (('x',), 3)
    ```
    """

    model: Scaled | NeuralLagrangian
    columns: Columns
    settings: dict[str, Any]
    folder: Path = Path()
    predictor: Predictor = "network"

    def facts(self) -> list[tuple[str, str]]:
        """The summary as pairs of a topic and a text."""
        settings, columns = self.settings, self.columns
        architecture, training = settings["architecture"], settings["training"]
        friction = "linear damping" if architecture["friction"] else "no friction"
        networks = f"{architecture['depth']} hidden layers of {architecture['width']}"
        angles = f"; angles {', '.join(columns.angles)}" if columns.angles else ""
        model, of_network = f"{self.folder}: no network was trained", []
        if has_network(self.folder):
            model = f"{self.folder}: undamaged, the SHA-256 of its arrays is the recorded one"
            of_network = [
                ("structure", f"{architecture['structure']}, {friction}; networks with {networks}{self._added_to()}"),
                ("training", f"{sum(training['steps'])} steps, seed {training['seed']}"),
            ]
        return [
            ("model", model),
            ("predictor", f"{stored_predictor(self.settings)}, unless another one is named"),
            ("state", f"{', '.join((*columns.coordinates, *columns.rates))}{angles}"),
            *([("controls", ", ".join(columns.controls))] if columns.controls else []),
            *([("parameters", "\n".join(map(str, self.parameters)))] if self.parameters else []),
            *([("sensors", aligned(table_of(self.calibrated)))] if self.calibrated else []),
            ("learned from", f"{settings['recording']}, by {settings['command']}"),
            *of_network,
            ("versions", ", ".join(f"{name} {number}" for name, number in settings["versions"].items())),
        ]

    def _added_to(self) -> str:
        """The known system to which the network is added, in words."""
        known = self.settings.get("known_system")
        return f"; added to the {known.get('where')}" if isinstance(known, dict) else ""

    def __str__(self) -> str:
        """The summary, as `neural_lagrangian info` prints it."""
        return stated_all(self.facts())

    @property
    def scaling(self) -> Scaling:
        """Natural units of the recorded motion."""
        return Scaling(**self.settings["scaling"])

    @property
    def sensors(self) -> dict[str, Sensor]:
        """The calibrated sensors of declared observations by column, in SI units; empty if there are none.

        With the model they predict readings: `observation.Observed(learned.model, learned.sensors)`.
        """
        return {name: one.sensor(self.columns) for name, one in self.calibrated.items()}

    @property
    def calibrated(self) -> dict[str, Calibrated]:
        """The same sensors with the standard errors of their quantities."""
        with named_faults(self.folder):
            return read_calibrated(self.settings, self.columns)

    @property
    def parameters(self) -> tuple[Varied, ...]:
        """The parameters that differed between the runs, with their units and trained ranges; empty for one system."""
        return read_varied(self.settings, self.columns)

    def of_system(self, parameters: Mapping[str, float] | None) -> "Learned":
        """The model of the system with these parameters; the same if `parameters` is `None`.

        It warns of values outside of the trained range.

        **Raises:** `UsageError` for missing or unknown names, and for a model of one system.
        """
        if parameters is None:
            return self
        values = values_of(parameters, self.parameters, self.folder)
        for text in beyond(values, self.parameters):
            warnings.warn(f"{self.folder}: {text}", stacklevel=3)
        return self._replace(model=with_parameters(self.model, values))

    def of_one_system(self, parameters: Mapping[str, float] | None) -> "Learned":
        """As `of_system`, and a model of many systems needs `parameters`."""
        return self.of_system({} if parameters is None and self.parameters else parameters)


def load_model(
    folder: str | Path,
    predictor: Predictor | None = None,
    *,
    candidates: Sequence[Family] = (),
    parameters: Mapping[str, float] | None = None,
) -> Scaled | NeuralLagrangian:
    r"""Load the model from a folder that `identify` or `neural_lagrangian fit` has written.

    The model is a rollout model: `model(ts, y0)` has shape `(time, 2 dof)`. It works in SI units, with angles in
    radians, in JAX's default precision. It has `energy`, `lagrangian`, `acceleration` and `force`, the friction. A
    driven model takes controls by `models.with_control(model, ts, us)`; without them they are zero.

    **Arguments:**

    - `folder`: the folder.
    - `predictor`: `"network"`, the trained network; `"formula"`, the formula of a known system or of the search, with
      its friction and its coefficients to the last digit; or `"family"`, a `Family` of yours. The default is the best
      of them on the validation set, as the verdict says; for folders of earlier versions it is the network.
    - `candidates`: the `candidates` of `identify`. They are needed only for `"family"`: no file holds their functions.
    - `parameters`: those of one system by name, in the units of the recording, if the model has parameters. By default
      they are the centres of the trained ranges, `model(ts, y0, {"length": 0.5})` takes others in each rollout, and
      `networks.with_parameters` sets them later.

    **Warns:** of parameters outside of their trained range.

    **Raises:** `UsageError` for missing or unknown parameters; `NoAnswerError` if it is not such a folder, if its
    settings or its formula are damaged, if there is no formula or no network, or if `candidates` lacks the best family;
    `ModelFileError` if the file of the network is damaged; `ValueError` for another `predictor`.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, numpy as np, neural_lagrangian as nl
    >>> t = np.arange(0.0, 6.0, 0.02)
    >>> spring = nl.Trajectories(t, np.stack([np.cos(2 * t), -2 * np.sin(2 * t)], axis=1), names=["x"])
    >>> found = nl.identification.identify(spring, folder="spring-fit")
    >>> model = nl.load_model("spring-fit")
    >>> found.predictor  # a known system, a mass on a spring, is the best description
    'formula'
    >>> ts, y0 = jnp.linspace(0.0, 1.0, 11), jnp.array([1.0, 0.0])
    >>> model(ts, y0).shape, bool(jnp.allclose(model(ts, y0), found.model(ts, y0)))
    ((11, 2), True)
    ```
    """
    return read_folder(folder, predictor, candidates).of_system(parameters).model


def read_folder(folder: str | Path, predictor: Predictor | None = None, candidates: Sequence[Family] = ()) -> Learned:
    """Read a model, its columns and its settings. Arguments and errors are those of `load_model`."""
    folder = Path(folder)
    settings, columns, predictor = read_settings(folder), read_columns(folder), predictor_of(folder, predictor)
    with named_faults(folder):
        architecture = Architecture.of(settings["architecture"], read_varied(settings, columns))
        scaling = Scaling(**settings["scaling"])
        timing = Timing.read(settings)
    if predictor == "formula":
        model = read_formula(folder, columns)
    elif predictor == "family":
        model = read_family(folder, columns, candidates)
    elif not has_network(folder):
        raise NoAnswerError(left_in(folder) if settings["training"]["steps"] else f"{folder} {NO_NETWORK}")
    else:
        weights = (folder / MODEL).stat().st_size // 4
        with named_faults(folder):
            architecture.check(columns, weights)
            known = settings.get("known_system")  # none in earlier versions
            prior = None if known is None else Prior(formula_of_json(columns, known), scaling)
            like = architecture.model(jax.random.key(0), prior)
        network = load(folder / MODEL, Scaled(like, scaling))
        model = in_precision(network, jnp.result_type(float))
    return Learned(timing.of(model, columns.dof), columns, settings, folder, predictor)


def predictor_of(folder: str | Path, asked: Predictor | None = None) -> Predictor:
    """The predictor that was asked for, else that of the verdict. Errors are those of `load_model`."""
    if asked is None:
        return stored_predictor(read_settings(Path(folder)))
    if asked not in get_args(Predictor):
        raise ValueError(f"`predictor` is {asked!r}; expected one of {get_args(Predictor)}")
    return asked


def read_columns(folder: str | Path) -> Columns:
    """Read the columns of the recording, without the model. Errors are those of `load_model`."""
    settings = read_settings(Path(folder))
    with named_faults(Path(folder)):
        return Columns.of(settings["columns"])


def may_be_used(folder: str | Path, predictor: Predictor) -> bool:
    """Whether the settings allow a model: `judging.better_than_baselines` did not refuse it when it was fitted."""
    judged = read_settings(Path(folder)).get("judged")
    of_one = judged.get(predictor) if isinstance(judged, dict) else None
    return not isinstance(of_one, dict) or of_one.get("predicts") is not False


def has_network(folder: Path) -> bool:
    """Whether a folder holds a trained network."""
    return (folder / MODEL).is_file()


def write_model(folder: Path, model: Scaled) -> None:
    """Write the network, all or nothing, in single precision, as it was trained."""
    save(folder / MODEL, in_precision(model, jnp.float32))


def in_precision(model: Scaled, dtype: DTypeLike) -> Scaled:
    """The model with its network in another precision, and the scaling as it is."""
    return Scaled(with_precision(model.model, dtype), model.scaling)


def claim(folder: Path, *, resume: bool = False) -> None:
    """Make the folder of a fit. If several processes start at once, only one gets it.

    **Raises:** `NoAnswerError` if the folder already holds a fit and `resume` is false.
    """
    try:
        if is_folder(folder) and not resume:
            raise FileExistsError
        (folder / CHECKPOINTS).mkdir(parents=True, exist_ok=resume)
    except FileExistsError:
        raise NoAnswerError(
            f"{folder} holds a fit already: use `resume` to continue it, or name another folder with `folder`"
        ) from None


def left_in(folder: Path) -> str:
    """What an interrupted fit has written, and how to continue it."""
    if (folder / REPORT).is_file():
        return f"{folder} holds a finished fit with its report"
    if (folder / MODEL).is_file():
        return f"{folder} holds the trained network, without a report; repeat the call with `resume` to write it"
    if any(folder.rglob("step-*.checkpoint")):
        return f"{folder} holds a checkpoint of the training; repeat the call with `resume` to continue"
    return f"{folder} holds no checkpoint yet; repeat the call with `resume` to start again"

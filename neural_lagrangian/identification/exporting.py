"""Write the model of a folder as a program in another language."""

import re
from collections.abc import Mapping
from pathlib import Path

import jax.numpy as jnp

from ..export import can_be_included, to_c
from .choices import Language, Predictor
from .faults import NoAnswerError, UsageError
from .folders import Learned, may_be_used, read_folder
from .recordings import Timing, assigned
from .reports import NOT_BETTER


def exported(
    folder: str,
    output: str | Path,
    *,
    to: Language = "c",
    predictor: Predictor | None = None,
    anyway: bool = False,
    parameters: Mapping[str, float] | None = None,
) -> list[tuple[str, str]]:
    """Write a model as a C file and its header, in JAX's default precision. Returns facts: pairs of a topic and a text.

    **Arguments:**

    - `folder`: the folder of the model.
    - `output`: the C file to write. Its name without the suffix is the prefix of the functions.
    - `to`: the language.
    - `predictor`: as for `load_model`.
    - `anyway`: whether to use a model that predicts no better than the baselines.
    - `parameters`: those of the system by name, in the units of the recording, if the model has parameters.

    **Raises:** `UsageError` for an impossible file name, and for missing or unknown parameters; `NoAnswerError` if the
    model should not be used; `ExportError` if it contains an operation that has no C code.
    """
    path = Path(output)
    if to != "c" or path.suffix != ".c":
        raise UsageError(f"`output` is {str(output)!r}; expected a name that ends in .c")
    if not can_be_included(path):
        raise UsageError(f"`output` is {str(output)!r}; expected a file name that a C program can include")
    if not path.parent.is_dir():
        raise UsageError(f"`output` is {str(output)!r}, but there is no folder {str(path.parent)!r}; make it first")
    learned = read_folder(folder, predictor).of_one_system(parameters)
    if not anyway and not may_be_used(folder, learned.predictor):
        raise NoAnswerError(f"{folder}: the {learned.predictor} {NOT_BETTER}; `anyway` uses it nevertheless")
    name = re.sub(r"^(?![A-Za-z])", "model_", re.sub(r"\W", "_", path.stem, flags=re.ASCII))
    dtype = "double" if jnp.result_type(float) == jnp.float64 else "float"
    notes = _notes(learned, parameters)
    source, header = to_c(learned.model, path, dof=learned.columns.dof, name=name, dtype=dtype, notes=notes)
    return [
        ("written", f"{source}, {header}: functions {name}_acceleration, {name}_energy, {name}_step in {dtype}"),
        ("predictor", learned.predictor),
    ]


def _notes(learned: Learned, parameters: Mapping[str, float] | None) -> list[str]:
    """What the comment of the file says of the model."""
    columns, settings = learned.columns, learned.settings
    labels = [columns.labels(k) for k in range(columns.dof)]
    states = [f"q[{k}] = {q}, v[{k}] = {v}" for k, (q, v) in enumerate(labels)]
    return [
        f"state: {'; '.join(states)}; SI units",
        f"predictor: {learned.predictor}, learned from {settings['recording']}, by {settings['command']}",
        *([f"controls: {_controls(learned)}"] if columns.controls else []),
        *([f"parameters: {assigned(parameters, learned.parameters)}"] if parameters else []),
        *_range(learned),
    ]


def _controls(learned: Learned) -> str:
    """Which control each `u` is, and how late it acts, which is not part of the functions."""
    timing, names = Timing.read(learned.settings), learned.columns.controls
    known = "; ".join(f"u[{k}] = {name}" for k, name in enumerate(names))
    late = timing.delay > 0 and not timing.held
    return f"{known}{f'; the values of {timing.delay:.6g} s before, as they act late' if late else ''}"


def _range(learned: Learned) -> list[str]:
    """The range of states of the training data, if the settings hold it."""
    region, columns = learned.settings.get("region"), learned.columns
    names = (*columns.coordinates, *columns.rates)
    if not isinstance(region, dict) or not all(len(region.get(end, ())) == len(names) for end in ("least", "most")):
        return []
    rows = zip(names, region["least"], region["most"], strict=True)
    ranges = [
        f"{name}: any" if low is None or high is None else f"{name}: {low:.3g} to {high:.3g}"
        for name, low, high in rows
    ]
    return [f"range of the training data, in SI units: {'; '.join(ranges)}"]

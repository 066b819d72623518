"""Models in files: arrays with their SHA-256, the package's version and the architecture; no code, no pickle."""

from pathlib import Path
from typing import Any, TypeVar

from .._archive import ArchiveError, read_archive, without_addresses, write_archive
from .._errors import NeuralLagrangianError
from ..integrators import AbstractMotionModel, with_integration, without_integration

Model = TypeVar("Model")


class ModelFileError(NeuralLagrangianError, ValueError):
    """A model file that is damaged, or that holds another architecture."""


def save(path: str | Path, model: Any) -> None:
    """Write a model: all or nothing, so that a crash leaves the previous file as it was.

    How it is integrated is left out, but for a variational solver and its step: they belong to what was learned.

    **Arguments:**

    - `path`: the file to write; its folder must exist. A link stays a link, and an existing file keeps its permissions.
    - `model`: any Equinox module.

    **Raises:** `OSError` if the file cannot be written, or a folder or device has its name; `ModelFileError` for a
    model of so many arrays that no header can list them.

    **Example:**

    ```python
    >>> import pathlib, neural_lagrangian as nl
    >>> nl.save("spring.model", nl.NeuralLagrangian(nl.lagrangians.AdditivePolynomial(1)))
    >>> pathlib.Path("spring.model").exists()
    True
    ```
    """
    try:
        write_archive(path, "model", without_integration(model), {"rule": _rule(model)})
    except ArchiveError as error:
        raise ModelFileError(str(error)) from error


def load(path: str | Path, like: Model) -> Model:
    """Read a model written by `save`.

    **Arguments:**

    - `path`: the file.
    - `like`: a model of the same architecture, whose arrays are replaced.

    **Raises:** `ModelFileError` if the file is not a model, is damaged, holds another architecture (naming the first
    array that differs), or was saved with a variational solver or a step that `like` has not; `OSError` if it cannot
    be opened.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> nl.save("spring.model", nl.NeuralLagrangian(nl.lagrangians.AdditivePolynomial(1)))
    >>> model = nl.load("spring.model", like=nl.NeuralLagrangian(nl.lagrangians.AdditivePolynomial(1)))
    >>> float(model.energy(0.0, jnp.array([0.0]), jnp.array([2.0])))
    2.0
    ```
    """
    try:
        header, loaded = read_archive(path, "model", lambda _: without_integration(like))
    except ArchiveError as error:
        raise ModelFileError(str(error)) from error
    rule = header.get("rule")
    if rule is not None and rule != _rule(like):
        own = _rule(like) or "another kind of solver"
        raise ModelFileError(f"{path} was learned with {rule}, and is right with it alone; `like` has {own}")
    return with_integration(loaded, like)


def _rule(model: Any) -> str | None:
    rule = model.integration.rule if isinstance(model, AbstractMotionModel) else None
    return None if rule is None else without_addresses(rule)

"""Model files: arrays, a SHA-256 checksum, the package's version and the architecture. No code and no pickle."""

from pathlib import Path
from typing import Any, TypeVar

from .._archive import ArchiveError, read_archive, without_addresses, write_archive
from .._errors import NeuralLagrangianError
from ..integrators import AbstractMotionModel, with_integration, without_integration

Model = TypeVar("Model")


class ModelFileError(NeuralLagrangianError, ValueError):
    """The model file is damaged, or it holds another architecture."""


def save(path: str | Path, model: Any) -> None:
    """Save a model to a file. The write is atomic: after a crash the previous file is unchanged.

    Solver and step sizes are not saved, with one exception: a variational solver and its step size, because the learned
    Lagrangian is accurate only with them.

    **Arguments:**

    - `path`: the file to write; its folder must exist. A link stays a link, and an existing file keeps its permissions.
    - `model`: any Equinox module.

    **Raises:** `OSError` if the file cannot be written, or the path is a folder or a device. `ModelFileError` if the
    model has too many arrays for the header.

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
    """Load a model that `save` wrote.

    **Arguments:**

    - `path`: the file.
    - `like`: a model of the same architecture. Its arrays are replaced by those of the file.

    **Raises:** `ModelFileError` if the file is not a model file, is damaged, holds another architecture (the message
    names the first array that differs), or was saved with another variational solver or step size than that of `like`.
    `OSError` if the file cannot be opened.

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
        raise ModelFileError(
            f"{path} was trained with {rule}, and is accurate only with it; `like` has {own}: give `like` the same "
            f"solver and step size"
        )
    return with_integration(loaded, like)


def _rule(model: Any) -> str | None:
    rule = model.integration.rule if isinstance(model, AbstractMotionModel) else None
    return None if rule is None else without_addresses(rule)

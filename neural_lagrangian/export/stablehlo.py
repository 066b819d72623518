"""A trained model as compiled functions for JAX programs that know neither this package nor the architecture."""

import importlib
from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, Literal, NamedTuple

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
from jax.extend import core
from jaxtyping import Array, ArrayLike

from .._archive import ArchiveError, read_archive, write_archive
from .._checks import check_instance
from .._errors import MissingPackageError
from ..integrators import AbstractMotionModel
from ..numerics import precision
from .card import description
from .errors import ExportError
from .functions import ModelFunctions

KIND = "stablehlo"
"""The kind of the archive."""
PLATFORMS = ("cpu", "cuda", "rocm", "tpu")
"""Where an exported program can run."""


class ExportedModel(NamedTuple):
    """The functions of an exported model.

    - `card`: what the model is, and who wrote it.
    - `functions`: by name, such as `"acceleration"`: callables with the arguments that `arguments` lists.
    - `arguments`: names of the arguments of each function. `t` is a scalar, the others are vectors.
    """

    card: str
    functions: Mapping[str, Callable[..., Any]]
    arguments: Mapping[str, tuple[str, ...]]


def to_stablehlo(
    model: AbstractMotionModel,
    path: str | PathLike[str],
    *,
    dof: int | None = None,
    dtype: Literal["double", "float"] = "float",
    controller: Callable[..., Array] | None = None,
    observation: Callable[..., Array] | None = None,
    platforms: Sequence[str] = ("cpu",),
    notes: Sequence[str] = (),
) -> Path:
    r"""Write the functions of a model as StableHLO, the versioned format of XLA: with `load_stablehlo` they run again.

    The file holds the compiled functions with their weights, and not the code of the model, so a program that loads it
    does not depend on the classes of the model. JAX guarantees that it runs for at least six months of later versions.
    The file has a model card, a version and a SHA-256. It needs the package flatbuffers (extra `stablehlo`).

    **Arguments:**

    - `model`, `dof`, `controller`, `observation`, `notes`: as for `to_c`. All functions that the model has are written:
      acceleration (or rate), energy, torque, linearization, control and observation.
    - `path`: the file to write.
    - `dtype`: `"double"` or `"float"`, the type of all numbers. `"double"` needs `jax_enable_x64` when it is loaded.
    - `platforms`: where it is to run, of `"cpu"`, `"cuda"`, `"rocm"`, `"tpu"`.

    **Returns:** the path.

    **Raises:** `ExportError` if JAX cannot export a function, `ValueError` for other arguments.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> spring = lambda t, q, v: 0.5 * v @ v - 2.0 * q @ q  # 1 kg on a spring of 4 N/m
    >>> model = nl.NeuralLagrangian.from_lagrangian(spring, dof=1)
    >>> exported = nl.export.load_stablehlo(nl.export.to_stablehlo(model, "spring.stablehlo"))
    >>> exported.arguments["energy"]
    ('t', 'q', 'v')
    >>> exported.functions["acceleration"](0.0, jnp.ones(1), jnp.zeros(1)).tolist()
    [-4.0]
    ```
    """
    check_instance("model", model, AbstractMotionModel)
    if dtype not in ("double", "float"):
        raise ValueError(f"`dtype` is {dtype!r}; expected 'double' or 'float'")
    if isinstance(platforms, str) or not platforms or not set(platforms) <= set(PLATFORMS):
        raise ValueError(f"`platforms` is {platforms!r}; expected a sequence of some of {PLATFORMS}")
    _require_flatbuffers()
    path, kind = Path(path), np.dtype(np.float64 if dtype == "double" else np.float32)
    with precision(double=dtype == "double"):
        known = ModelFunctions(model, dof, kind, controller, observation)
        wanted = [known.traced(name) for name in known.names if name != "step"]
        programs = {one.name: _program(one, kind, platforms) for one in wanted}
    header = {
        "card": "\n".join(description(model, known.dof, path, dtype, notes)),
        "arguments": {one.name: list(one.inputs) for one in wanted},
        "sizes": {name: len(program) for name, program in programs.items()},
        "calling_convention": jax.export.maximum_supported_calling_convention_version,
    }
    write_archive(path, KIND, programs, header)
    return path


def load_stablehlo(path: str | PathLike[str]) -> ExportedModel:
    """Read the functions that `to_stablehlo` wrote.

    They can be compiled into other functions of JAX. They have no derivative, and no `vmap`.

    **Arguments:**

    - `path`: the file.

    **Returns:** an `ExportedModel`.

    **Raises:** `ExportError` if the file is damaged, of another kind, or too new for this version of JAX. `OSError` if
    it cannot be opened.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> model = nl.NeuralLagrangian.from_lagrangian(lambda t, q, v: 0.5 * v @ v, dof=1)  # 1 kg
    >>> path = nl.export.to_stablehlo(model, "free.stablehlo")
    >>> exported = nl.export.load_stablehlo(path)
    >>> float(exported.functions["energy"](0.0, jnp.zeros(1), jnp.array([2.0])))
    2.0
    ```
    """
    _require_flatbuffers()

    def like(header: dict[str, Any]) -> dict[str, np.ndarray]:
        return {name: np.zeros(size, np.uint8) for name, size in header["sizes"].items()}

    try:
        header, programs = read_archive(path, KIND, like)
        functions = {name: _callable(jax.export.deserialize(bytearray(x.tobytes()))) for name, x in programs.items()}
    except (ArchiveError, KeyError, ValueError) as error:  # ValueError: JAX cannot read the program
        raise ExportError(f"{path} cannot be read: {error}") from error
    arguments = {name: tuple(names) for name, names in header["arguments"].items()}
    return ExportedModel(header["card"], functions, arguments)


def _callable(exported: jax.export.Exported) -> Callable[..., Any]:
    """The function of a program, whose arguments are converted to its precision."""
    kinds = [aval.dtype for aval in exported.in_avals]
    if jax.dtypes.canonicalize_dtype(kinds[0]) != kinds[0]:
        raise ValueError(
            f'its numbers are {kinds[0]}, which JAX disables; call `jax.config.update("jax_enable_x64", True)` first'
        )

    def call(*args: ArrayLike) -> Any:
        return exported.call(*(jnp.asarray(x, kind) for x, kind in zip(args, kinds, strict=True)))

    return call


def _program(function: Any, kind: np.dtype, platforms: Sequence[str]) -> np.ndarray:
    """A traced function as the bytes of a StableHLO program."""
    shapes = [jax.ShapeDtypeStruct(shape, kind) for shape in function.inputs.values()]

    def call(*args: Array) -> Any:
        results = core.jaxpr_as_fun(function.jaxpr)(*args)
        return results[0] if len(results) == 1 else tuple(results)

    try:
        exported = jax.export.export(jax.jit(call), platforms=tuple(platforms))(*shapes)
        return np.frombuffer(bytes(exported.serialize()), np.uint8)
    except (NotImplementedError, ValueError) as error:  # ValueError: JAX cannot lower an operation
        raise ExportError(f"`model` has no StableHLO program of its {function.name}: {error}") from error


def _require_flatbuffers() -> None:
    try:
        importlib.import_module("flatbuffers")
    except ImportError as error:
        raise MissingPackageError(
            "StableHLO files need flatbuffers: pip install 'neural_lagrangian[stablehlo]'"
        ) from error

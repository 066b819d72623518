"""An equality for functions that library code makes, so that JAX does not compile twice.

Each call of `optax.adam(1e-3)` or `weighted(trajectory_mse, velocity=0.1)` gives a new function, and JAX compiles again
for a new function. Two functions count as equal here if the same library code made them from equal values.
"""

import functools
import hashlib
import types
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from .._checks import is_concrete

Tree = TypeVar("Tree")

LIBRARIES = ("builtins", "functools", "jax", "math", "neural_lagrangian", "numpy", "operator", "optax")
"""Packages whose functions depend only on their arguments and closures, not on variables that change."""
CHECKERS = ("jaxtyping", "beartype")
"""Packages whose wrappers only check the arguments of a function."""
MAX_DEPTH = 50
"""Largest depth of nested closures. A closure that contains itself has no end."""


class _UnknownError(Exception):
    """The equality of a value is not known."""


class Alike:
    """A function that is equal to others `made_of` the same."""

    def __init__(self, function: Callable[..., Any], made_of: Hashable):
        self.function, self.made_of = function, made_of

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Alike) and self.made_of == other.made_of

    def __hash__(self) -> int:
        return hash(self.made_of)


def alike(tree: Tree) -> Tree:
    """Wrap the functions in a tree that libraries have made as `Alike`.

    Functions of users stay as they are, since they may read variables that change.
    """

    def of(leaf: Any) -> Any:
        if not isinstance(leaf, types.FunctionType | functools.partial):
            return leaf
        try:
            return Alike(leaf, _made_of(leaf, 0))
        except _UnknownError:
            return leaf

    return jax.tree.map(of, tree)


def unwrapped(function: Any) -> Any:
    """Undo `alike` for one function."""
    return function.function if isinstance(function, Alike) else function


def name_of(function: Any) -> str:
    """The name of a function, for checkpoints and messages."""
    function = unwrapped(function)
    return getattr(function, "__qualname__", type(function).__qualname__)


def _made_of(value: Any, depth: int) -> Hashable:
    """A hashable snapshot of a value: equal for equal values, even if a list is changed later."""
    if depth > MAX_DEPTH:
        raise _UnknownError

    def each(values: Any) -> Hashable:
        return tuple(_made_of(entry, depth + 1) for entry in values)

    kind = type(value)
    if value is None or isinstance(value, bool | int | float | complex | str | bytes) or value is Ellipsis:
        return kind, repr(value)
    if isinstance(value, np.dtype):
        return "dtype", str(value)
    if isinstance(value, np.ndarray | np.generic) or (isinstance(value, jax.Array) and _is_plain(value)):
        content = np.ascontiguousarray(value)
        weak = getattr(value, "weak_type", False)
        return kind, str(content.dtype), np.shape(value), weak, hashlib.sha256(content.tobytes()).digest()
    if isinstance(value, tuple | list):
        return kind, each(value)
    if isinstance(value, dict):
        return kind, each(value), each(value.values())
    if isinstance(value, functools.partial):
        return "partial", each((value.func, value.args, value.keywords))
    value = _unchecked(value)
    if not _is_of_library(value):
        raise _UnknownError
    if isinstance(value, types.FunctionType):
        try:
            cells = [cell.cell_contents for cell in value.__closure__ or ()]
        except ValueError as error:  # a cell is empty: its variable is not defined yet
            raise _UnknownError from error
        return "function", value.__code__, each(value.__defaults__ or ()), each([value.__kwdefaults__]), each(cells)
    if isinstance(value, type | types.BuiltinFunctionType | np.ufunc) or hasattr(value, "__wrapped__"):
        return "itself", value if isinstance(value, Hashable) else id(value)
    raise _UnknownError


def _unchecked(function: Any) -> Any:
    """Remove the wrappers of run-time type checkers. They change no result."""
    while isinstance(function, types.FunctionType) and _top(function.__globals__.get("__name__")) in CHECKERS:
        function = getattr(function, "__wrapped__", None)
    return function


def _top(module: Any) -> str:
    """Name of the package of a module."""
    return module.partition(".")[0] if isinstance(module, str) else ""


def _is_plain(array: jax.Array) -> bool:
    return jnp.issubdtype(array.dtype, np.number) and is_concrete(array)


def _is_of_library(value: Any) -> bool:
    module = getattr(value, "__module__", None)
    if module is None and isinstance(value, np.ufunc):
        return True
    return _top(module) in LIBRARIES

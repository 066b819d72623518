"""Checks of arguments: shape and dtype of arrays (they also work inside `jit`), types, and call signatures."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

MAX_TIME_ERROR = 0.1
"""Largest relative error of an interval by rounding of its times. Above, the motion would be another one."""


def floating(name: str, value: Any, shape: Sequence[int | str]) -> Array:
    """Convert `value` to a real floating-point array and check its shape.

    A string in `shape` stands for an axis of any length. Integers are rejected: an integer state is nearly always a
    mistake, and an integer time would lose the fraction of each time step.

    **Raises:** `ValueError` with the argument's `name`.
    """
    try:
        array = jnp.asarray(value)
    except (TypeError, ValueError) as error:  # from JAX, whose message does not name the argument
        raise ValueError(f"`{name}` cannot be read as an array: {error}") from error
    if array.dtype not in (jnp.float32, jnp.float64):
        raise ValueError(f"`{name}` has dtype {array.dtype}; expected a real floating dtype, float32 or float64")
    if array.ndim != len(shape) or any(isinstance(e, int) and e != f for e, f in zip(shape, array.shape, strict=True)):
        words = ", ".join(str(s) for s in shape)
        raise ValueError(f"`{name}` has shape {tuple(array.shape)}; expected ({words})")
    return array


def finite(name: str, x: Array) -> Array:
    """Check that an array has no NaN and nothing infinite, if its values are known."""
    if is_concrete(x) and not np.all(np.isfinite(x)):
        raise ValueError(f"`{name}` is {np.asarray(x)}; expected finite numbers")
    return x


def is_positive(value: Any) -> bool:
    """Whether a value is a positive finite number."""
    number = np.asarray(value)
    return number.ndim == 0 and number.dtype.kind in "fiu" and bool(np.isfinite(number) and number > 0)


def one_or_each(name: str, value: Any, shape: tuple[int, ...], dtype: Any) -> Array:
    """An array of this shape from a number, or from one number for each. Any other shape is refused."""
    array = jnp.asarray(value, dtype)
    if array.shape not in ((), shape):
        raise ValueError(f"`{name}` has shape {array.shape}; expected (){f' or {shape}' if shape else ''}")
    return jnp.broadcast_to(array, shape)


def check_intervals(name: str, ts: Any, dtype: Any) -> None:
    """Raise `ValueError` if a precision rounds increasing times by more than `MAX_TIME_ERROR` of an interval.

    Only times with known values are checked.
    """
    if not is_concrete(ts):
        return
    ts = np.asarray(ts)
    given, rounded = (np.diff(x.astype(np.float64)) for x in (ts, ts.astype(dtype)))
    if np.any(np.abs(rounded - given) > MAX_TIME_ERROR * np.abs(given)):
        raise ValueError(
            f"`{name}` starts at {ts[0]:.10g} s, and {np.dtype(dtype)}, the precision of the states, rounds its "
            f"intervals of {np.abs(given).min():.3g} s; expected times from the start on, such as `{name} - {name}[0]`"
        )


def phase_states(states: Any) -> Array:
    """Check that `states` holds at least one state [q, v], as an array of shape `(state, 2 dof)`."""
    array = floating("states", states, ("state", "2 dof"))
    if array.shape[1] % 2 or array.size == 0:
        raise ValueError(f"`states` has shape {array.shape}; expected (state, 2 dof), each [q, v]")
    return array


def positive_integer(name: str, value: Any) -> int:
    """Check that `value` is a positive integer, and return it as an `int`. The `ValueError` says its `name`."""
    if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < 1:
        raise ValueError(f"`{name}` is {value!r}; expected a positive integer")
    return int(value)


def check_instance(name: str, value: Any, *kinds: type, optional: bool = False) -> None:
    """Raise `ValueError` unless `value` is an instance of one of `kinds`, or None if it is `optional`.

    The message lists the public classes that are allowed.
    """
    if isinstance(value, kinds) or (optional and value is None):
        return
    names = [*(own for kind in kinds for own in _names(kind)), *(["None"] if optional else [])]
    listed = " or ".join([", ".join(names[:-1]), names[-1]] if names[1:] else names)
    raise ValueError(f"`{name}` is {value!r}; expected an instance of {listed}")


def is_named(values: Any) -> bool:
    """Whether `values` is a mapping from names to values, and not empty."""
    return isinstance(values, Mapping) and len(values) > 0 and all(isinstance(name, str) for name in values)


def no_args(args: Any) -> None:
    """Raise `ValueError` unless `args` (an argument of diffrax) is None: models do not use it."""
    if args is not None:
        raise ValueError(
            f"`args` is {args!r}; expected None, since Lagrangians and forces take only (t, q, v). Store parameters "
            f"in a field of the Lagrangian, or in a closure: `lambda t, q, v: lagrangian(t, q, v, args)`"
        )


def _names(kind: type) -> list[str]:
    """Class names for a message. An abstract class of this package is replaced by its public concrete subclasses."""
    if not _is_ours(kind):
        return [f"{kind.__module__.partition('.')[0]}.{kind.__name__}"]
    if not inspect.isabstract(kind):
        return [] if kind.__name__.startswith("_") else [kind.__name__]
    return sorted(name for final in kind.__subclasses__() if _is_ours(final) for name in _names(final))


def _is_ours(kind: type) -> bool:
    return kind.__module__.partition(".")[0] == __name__.partition(".")[0]


def is_concrete(*arrays: Any) -> bool:
    """Whether the values of the arrays are known, that is, outside `jit`, `vmap` and `grad`."""
    try:
        for array in arrays:
            np.asarray(array)
    except (jax.errors.TracerArrayConversionError, jax.errors.ConcretizationTypeError):
        return False
    return True


def same_shape(first: str, a: Array, second: str, b: Array) -> None:
    if a.shape != b.shape:
        raise ValueError(f"`{second}` has shape {b.shape}; expected {a.shape}, that of `{first}`")


def same_precision(y_dot: Array, y: Array) -> Array:
    """Check that the rate of change `y_dot` of a model has the same precision as the state `y`."""
    if y_dot.dtype != y.dtype:
        raise ValueError(
            f"`y0` has dtype {y.dtype}, but the model computes in {y_dot.dtype}; expected the same dtype: cast `y0`, "
            f"or convert the model with `with_precision`"
        )
    return y_dot


def accepts(fn: Callable[..., Any], count: int) -> bool:
    """Whether `fn` can be called with `count` positional arguments. False if a compiled `fn` has no signature."""
    try:
        inspect.signature(fn).bind(*range(count))
    except (TypeError, ValueError):  # TypeError: the arguments do not fit; ValueError: there is no signature
        return False
    return True


def written(value: Any, transform: Callable[[np.ndarray], np.ndarray] = np.asarray) -> str:
    """The text of an array: its numbers if they are known, else its `repr`."""
    if not eqx.is_array(value) or not is_concrete(value):
        return repr(value)
    return np.array2string(transform(np.asarray(value)), precision=6, separator=", ")

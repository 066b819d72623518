"""Static checks of what enters the package: shape and dtype of arrays, known before any tracing ends; signatures."""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array


def floating(name: str, value: Any, shape: Sequence[int | str]) -> Array:
    """`value` as a real floating array of the given shape, or a `ValueError` that names it.

    A string in `shape` stands for an axis of any length.
    Integers are refused rather than promoted: an integer state is nearly always a mistake, and an
    integer time silently loses the fraction of everything added to it.
    """
    try:
        array = jnp.asarray(value)
    except (TypeError, ValueError) as error:  # of JAX, which names no argument
        raise ValueError(f"`{name}` cannot be read as an array: {error}") from error
    if array.dtype not in (jnp.float32, jnp.float64):
        raise ValueError(f"`{name}` has dtype {array.dtype}; expected a real floating dtype, float32 or float64")
    if array.ndim != len(shape) or any(isinstance(e, int) and e != f for e, f in zip(shape, array.shape, strict=True)):
        words = ", ".join(str(s) for s in shape)
        raise ValueError(f"`{name}` has shape {tuple(array.shape)}; expected ({words})")
    return array


def phase_states(states: Any) -> Array:
    """`states`, each [q, v], as an array of shape `(state, 2 dof)` with at least one, or a `ValueError`."""
    array = floating("states", states, ("state", "2 dof"))
    if array.shape[1] % 2 or array.size == 0:
        raise ValueError(f"`states` has shape {array.shape}; expected (state, 2 dof), each [q, v]")
    return array


def positive_integer(name: str, value: Any) -> int:
    """`value`, or a `ValueError` that names it."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"`{name}` is {value!r}; expected a positive integer")
    return value


def check_instance(name: str, value: Any, *kinds: type, optional: bool = False) -> None:
    """`ValueError` unless `value` is of one of the kinds, or None where it is `optional`. It names what there is."""
    if isinstance(value, kinds) or (optional and value is None):
        return
    names = [*(own for kind in kinds for own in _names(kind)), *(["None"] if optional else [])]
    listed = " or ".join([", ".join(names[:-1]), names[-1]] if names[1:] else names)
    raise ValueError(f"`{name}` is {value!r}; expected an instance of {listed}")


def no_args(args: Any) -> None:
    """Raise `ValueError` unless `args` is None: nothing in a model takes them."""
    if args is not None:
        raise ValueError(
            f"`args` is {args!r}; expected None, since a Lagrangian and a force take (t, q, v) alone: keep parameters "
            f"in a field of theirs, or in the closure, `lambda t, q, v: lagrangian(t, q, v, args)`"
        )


def _names(kind: type) -> list[str]:
    """Names for a message: an abstract class of this package gives its public final classes, any other class itself."""
    if not _is_ours(kind):
        return [f"{kind.__module__.partition('.')[0]}.{kind.__name__}"]
    if not inspect.isabstract(kind):
        return [] if kind.__name__.startswith("_") else [kind.__name__]
    return sorted(name for final in kind.__subclasses__() if _is_ours(final) for name in _names(final))


def _is_ours(kind: type) -> bool:
    return kind.__module__.partition(".")[0] == __name__.partition(".")[0]


def is_concrete(*arrays: Any) -> bool:
    """Whether the values can be looked at now, that is, outside a JAX transformation."""
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
    """`y_dot`, or a `ValueError` where a model's arrays are of another precision than the state."""
    if y_dot.dtype != y.dtype:
        raise ValueError(
            f"`y0` has dtype {y.dtype}, but the model computes in {y_dot.dtype}; expected the same: cast the state, or "
            f"the model by `with_precision`"
        )
    return y_dot


def accepts(fn: Callable[..., Any], count: int) -> bool:
    """Whether `fn` can be called with `count` positional arguments; not known, hence false, of some compiled ones."""
    try:
        inspect.signature(fn).bind(*range(count))
    except (TypeError, ValueError):  # TypeError: it cannot; ValueError: it has no signature
        return False
    return True


def written(value: Any, transform: Callable[[np.ndarray], np.ndarray] = np.asarray) -> str:
    """An array as numbers where its values are known, else as what stands in its place."""
    if not eqx.is_array(value) or not is_concrete(value):
        return repr(value)
    return np.array2string(transform(np.asarray(value)), precision=6, separator=", ")

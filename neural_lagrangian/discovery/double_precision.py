"""Discovery computes in double precision, whatever the precision of the rest of the program."""

import contextlib
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..numerics import precision


@contextlib.contextmanager
def double_precision() -> Iterator[None]:
    """Computations inside are in float64, and arrays of a model in float32 are promoted to it.

    Differences of nearly equal numbers decide which terms a formula has: single precision has too few digits for them.
    Serves as a decorator too.
    """
    with precision(double=True), jax.numpy_dtype_promotion("standard"):
        yield


def in_default_precision(tree: Any) -> Any:
    """The same tree with its floating JAX arrays in the precision of the program outside, which it must be called
    from.
    """

    def cast(x: Any) -> Any:
        if isinstance(x, jax.Array) and jnp.issubdtype(x.dtype, jnp.floating):
            return jnp.asarray(np.asarray(x), jnp.result_type(float))
        return x

    return jax.tree.map(cast, tree)


def refuse_single(name: str, dtype: Any) -> None:
    """**Raises:** `ValueError` if a callable that was given double precision answered in another."""
    if dtype != np.float64:
        raise ValueError(
            f"`{name}` returns {dtype} for states in float64; expected float64, since discovery computes in double "
            f"precision: leave out what it casts to {dtype}"
        )

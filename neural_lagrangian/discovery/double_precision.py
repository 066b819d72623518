"""Double precision for discovery, whatever the precision of the rest of the program."""

import contextlib
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..numerics import precision


@contextlib.contextmanager
def double_precision() -> Iterator[None]:
    """Context manager and decorator: computes in float64, and promotes float32 arrays of a model.

    Differences of nearly equal numbers decide which terms a formula has. Single precision has too few digits for them.
    """
    with precision(double=True), jax.numpy_dtype_promotion("standard"):
        yield


def in_default_precision(tree: Any) -> Any:
    """Casts the floating JAX arrays of a tree to the default precision of the calling program.

    Call it outside of `double_precision`.
    """

    def cast(x: Any) -> Any:
        if isinstance(x, jax.Array) and jnp.issubdtype(x.dtype, jnp.floating):
            return jnp.asarray(np.asarray(x), jnp.result_type(float))
        return x

    return jax.tree.map(cast, tree)


def refuse_single(name: str, dtype: Any) -> None:
    """Raises a `ValueError` if a callable was given float64 and returned another dtype."""
    if dtype != np.float64:
        raise ValueError(
            f"`{name}` returns {dtype} for states in float64; expected float64, because discovery computes in double "
            f"precision; remove its casts to {dtype}"
        )

"""Lower-triangular matrices from a vector of entries."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array


def lower_triangular(name: str, entries: Any, n: int) -> Array:
    """A lower-triangular matrix from its entries: `n (n + 1) / 2` of them row by row, or `n` for a diagonal matrix.

    **Returns:** shape `(n, n)`, or `(n,)` for the diagonal.

    **Raises:** `ValueError` for any other number of entries. The message calls the argument `name`.
    """
    entries = jnp.asarray(entries)
    if entries.shape == (n,):
        return entries
    if entries.shape != (n * (n + 1) // 2,):
        raise ValueError(f"`{name}` returned shape {entries.shape}; expected ({n * (n + 1) // 2},) or ({n},)")
    return jnp.zeros((n, n), entries.dtype).at[np.tril_indices(n)].set(entries)

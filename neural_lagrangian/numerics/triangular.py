"""Lower-triangular matrices by their entries."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array


def lower_triangular(name: str, entries: Any, n: int) -> Array:
    """The lower-triangular matrix of `n (n + 1) / 2` entries, row by row, or the diagonal of one, `n` of them.

    **Returns:** shape `(n, n)`, or `(n,)` for the diagonal.

    **Raises:** `ValueError`, naming `name`, for any other number of entries.
    """
    entries = jnp.asarray(entries)
    if entries.shape == (n,):
        return entries
    if entries.shape != (n * (n + 1) // 2,):
        raise ValueError(f"`{name}` returned shape {entries.shape}; expected ({n * (n + 1) // 2},) or ({n},)")
    return jnp.zeros((n, n), entries.dtype).at[np.tril_indices(n)].set(entries)

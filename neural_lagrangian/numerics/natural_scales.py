"""Natural scales: units in which the numbers of a recording, or the entries of a matrix, are of order one."""

from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float


def natural_scales(matrices: Float[np.ndarray, "sample dof dof"]) -> Float[np.ndarray, " dof"]:
    r"""Scales $d$ for which the entries $d_i M_{ij} d_j$ of symmetric matrices have no units.

    $d_i^{-2}$ is the mean of $|M_{ii}|$ over the matrices, for example mass matrices at many states. If the diagonal
    entries of a coordinate are zero, its scale comes from its coupling to the others.
    """
    # Unlike `equilibrated`: NumPy (always double precision), and one d for all matrices.
    size = np.mean(np.abs(matrices), axis=0)
    r = np.sqrt(np.diagonal(size))
    by_others = np.max(np.where(r > 0, size / np.where(r > 0, r, 1), 0), axis=1)
    r = np.where(r > 0, r, by_others)
    return 1 / np.where((r > 0) & np.isfinite(r), r, 1)


DEVIATION_OF_MEDIAN = 1.4826
"""Standard deviation of normal values with mean zero, divided by the median of their sizes."""
AnyArray = TypeVar("AnyArray", Array, np.ndarray)


def root_mean_square(x: AnyArray, mask: Bool[Array | np.ndarray, "*batch sample"] | None = None) -> AnyArray:
    """Root mean square of each column of `x`, shape `(*batch, sample, k)`, over the samples: shape `(k,)`.

    Squares do not overflow or underflow. A NumPy array gives a NumPy array of the same precision.

    **Arguments:**

    - `mask`: which samples count. `None` means all.
    """
    xp: Any = np if isinstance(x, np.ndarray) else jnp
    real = xp.ones(x.shape[:-1], bool) if mask is None else mask
    axes = tuple(range(x.ndim - 1))
    x = xp.where(real[..., None], x, 0)
    largest = xp.max(xp.abs(x), axis=axes, keepdims=True, initial=0)
    largest = xp.where(largest > 0, largest, 1)
    largest = largest if xp is np else jax.lax.stop_gradient(largest)
    squares = xp.sum((x / largest) ** 2, axis=axes) / xp.sum(real, dtype=x.dtype)
    return xp.reshape(largest, squares.shape) * xp.sqrt(squares)


def nearest_thousand(size: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """The power of a thousand (metric prefix) nearest to each size. It is 1 for sizes of order one, and for 0.

    Numbers divided by it are of order one in any units, and numbers in the usual units do not change.
    """
    exponents = np.log10(np.where(size > 0, size, 1.0)) / 3
    return 1000.0 ** np.round(exponents)

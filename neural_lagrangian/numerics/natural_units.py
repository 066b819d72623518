"""Units in which the numbers of a recording are of order one: whatever decides by size decides in them."""

from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float


def natural_scales(matrices: Float[np.ndarray, "sample dof dof"]) -> Float[np.ndarray, " dof"]:
    r"""$d$ such that the entries $d_i M_{ij} d_j$ of symmetric matrices, such as mass matrices at many states, have no
    units: $d_i^{-2}$ is the mean of $|M_{ii}|$.

    A coordinate without an entry of its own is measured by its coupling to the others.
    """
    # In NumPy, and with one d for all: in double precision whatever JAX computes in, unlike `equilibrated`.
    size = np.mean(np.abs(matrices), axis=0)
    r = np.sqrt(np.diagonal(size))
    by_others = np.max(np.where(r > 0, size / np.where(r > 0, r, 1), 0), axis=1)
    r = np.where(r > 0, r, by_others)
    return 1 / np.where((r > 0) & np.isfinite(r), r, 1)


AnyArray = TypeVar("AnyArray", Array, np.ndarray)


def root_mean_square(x: AnyArray, mask: Bool[Array | np.ndarray, "*batch sample"] | None = None) -> AnyArray:
    """Of each column of `x`, shape `(*batch, sample, k)`, over all samples or those of a mask: shape `(k,)`.

    No square overflows or vanishes.

    Of a NumPy array a NumPy array, in its precision.
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
    """The power of a thousand nearest to each size, as metric prefixes have it: 1 for what is of order one, and for 0.

    Numbers over it are of order one in any units, and those of usual units stay as they are.
    """
    exponents = np.log10(np.where(size > 0, size, 1.0)) / 3
    return 1000.0 ** np.round(exponents)

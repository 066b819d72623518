"""Models in another floating precision."""

from typing import TypeVar

import equinox as eqx
import jax
from jaxtyping import DTypeLike

Model = TypeVar("Model")


def with_precision(model: Model, dtype: DTypeLike) -> Model:
    """The same model with its floating arrays in `dtype`.

    Train in single precision, where it is fastest; roll out for long times in double.
    """
    return jax.tree.map(lambda leaf: leaf.astype(dtype) if eqx.is_inexact_array(leaf) else leaf, model)

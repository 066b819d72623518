"""Convert a model to single or double precision."""

from typing import Any, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import DTypeLike

from ..trajectories import Scaling

Model = TypeVar("Model")


def with_precision(model: Model, dtype: DTypeLike) -> Model:
    """Convert the floating-point arrays of a model to `dtype`.

    Training is fastest in single precision. Use double precision for long rollouts.

    **Arguments:**

    - `model`: any Equinox module, or other pytree. Arrays in the closure of a plain function do not change.
    - `dtype`: float32 or float64.

    **Raises:** `ValueError` for another dtype, and for float64 if double precision is disabled in JAX.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> model = nl.models.with_precision(nl.lagrangians.AdditivePolynomial(1), jnp.float32)
    >>> model.kinetic.dtype.name
    'float32'
    ```
    """
    wanted = jnp.dtype(dtype)
    if wanted not in (jnp.float32, jnp.float64):
        raise ValueError(f"`dtype` is {wanted}; expected float32 or float64")
    if jax.dtypes.canonicalize_dtype(wanted) != wanted:
        raise ValueError(
            f"`dtype` is {wanted}, which is disabled in JAX; expected float32, or call "
            f'`jax.config.update("jax_enable_x64", True)` at the start of the program'
        )

    def cast(leaf: Any) -> Any:
        if not eqx.is_inexact_array(leaf):  # also a `Scaling`: it stays in double precision and is cast when used
            return leaf
        is_complex = jnp.issubdtype(leaf.dtype, jnp.complexfloating)
        return leaf.astype(jnp.result_type(wanted, jnp.complex64) if is_complex else wanted)

    return jax.tree.map(cast, model, is_leaf=lambda node: isinstance(node, Scaling))

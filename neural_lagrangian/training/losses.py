r"""How far a model is from observed motion.

Every loss is a function `loss(model, ts, ys)` of one window, or `loss(model, ts, ys, accelerations)` where
accelerations are known; callers `vmap`. All are means, so their size does not depend on the window's length.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array

from .._types import Scalar
from ..integrators import AbstractMotionModel


def trajectory_mse(
    model: Callable[[Array, Array], Array], ts: Array, ys: Array, accelerations: Array | None = None
) -> Scalar:
    r"""Mean square error of a rollout from the window's first state, over times and components.

    $$\frac{1}{2 n T} \sum_{i=1}^{T} |\hat y(t_i) - y_i|^2$$

    The first row, which the rollout has for free, does not count. (Unneberg and Kaarbø 2023, section 4.)

    **Arguments:**

    - `model`: any rollout model `(ts, y0) -> (time, 2 dof)`.
    - `ts`: times, shape `(time,)`. `ys`: observed states, shape `(time, 2 dof)`.
    - `accelerations`: not used.

    **Returns:** a scalar; infinite or NaN where the rollout failed.
    """
    return jnp.mean((model(ts, ys[0])[1:] - ys[1:]) ** 2)


def acceleration_mse(model: AbstractMotionModel, ts: Array, ys: Array, accelerations: Array | None = None) -> Scalar:
    r"""Mean square error of the model's accelerations at observed states: no rollout, hence many times cheaper.

    $$\frac{1}{n T} \sum_{i=1}^{T} |\hat a(t_i, q_i, v_i) - a_i|^2$$

    **Arguments:**

    - `model`: a model with a `vector_field(t, y)`.
    - `ts`: times, shape `(time,)`. `ys`: observed states, shape `(time, 2 dof)`.
    - `accelerations`: observed accelerations, shape `(time, dof)`.

    **Raises:** `ValueError` without `accelerations`.
    """
    if accelerations is None:
        raise ValueError("`accelerations` is None; expected the trajectories to carry them, or another loss")
    dof = ys.shape[-1] // 2
    if accelerations.shape != (*ys.shape[:-1], dof):
        raise ValueError(f"`accelerations` has shape {accelerations.shape}; expected {(*ys.shape[:-1], dof)}")
    predicted = jax.vmap(lambda t, y: model.vector_field(t, y)[dof:])(ts, ys)
    return jnp.mean((predicted - accelerations) ** 2)

"""A window: a part of a trajectory, as the argument of losses."""

from dataclasses import KW_ONLY

import equinox as eqx
import numpy as np
from jaxtyping import Array, PyTree


class Window(eqx.Module):
    """A part of a trajectory that a loss compares with a model. Unknown quantities are `None`.

    A loss is `loss(model, window) -> scalar`, a residual is `residual(model, window) -> array`. A batch is a window
    whose arrays have a batch axis in front: `jax.vmap(loss, (None, 0))(model, batch)`.

    **Arguments:**

    - `ts`: times in seconds, shape `(time,)`.
    - `ys`: observed states `[q, v]`, shape `(time, 2 dof)`.
    - `accelerations`: observed accelerations, shape `(time, dof)`.
    - `controls`: control signals, shape `(time, m)`, in their own units. `fit`, `polish` and `gauss_newton` put them
      into the `ControlForce` of the model before they call the loss. In your own code use
      `with_control(model, window.ts, window.controls)`.
    - `observations`: readings of sensors by the names of their channels, each of shape `(time, k)`; NaN where missing.
    - `parameters`: known parameters of this motion by name, each of shape `()` or `(k,)`. `fit`, `polish` and
      `gauss_newton` put them into the `networks.Conditioned` parts of the model before they call the loss. In your own
      code use `with_parameters(model, window.parameters)`.
    - `states`: estimates of the true states, shape `(time, 2 dof)`. Losses with rollouts start from them.
    - `mask`: the rows of `ys`, `accelerations`, `controls` and `observations` that count in a loss, booleans, shape
      `(time,)`. `None` means all.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> window = nl.trajectories.Window(jnp.linspace(0.0, 1.0, 11), jnp.zeros((11, 2)))
    >>> float(nl.trajectory_mse(nl.systems.Pendulum(), window))  # a pendulum at rest
    0.0
    ```
    """

    ts: Array | np.ndarray
    ys: Array | np.ndarray
    _: KW_ONLY
    accelerations: Array | np.ndarray | None = None
    controls: Array | np.ndarray | None = None
    observations: dict[str, Array] | dict[str, np.ndarray] | None = None
    parameters: PyTree = None
    states: Array | np.ndarray | None = None
    mask: Array | np.ndarray | None = None

"""One stretch of motion with all that is known of it."""

from dataclasses import KW_ONLY

import equinox as eqx
import numpy as np
from jaxtyping import Array, PyTree


class Window(eqx.Module):
    """One stretch of motion: what a loss compares a model with. What is not known is `None`.

    A loss is `loss(model, window) -> scalar`, a residual `residual(model, window) -> array`. A batch is a window
    whose arrays have the batch axis first: `jax.vmap(loss, (None, 0))(model, batch)`.

    **Arguments:**

    - `ts`: times in seconds, shape `(time,)`.
    - `ys`: observed states `[q, v]`, shape `(time, 2 dof)`.
    - `accelerations`: observed accelerations, shape `(time, dof)`.
    - `controls`: what drove the motion, shape `(time, m)`, in its own units. `fit`, `polish` and `gauss_newton` put it
      into the `ControlForce` of the model before they call the loss; by hand that is
      `with_control(model, window.ts, window.controls)`.
    - `parameters`: known numbers that belong to this motion alone, any pytree. Nothing in this package reads them.
    - `states`: estimates of the true states, shape `(time, 2 dof)`. Losses with rollouts start from them.
    - `mask`: which rows of `ys`, `accelerations` and `controls` count in a loss, booleans, shape `(time,)`. `None`
      means all.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> window = nl.trajectories.Window(jnp.linspace(0.0, 1.0, 11), jnp.zeros((11, 2)))
    >>> float(nl.trajectory_mse(nl.systems.Pendulum(), window))  # it stays where it hangs
    0.0
    ```
    """

    ts: Array | np.ndarray
    ys: Array | np.ndarray
    _: KW_ONLY
    accelerations: Array | np.ndarray | None = None
    controls: Array | np.ndarray | None = None
    parameters: PyTree = None
    states: Array | np.ndarray | None = None
    mask: Array | np.ndarray | None = None

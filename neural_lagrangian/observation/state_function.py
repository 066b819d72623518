"""Any function of the state: a point in an image, a distance, an angle between two bodies."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array

from .instant import Instant
from .reading import AbstractReading


class StateFunction(AbstractReading):
    r"""Any function $h(t, q, \dot q)$ of the state: the tip of a chain in an image, a distance, an angle between rods.

    **Arguments:**

    - `function`: callable `(t, q, v)`, with `q` and `v` of shape `(dof,)`. It returns a scalar or shape `(column,)`. If
      it is an Equinox module, its arrays are trained, such as the scale and the tilt of a camera.

    **Raises:** `ValueError`, when it reads, if the function returns an array with several axes.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> height = nl.observation.StateFunction(lambda t, q, v: 2.0 * (1 - jnp.cos(q[0])))  # of a bob at 2 m
    >>> now = nl.observation.Instant(nl.systems.Pendulum(length=2.0), jnp.array(0.0), jnp.array([jnp.pi / 2, 0.0]))
    >>> height(now).round(3).tolist()
    [2.0]
    ```
    """

    function: Callable[..., Any]

    def __call__(self, now: Instant) -> Array:
        values = jnp.asarray(self.function(now.t, now.q, now.v))
        if values.ndim > 1:
            raise ValueError(f"`function` returned shape {values.shape}; expected a scalar or (column,)")
        return jnp.atleast_1d(values)

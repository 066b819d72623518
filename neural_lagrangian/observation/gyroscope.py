"""Gyroscopes on bodies that move in a plane."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from .instant import Instant
from .reading import AbstractReading


class Gyroscope(AbstractReading):
    r"""The angular rate $\dot\phi = \frac{\partial \phi}{\partial q} \dot q$ of a body in a plane, in rad/s.

    **Arguments:**

    - `angle`: callable from `q`, shape `(dof,)`, to the angle $\phi$ of the body, a scalar in radians.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> elbow = nl.observation.Gyroscope(lambda q: q[0] + q[1])  # of a link whose angle counts from the one before
    >>> now = nl.observation.Instant(nl.systems.DoublePendulum(), jnp.array(0.0), jnp.array([0.1, 0.2, 3.0, 4.0]))
    >>> elbow(now).tolist()
    [7.0]
    ```
    """

    angle: Callable[[Array], Any]

    def __call__(self, now: Instant) -> Array:
        _, rate = jax.jvp(lambda q: jnp.asarray(self.angle(q)), (now.q,), (now.v,))
        if rate.ndim:
            raise ValueError(f"`angle` returned shape {rate.shape}; expected a scalar, in radians")
        return rate[None]

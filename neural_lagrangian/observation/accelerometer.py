"""Accelerometers on bodies that move in a plane."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from .instant import Instant
from .reading import AbstractReading


def _vector(gravity: Any) -> tuple[float, float]:
    """Two numbers, which a compiled function takes as constants."""
    numbers = np.asarray(gravity)
    if numbers.shape != (2,) or numbers.dtype.kind not in "iuf" or not np.all(np.isfinite(numbers)):
        raise ValueError(f"`gravity` is {gravity!r}; expected two finite numbers, in m/s^2, such as (0.0, -9.81)")
    return float(numbers[0]), float(numbers[1])


class Accelerometer(AbstractReading):
    r"""The specific force at a point of a body in a plane, in the axes of the body. It contains gravity.

    $$f = R(\phi)^\top (\ddot x - g), \qquad
      \ddot x = \frac{\partial x}{\partial q} \ddot q + \frac{d}{dt} \frac{\partial x}{\partial q}\, \dot q$$

    A sensor at rest reads $g$ upwards; a sensor in free fall reads zero.

    **Arguments:**

    - `point`: callable from `q`, shape `(dof,)`, to the place $x$ of the sensor, shape `(2,)`, in an inertial frame.
    - `angle`: callable from `q` to the angle $\phi$ of the sensor's first axis, a scalar in radians, anticlockwise from
      the first axis of the frame.
    - `gravity`: the vector $g$ in the inertial frame (default: down along the second axis, in m/s^2).

    **Raises:** `ValueError` for another `gravity`, and, when it reads, for a point or an angle of another shape.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> bob = lambda q: jnp.stack([jnp.sin(q[0]), -jnp.cos(q[0])])
    >>> sensor = nl.observation.Accelerometer(bob, lambda q: q[0])
    >>> now = nl.observation.Instant(nl.systems.Pendulum(), jnp.array(0.0), jnp.array([0.0, 2.0]))
    >>> sensor(now).round(2).tolist()  # along the motion nothing; along the rod g + v^2 / l
    [0.0, 13.81]
    ```
    """

    point: Callable[[Array], Array]
    angle: Callable[[Array], Any]
    gravity: tuple[float, float] = eqx.field(static=True, default=(0.0, -9.81), converter=_vector)

    def __call__(self, now: Instant) -> Array:
        def velocity(q: Array, v: Array) -> Array:
            return jax.jvp(self.point, (q,), (v,))[1]

        _, acceleration = jax.jvp(velocity, (now.q, now.v), (now.v, now.a))
        if acceleration.shape != (2,):
            raise ValueError(f"`point` returned shape {acceleration.shape}; expected (2,), in the plane")
        angle = jnp.asarray(self.angle(now.q))
        if angle.ndim:
            raise ValueError(f"`angle` returned shape {angle.shape}; expected a scalar, in radians")
        f = acceleration - jnp.asarray(self.gravity, acceleration.dtype)
        c, s = jnp.cos(angle), jnp.sin(angle)
        return jnp.stack([c * f[0] + s * f[1], c * f[1] - s * f[0]])

"""Dry friction that grows with the load of a joint."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from ..._checks import floating, is_concrete, same_shape
from ..._types import Coordinates, Force
from ...numerics import inverse_softplus
from .force import AbstractForce


class LoadFriction(AbstractForce):
    r"""Dry friction proportional to the load of a joint, as in gears, smoothed near zero velocity:

    $$Q_i = -\mu_i\, |\tau_i(t, q, v)|\, \tanh(v_i / w_i), \qquad \mu_i > 0, \quad w_i > 0, \qquad Q \cdot v \le 0.$$

    Coefficients and widths are trained and stay positive (softplus), so the force never adds energy. Add a
    `SmoothFriction` for the part without load, and a `LinearDamping` for the viscous part.

    **Arguments:**

    - `load`: $\tau$, callable `(t, q, v)` to shape `(dof,)`: the torque that the joints transmit, such as the gravity
      torque. A plain function is not trained.
    - `coefficient`: initial value of $\mu$, shape `(dof,)`, without unit.
    - `width`: initial value of $w$, a scalar or shape `(dof,)`, in the units of $v$; see `SmoothFriction`.

    **Raises:** `ValueError` for other shapes or (outside `jit`) values that are not positive.

    **Example:**

    ```python
    >>> import jax, jax.numpy as jnp, neural_lagrangian as nl
    >>> arm = nl.systems.Pendulum(gravity=10.0)  # 1 kg, 1 m: 10 N m if it is horizontal
    >>> weight = lambda t, q, v: -jax.grad(arm.lagrangian, 1)(t, q, 0 * v)
    >>> friction = nl.mechanics.LoadFriction(weight, [0.2])
    >>> friction(0.0, jnp.array([jnp.pi / 2]), jnp.array([3.0])).round(3).tolist()
    [-2.0]
    ```
    """

    load: Force
    raw_coefficient: Float[Array, " dof"]
    raw_width: Float[Array, " dof"]

    def __init__(self, load: Force, coefficient: ArrayLike | Sequence[float], width: ArrayLike | Sequence[float] = 0.1):
        if not callable(load):
            raise ValueError(f"`load` is {load!r}; expected a callable (t, q, v) -> (dof,)")
        mu = floating("coefficient", coefficient, ("dof",))
        w = jnp.asarray(width, mu.dtype)
        if w.shape not in ((), mu.shape):
            raise ValueError(f"`width` has shape {w.shape}; expected () or {mu.shape}, that of `coefficient`")
        for name, value in {"coefficient": mu, "width": w}.items():
            if is_concrete(value) and not bool(jnp.all(value > 0)):
                raise ValueError(f"`{name}` is {value}; expected positive numbers")
        self.load = load
        self.raw_coefficient = inverse_softplus(mu)
        self.raw_width = inverse_softplus(jnp.broadcast_to(w, mu.shape))

    @property
    def coefficient(self) -> Float[Array, " dof"]:
        r"""The coefficient $\mu$, shape `(dof,)`."""
        return jax.nn.softplus(self.raw_coefficient)

    @property
    def width(self) -> Float[Array, " dof"]:
        """The width $w$, shape `(dof,)`."""
        return jax.nn.softplus(self.raw_width)

    def __call__(self, t: ArrayLike, q: Array, v: Array) -> Coordinates:
        load = jnp.asarray(self.load(t, q, v))
        same_shape("v", v, "load", load)
        same_shape("v", v, "coefficient", self.raw_coefficient)
        return -self.coefficient * jnp.abs(load) * jnp.tanh(v / self.width)

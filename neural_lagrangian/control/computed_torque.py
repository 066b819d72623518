"""Computed torque: tracking by inverse dynamics."""

from collections.abc import Callable
from dataclasses import KW_ONLY
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike

from .._checks import floating, is_concrete, one_or_each
from .._types import State
from ..mechanics import Cholesky, inverse_dynamics
from .arguments import as_angles
from .controller import AbstractController, state_error
from .driven import driven
from .errors import ControlError


def _hashable(periodic: Any) -> Any:
    """Indices as a tuple, which a compiled function needs. They are checked when the coordinates are known."""
    return periodic if isinstance(periodic, str) or np.ndim(periodic) == 0 else tuple(np.asarray(periodic).tolist())


class ComputedTorque(AbstractController):
    r"""Computed torque control: the model's inverse dynamics of the desired acceleration with feedback,

    $$G u = M(q) \big(\ddot q_d + K_d (\dot q_d - \dot q) + K_p (q_d - q)\big) + c(q, \dot q) + g(q) - Q(q, \dot q).$$

    With the true model the error obeys $\ddot e + K_d \dot e + K_p e = 0$. It needs a motor for each coordinate.

    **Arguments:**

    - `model`: a model with a Lagrangian and one `ControlForce` with as many controls as coordinates. Its other forces
      are the friction $Q$.
    - `reference`: the desired path, callable `t -> q`, shape `(dof,)`, with two derivatives in t.
    - `stiffness`: $K_p$ per s^2. `damping`: $K_d$ per s; scalars or shape `(dof,)`. `None` means critical damping,
      $2 \sqrt{K_p}$.
    - `periodic`: coordinates that are angles.

    **Raises:** `ValueError` for gains that are negative or NaN. When it is called, `ControlError` if there are fewer
    motors than coordinates; `ValueError` if reference or gains have another shape, or an angle does not exist.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> mass = nl.NeuralLagrangian.from_lagrangian(
    ...     lambda t, q, v: v @ v, force=nl.mechanics.ControlForce()
    ... )  # 2 kg
    >>> track = nl.control.ComputedTorque(mass, lambda t: jnp.array([0.5 * t**2]), 25.0)
    >>> track(1.0, jnp.array([0.5, 1.0])).tolist()  # on the path: 2 kg times 1 m/s^2
    [2.0]
    ```
    """

    model: Any
    reference: Callable[..., Array]
    stiffness: ArrayLike
    damping: ArrayLike | None = None
    _: KW_ONLY
    periodic: tuple[int, ...] = eqx.field(static=True, default=(), converter=_hashable)

    def __check_init__(self):
        for name, value in {"stiffness": self.stiffness, "damping": self.damping}.items():
            if value is not None and is_concrete(value) and not np.all(np.asarray(value) >= 0):
                raise ValueError(f"`{name}` is {value}; expected gains that are not negative")

    def __call__(self, t: ArrayLike, y: State) -> Array:
        system, t = driven(self.model, y), jnp.asarray(t, y.dtype)
        if system.controls != system.dof:
            raise ControlError(
                f"`model` has {system.controls} controls for {system.dof} coordinates; computed torque needs one for "
                f"each: use `EnergyShaping`, or `optimize_trajectory`"
            )
        q, v = jnp.split(y, 2)
        desired_q, desired_v, desired_a = self.desired(t)
        if desired_q.shape != q.shape:
            raise ValueError(f"`reference` has shape {desired_q.shape}; expected {q.shape}, one for each coordinate")
        kp = one_or_each("stiffness", self.stiffness, q.shape, y.dtype)
        kd = 2 * jnp.sqrt(kp) if self.damping is None else one_or_each("damping", self.damping, q.shape, y.dtype)
        angles = as_angles(self.periodic, system.dof)
        a = desired_a + kd * (desired_v - v) - kp * state_error(q, desired_q, angles)
        torque = inverse_dynamics(system.lagrangian, t, q, v, a, force=system.passive.force)
        G, solve = system.actuation(t, q, v), Cholesky()  # normal equations: they can be exported to C
        return solve.apply(solve.factor(G.T @ G), G.T @ torque)

    def desired(self, t: ArrayLike) -> tuple[Array, Array, Array]:
        """Desired position, velocity and acceleration at the time `t`, shape `(dof,)` each."""
        t = jnp.asarray(t)
        t = t if jnp.issubdtype(t.dtype, jnp.floating) else t.astype(float)

        def path(t):
            return floating("reference", self.reference(t), ("dof",))

        def velocity(t):
            return jax.jvp(path, (t,), (jnp.ones_like(t),))

        (q, v), (_, a) = jax.jvp(velocity, (t,), (jnp.ones_like(t),))
        return q, v, a

"""Computed torque: tracking by inverse dynamics."""

from collections.abc import Callable
from dataclasses import KW_ONLY
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike

from .._checks import floating
from .._types import State
from ..mechanics import Cholesky, inverse_dynamics
from .controller import AbstractController, state_error
from .driven import driven
from .errors import ControlError


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

    **Raises:** when it is called, `ControlError` if there are fewer motors than coordinates; `ValueError` if the
    reference has another shape.

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
    periodic: tuple[int, ...] = eqx.field(static=True, default=())

    def __call__(self, t: ArrayLike, y: State) -> Array:
        system, t = driven(self.model, y), jnp.asarray(t, y.dtype)
        if system.controls != system.dof:
            raise ControlError(
                f"`model` has {system.controls} controls for {system.dof} coordinates; computed torque needs one for "
                f"each: use `EnergyShaping`, or `optimize_trajectory`"
            )
        q, v = jnp.split(y, 2)
        desired_q, desired_v, desired_a = self.desired(t)
        kp = jnp.asarray(self.stiffness, y.dtype)
        kd = 2 * jnp.sqrt(kp) if self.damping is None else jnp.asarray(self.damping, y.dtype)
        a = desired_a + kd * (desired_v - v) - kp * state_error(q, desired_q, self.periodic)
        torque = inverse_dynamics(system.lagrangian, t, q, v, a, force=system.passive.force)
        G, solve = system.actuation(t, q, v), Cholesky()  # normal equations: they can be exported to C
        return solve.apply(solve.factor(G.T @ G), G.T @ torque)

    def desired(self, t: ArrayLike) -> tuple[Array, Array, Array]:
        """Desired position, velocity and acceleration at the time `t`, shape `(dof,)` each."""
        t = jnp.asarray(t)

        def path(t):
            return floating("reference", self.reference(t), ("dof",))

        def velocity(t):
            return jax.jvp(path, (t,), (jnp.ones_like(t),))

        (q, v), (_, a) = jax.jvp(velocity, (t,), (jnp.ones_like(t),))
        return q, v, a

"""Actuators that follow their commands with a lag."""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike

from ...._checks import check_instance
from ...._types import Coordinates, Scalar
from ..control import ControlForce
from ..dead_time import DeadTime
from .constants import exp_of, log_of_positive
from .force_with_memory import AbstractForceWithMemory, InternalStates


class FirstOrderLag(AbstractForceWithMemory):
    r"""An actuator that follows its commands with a first-order lag. One internal state for each control.

    $$\tau \dot z = u(t) - z, \qquad Q = G(q)\, z.$$

    $z$ is what the actuator delivers, in the unit of the control. It starts at the first command, as after a long
    wait. After a step of the command the rest decays as $e^{-t / \tau}$.

    **Arguments:**

    - `motor`: a `ControlForce`, or a `DeadTime` of one. `models.with_control` and controls in the data set its command.
    - `time_constant`: $\tau$, a scalar in seconds. It is trained as its logarithm; `networks.Frozen(number)` is not.

    **Raises:** `ValueError` for another motor, or (outside `jit`) a time constant that is not positive.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> motor = nl.mechanics.ControlForce(control=lambda t: jnp.array([4.0]))
    >>> actuator = nl.mechanics.FirstOrderLag(motor, time_constant=0.5)
    >>> actuator.rate(0.0, jnp.zeros(1), jnp.zeros(1), jnp.array([1.0])).round(3).tolist()
    [6.0]
    ```
    """

    motor: ControlForce | DeadTime
    log_time_constant: Any

    def __init__(self, motor: ControlForce | DeadTime, time_constant: Any):
        check_instance("motor", motor, ControlForce, DeadTime)
        self.motor = motor
        self.log_time_constant = log_of_positive("time_constant", time_constant, ())

    @property
    def time_constant(self) -> Scalar:
        r"""The time constant $\tau$, a scalar."""
        return exp_of(self.log_time_constant)

    def size(self, dof: int) -> int:
        return self.motor.controls(dof)

    def initial(self, t: ArrayLike, q: Array, v: Array) -> InternalStates:
        return self.motor.command(t, q)

    def force(self, t: ArrayLike, q: Array, v: Array, z: Array) -> Coordinates:
        return self.motor.of_command(q, z)

    def rate(self, t: ArrayLike, q: Array, v: Array, z: Array) -> InternalStates:
        return (self.motor.command(t, q) - z) / self.time_constant

    def stored_energy(self, t: ArrayLike, q: Array, v: Array, z: Array) -> Scalar:
        return jnp.zeros((), z.dtype)


class SecondOrderLag(AbstractForceWithMemory):
    r"""An actuator that follows its commands with a second-order lag. Two internal states for each control.

    $$\dot x = \omega w, \qquad \dot w = \omega\, (u(t) - x - 2 \zeta w), \qquad Q = G(q)\, x, \qquad z = [x, w].$$

    So $\ddot x + 2 \zeta \omega \dot x + \omega^2 x = \omega^2 u$: $x$ is what the actuator delivers. It starts at
    rest at the first command.

    **Arguments:**

    - `motor`: as for `FirstOrderLag`.
    - `frequency`: $\omega$, a scalar in radians per second. `damping_ratio`: $\zeta$, a scalar without unit. Both are
      trained as logarithms; `networks.Frozen(number)` is not.

    **Raises:** `ValueError` for another motor, or (outside `jit`) values that are not positive.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> motor = nl.mechanics.ControlForce(control=lambda t: jnp.array([4.0]))
    >>> valve = nl.mechanics.SecondOrderLag(motor, frequency=10.0, damping_ratio=0.7)
    >>> valve.initial(0.0, jnp.zeros(1), jnp.zeros(1)).tolist()
    [4.0, 0.0]
    ```
    """

    motor: ControlForce | DeadTime
    log_frequency: Any
    log_damping_ratio: Any

    def __init__(self, motor: ControlForce | DeadTime, frequency: Any, damping_ratio: Any):
        check_instance("motor", motor, ControlForce, DeadTime)
        self.motor = motor
        self.log_frequency = log_of_positive("frequency", frequency, ())
        self.log_damping_ratio = log_of_positive("damping_ratio", damping_ratio, ())

    @property
    def frequency(self) -> Scalar:
        r"""The natural frequency $\omega$, a scalar."""
        return exp_of(self.log_frequency)

    @property
    def damping_ratio(self) -> Scalar:
        r"""The damping ratio $\zeta$, a scalar."""
        return exp_of(self.log_damping_ratio)

    def size(self, dof: int) -> int:
        return 2 * self.motor.controls(dof)

    def initial(self, t: ArrayLike, q: Array, v: Array) -> InternalStates:
        u = self.motor.command(t, q)
        return jnp.concatenate([u, jnp.zeros_like(u)])

    def force(self, t: ArrayLike, q: Array, v: Array, z: Array) -> Coordinates:
        return self.motor.of_command(q, jnp.split(z, 2)[0])

    def rate(self, t: ArrayLike, q: Array, v: Array, z: Array) -> InternalStates:
        x, w = jnp.split(z, 2)
        return self.frequency * jnp.concatenate([w, self.motor.command(t, q) - x - 2 * self.damping_ratio * w])

    def stored_energy(self, t: ArrayLike, q: Array, v: Array, z: Array) -> Scalar:
        return jnp.zeros((), z.dtype)

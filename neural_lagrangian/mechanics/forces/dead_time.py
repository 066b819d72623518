"""Commands that arrive late."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike

from ..._checks import check_instance, floating, is_concrete
from ..._types import Coordinates, Scalar
from ...numerics import AbstractFrozen
from .control import ControlForce, SampledControl
from .force import AbstractForce


class DeadTime(AbstractForce):
    r"""A motor whose commands arrive late, $Q = G(q)\, u(t - d)$, differentiable in the delay $d$.

    Before its first sample a `SampledControl` has the value of that sample. So the first $d$ seconds of a rollout need
    commands from before its start: put the whole signal into the `ControlForce`, or use windows much longer than $d$.

    The derivative of a rollout in the delay is exact for a smooth command. A `SampledControl` has kinks at its samples.
    Where they lie within a step, the derivative has an error of first order in the step.

    **Arguments:**

    - `motor`: the `ControlForce`. `models.with_control` and controls in the data set its command.
    - `delay`: $d \ge 0$, a scalar in seconds. It is trained; `networks.Frozen(number)` is not.

    **Raises:** `ValueError` for another motor, or (outside `jit`) a delay that is negative or not finite. In use: for a
    trained delay of a held signal. Its jumps have no derivative in the delay, so training would not change it.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> ramp = nl.mechanics.ControlForce(control=lambda t: jnp.array([10.0]) * t)
    >>> late = nl.mechanics.DeadTime(ramp, delay=0.5)
    >>> late(2.0, jnp.zeros(1), jnp.zeros(1)).tolist()
    [15.0]
    ```
    """

    motor: ControlForce
    delay: Any
    trained: bool = eqx.field(static=True)

    def __init__(self, motor: ControlForce, delay: Any):
        check_instance("motor", motor, ControlForce)
        self.motor = motor
        self.trained = not isinstance(delay, AbstractFrozen)
        self.delay = jax.tree.map(lambda value: floating("delay", value, ()), delay)
        value = jnp.asarray(self.delay)
        if is_concrete(value) and not (bool(jnp.isfinite(value)) and value >= 0):
            raise ValueError(f"`delay` is {value}; expected zero or a positive number of seconds")

    def __call__(self, t: ArrayLike, q: Array, v: Array) -> Coordinates:
        return self.motor(self._earlier(t), q, v)

    def command(self, t: ArrayLike, q: Array) -> Array:
        """The command that arrives at time `t`, shape `(m,)`."""
        return self.motor.command(self._earlier(t), q)

    def of_command(self, q: Array, u: Array) -> Coordinates:
        """The force $G(q) u$, shape `(dof,)`, of a command `u` of shape `(m,)` that has arrived, at `q`."""
        return self.motor.of_command(q, u)

    def controls(self, dof: int) -> int:
        """Number of controls m, for `dof` degrees of freedom."""
        return self.motor.controls(dof)

    def _earlier(self, t: ArrayLike) -> Scalar:
        control = self.motor.control
        if self.trained and isinstance(control, SampledControl) and control.kind == "hold":
            raise ValueError(
                "`delay` is trained, but the control is held between samples (kind='hold'), so a rollout has no "
                "derivative in it; expected `kind='linear'` for the control, or a known delay, `Frozen(delay)`"
            )
        return jnp.asarray(t) - jnp.asarray(self.delay)

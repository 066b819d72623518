"""Motion of a system under a digital controller."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from .._types import State, Times, Trajectory
from ..trajectories import Trajectories
from .arguments import sampling_times
from .driven import driven


class ClosedLoop(eqx.Module):
    """Motion under a controller.

    - `ts`: sampling times in seconds, shape `(time,)`. `ys`: states, shape `(time, 2 dof)`.
    - `us`: controls, shape `(time, m)`; each is held until the next sample.
    """

    ts: Times
    ys: Trajectory
    us: Float[Array, "time control"]

    def trajectories(self) -> Trajectories:
        """The motion as `Trajectories` with controls, to learn from. Not inside `jit`."""
        ts, ys, us = (np.asarray(x) for x in (self.ts, self.ys, self.us))
        return Trajectories(ts, ys[None], controls=us[None])


def closed_loop(
    system: Any,
    controller: Callable[..., Array],
    ts: ArrayLike,
    y0: ArrayLike,
    *,
    observe: Callable[..., State] | None = None,
) -> ClosedLoop:
    r"""Simulate a system under a digital controller, which samples the state and holds its output (zero-order hold).

    $$u_k = \mathrm{controller}(t_k, \mathrm{observe}(t_k, y_k)), \qquad \dot y = f(t, y, u_k)
      \quad \text{for } t_k \le t < t_{k+1}.$$

    It can be compiled, batched with `vmap`, and differentiated with respect to the controller, the system and `y0`.
    The system's own solver integrates between samples; `StepsPerSample` is the fastest.

    **Arguments:**

    - `system`: a model with one `ControlForce`.
    - `controller`: callable `(t, y) -> u`, shape `(m,)`.
    - `ts`: sampling times in seconds, strictly increasing, shape `(time,)`. `y0`: initial state, shape `(2 dof,)`.
    - `observe`: callable `(t, y)` to the state that the controller sees, such as that of a coarse encoder. `None` means
      the true state.

    **Returns:** a `ClosedLoop` with states and controls.

    **Raises:** `ControlError` if the system has no `ControlForce`, or several, or forces with memory. `ValueError`
    for other shapes, for times that decrease, and for times whose intervals are lost in the round-off of `y0`.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> mass = nl.NeuralLagrangian.from_lagrangian(
    ...     lambda t, q, v: 0.5 * v @ v, force=nl.mechanics.ControlForce()
    ... )  # 1 kg
    >>> spring_and_damper = lambda t, y: -4.0 * y[:1] - 4.0 * y[1:]
    >>> run = nl.control.closed_loop(mass, spring_and_damper, jnp.linspace(0.0, 5.0, 501), jnp.array([1.0, 0.0]))
    >>> round(float(run.ys[-1, 0]), 2), float(run.us[0, 0])
    (0.0, -4.0)
    ```
    """
    times, y0 = sampling_times(ts, y0)
    driven_system = driven(system, y0)

    def control(t, y):
        u = jnp.asarray(controller(t, y if observe is None else observe(t, y)))
        if u.shape != (driven_system.controls,):
            raise ValueError(f"`controller` returned shape {u.shape}; expected ({driven_system.controls},)")
        return u.astype(y.dtype)

    def interval(y, ends):
        t0, t1 = ends
        u = control(t0, y)
        return driven_system.held(t0, t1, y, u), (y, u)

    last, (ys, us) = jax.lax.scan(interval, y0, (times[:-1], times[1:]))
    ys = jnp.concatenate([ys, last[None]])
    return ClosedLoop(times, ys, jnp.concatenate([us, control(times[-1], last)[None]]))

"""Adaptive step sizes with a relative tolerance that does not depend on units."""

from collections.abc import Callable
from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import optimistix as optx
from jaxtyping import Array, PyTree

from .._types import Scalar

DEFAULT_TOLERANCE_FLOAT32 = 1e-6
"""Default relative error of a step in single precision (no unit): about ten rounding errors."""
DEFAULT_TOLERANCE_FLOAT64 = 1e-9
"""Default relative error of a step in double precision (no unit), far below the error of a learned model."""
DEFAULT_SIMULATION_TOLERANCE_FLOAT64 = 1e-12
"""Default relative error of a step of `simulate` in double precision (no unit). Simulated data serve as a reference, so
they are more accurate than rollouts of models."""
SHORTEST_STEP_ULPS = 16
"""Steps of motion that sets in, in units of the resolution of time, below which their error is compared with the motion
to which they lead in the whole time: no step from exact rest has a small error relative to its own end.
"""


class AdaptiveSteps(diffrax.AbstractAdaptiveStepSizeController):
    r"""Adaptive steps with one relative tolerance, for states $[q, v]$.

    Pass it as `stepsize_controller`. It is the default for solvers with an error estimate. The error of each component
    is divided by the size of the motion,

    $$s_i = \max_{t' \le t} |q_i(t')|, \qquad
      u_i = \max\bigl(\max_{t' \le t} |v_i(t')|,\; s_i / T\bigr),$$

    the largest coordinate and velocity so far, with T the duration of the rollout. (A velocity below $s_i / T$ hardly
    changes its coordinate in the whole time.) A step is accepted if the root mean square of these relative errors is
    below `tolerance`. There is no absolute tolerance, so the steps do not depend on units: motion of micrometres is
    integrated as accurately as motion of metres.

    A component that has been exactly zero has no size yet. If a force sets in abruptly, after a dead time for example,
    the steps become as short as time resolves, and grow again.

    Motion of the size of round-off takes many steps, for example motion from rest at an equilibrium $q = 0$ where
    forces of order one cancel.

    **Arguments:**

    - `tolerance`: relative error of a step, positive.
    - `internal`: number of internal states $z$ behind the motion, for states $[q, v, z]$. The error of each is divided
      by its largest size so far. `models.WithMemory` sets it.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> spring = lambda t, q, v: 0.5 * v @ v - 0.5 * q @ q  # of period 2 pi
    >>> steps = nl.integrators.AdaptiveSteps(1e-5)
    >>> model = nl.NeuralLagrangian.from_lagrangian(spring, stepsize_controller=steps)
    >>> round(float(model(jnp.array([0.0, jnp.pi]), jnp.array([1.0, 0.0]))[-1, 0]), 3)  # after half a period
    -1.0
    ```
    """

    rtol: Any
    atol: Any
    norm: Callable[[PyTree], Scalar] = eqx.field(static=True)
    internal: int = eqx.field(static=True)

    def __init__(self, tolerance: float, internal: int = 0):
        if not tolerance > 0:
            raise ValueError(f"`tolerance` is {tolerance!r}; expected a positive number")
        self.rtol = tolerance
        # The root finder of an implicit solver needs both. The tiny `atol` means a purely relative tolerance.
        self.atol = 1e-30
        self.norm = optx.rms_norm
        self.internal = internal

    def __repr__(self) -> str:
        return f"AdaptiveSteps({self.rtol})" if self.internal == 0 else f"AdaptiveSteps({self.rtol}, {self.internal})"

    def wrap(self, direction: Any) -> "AdaptiveSteps":
        return self

    def init(
        self,
        terms: PyTree,
        t0: Any,
        t1: Any,
        y0: Array,
        dt0: Any,
        args: PyTree,
        func: Callable[..., Any],
        error_order: Any,
    ) -> tuple[Any, Any]:
        dt0 = (t1 - t0) / 100 if dt0 is None else dt0
        next_t, inner = self._inner.init(terms, t0, t1, y0, dt0, args, func, error_order)
        return next_t, (inner, jax.lax.stop_gradient(jnp.abs(y0)), jax.lax.stop_gradient(jnp.abs(t1 - t0)))

    def adapt_step_size(
        self,
        t0: Any,
        t1: Any,
        y0: Array,
        y1_candidate: Array,
        args: PyTree,
        y_error: Array | None,
        error_order: Any,
        controller_state: Any,
    ) -> tuple[Any, Any, Any, Any, Any, diffrax.RESULTS]:
        inner, size, span = controller_state
        if y_error is None:
            raise ValueError(
                "`stepsize_controller` is AdaptiveSteps, but the solver has no error estimate; expected a solver with "
                "one, such as diffrax.Tsit5(), or `stepsize_controller=StepsPerSample(k)`"
            )
        y0, y1, y_error = jax.lax.stop_gradient((y0, y1_candidate, y_error))
        reached = jnp.maximum(size, jnp.abs(jnp.where(jnp.isfinite(y1), y1, y0)))
        error = _relative(y_error, _scale(reached, span, self.internal))
        dt = jnp.abs(jnp.asarray(t1) - t0)
        shortest = SHORTEST_STEP_ULPS * jnp.finfo(dt.dtype).eps * span
        sets_in = (_scale(size, span, self.internal) == 0) & (dt <= shortest)
        error = jnp.where(sets_in, error * jnp.asarray(dt / span, error.dtype), error)
        keep, next_t0, next_t1, made_jump, inner, result = self._inner.adapt_step_size(
            t0, t1, y0, y0, args, error, error_order, inner
        )
        return keep, next_t0, next_t1, made_jump, (inner, jnp.where(keep, reached, size), span), result

    @property
    def _inner(self) -> diffrax.PIDController:
        return diffrax.PIDController(rtol=0.0, atol=self.rtol)


def _scale(size: Array, span: Array, internal: int) -> Array:
    motion = size.shape[-1] - internal
    q_size, v_size, z_size = jnp.split(size, (motion // 2, motion), axis=-1)
    return jnp.concatenate([q_size, jnp.maximum(v_size, q_size / span), z_size], axis=-1)


def _relative(error: Array, scale: Array) -> Array:
    still = (error == 0) & (scale == 0)
    return jnp.where(still, 0, error / jnp.where(still, 1, scale))

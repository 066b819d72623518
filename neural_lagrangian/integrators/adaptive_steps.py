"""Adaptive steps whose tolerance follows the motion."""

from collections.abc import Callable
from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import optimistix as optx
from jaxtyping import Array, PyTree

from .._types import Scalar


class AdaptiveSteps(diffrax.AbstractAdaptiveStepSizeController):
    r"""Adaptive steps with one relative tolerance, on states $[q, v]$: the error of a step is measured, component by
    component, against

    $$s_i = \max_{t' \le t} |q_i(t')|, \qquad
      u_i = \max\bigl(\max_{t' \le t} |v_i(t')|,\; s_i / T\bigr),$$

    the largest coordinate and velocity so far, with T the time that is integrated over. (A velocity that could not
    move its coordinate by its own size in all that time is small.) A step is kept where the root mean square of its
    errors over these sizes is below `tolerance`. No absolute tolerance takes part, so a motion of micrometres is
    followed as closely as one of metres, and no unit of a coordinate or of time decides the steps.

    Pass it as `stepsize_controller`; it is the default of solvers that estimate their error.

    A motion that is no larger than rounding is followed as closely as any other, which takes many steps: such as the
    motion from rest at an equilibrium $q = 0$ where forces of order one cancel.

    **Arguments:**

    - `tolerance`: relative error of a step, positive.

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

    def __init__(self, tolerance: float):
        if not tolerance > 0:
            raise ValueError(f"`tolerance` is {tolerance!r}; expected a positive number")
        self.rtol = tolerance
        # For the root finder of an implicit solver, which asks for both: relative accuracy of any size but zero.
        self.atol = 1e-30
        self.norm = optx.rms_norm

    def __repr__(self) -> str:
        return f"AdaptiveSteps({self.rtol})"

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
            raise ValueError("`stepsize_controller` is AdaptiveSteps; expected a solver that estimates its error")
        y0, y1, y_error = jax.lax.stop_gradient((y0, y1_candidate, y_error))
        reached = jnp.maximum(size, jnp.abs(jnp.where(jnp.isfinite(y1), y1, y0)))
        keep, next_t0, next_t1, made_jump, inner, result = self._inner.adapt_step_size(
            t0, t1, y0, y0, args, _relative(y_error, reached, span), error_order, inner
        )
        return keep, next_t0, next_t1, made_jump, (inner, jnp.where(keep, reached, size), span), result

    @property
    def _inner(self) -> diffrax.PIDController:
        return diffrax.PIDController(rtol=0.0, atol=self.rtol)


def _relative(error: Array, size: Array, span: Array) -> Array:
    q_size, v_size = jnp.split(size, 2, axis=-1)
    scale = jnp.concatenate([q_size, jnp.maximum(v_size, q_size / span)], axis=-1)
    still = (error == 0) & (scale == 0)
    return jnp.where(still, 0, error / jnp.where(still, 1, scale))

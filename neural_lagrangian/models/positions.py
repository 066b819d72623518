"""Models for position data without velocities: discrete mechanics with the model's own solver and step size."""

from typing import Any

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float

from .._checks import floating, is_concrete
from ..integrators import (
    AbstractVariationalSolver,
    Positions,
    StepsPerSample,
    discrete_momenta,
    discrete_position_errors,
)
from ..mechanics import velocity_from_momentum
from .scaled import Scaled

STEP_TOLERANCE = 1e-3
"""Largest relative difference (no unit) of sampling interval and `dt0` that counts as rounding of recorded times."""


def recovered_velocities(model: Any, ts: ArrayLike, qs: ArrayLike) -> Positions:
    r"""Estimate velocities from recorded positions, by the model's discrete mechanics.

    They solve $\partial L / \partial v (t_n, q_n, v_n) = p_n$. Here $p_n$ is the mean of the discrete momenta of the
    steps before and after $t_n$, which are equal along a motion of the model. (At the ends there is one step.) So
    `model(ts, y0)` from `y0 = [qs[0], recovered_velocities(model, ts[:2], qs[:2])[0]]` passes through both positions.

    These velocities belong to the discrete motion. They differ from the true ones by the error of the solver at this
    step size. Lagrangians that differ by a total derivative give velocities that differ by the same order.

    **Arguments:**

    - `model`: a model with a `lagrangian` and a `force`, and a variational solver with one step for each sample.
    - `ts`: times, shape `(time,)`, at least two. `qs`: positions, shape `(time, dof)`.

    **Returns:** shape `(time, dof)`; NaN if no velocity was found.

    **Raises:** `ValueError` for another solver or step size, or wrong shapes.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> free, solver = (lambda t, q, v: 0.5 * v @ v), nl.integrators.VariationalMidpoint()
    >>> model = nl.NeuralLagrangian.from_lagrangian(free, solver)
    >>> ts, qs = jnp.array([0.0, 1.0, 2.0]), jnp.array([[0.0], [2.0], [4.0]])
    >>> nl.models.recovered_velocities(model, ts, qs).tolist()
    [[2.0], [2.0], [2.0]]
    ```
    """
    qs = floating("qs", qs, ("time", "dof"))
    ts = floating("ts", ts, (qs.shape[0],)).astype(qs.dtype)
    solver, own = variational_solver(model), _at_own_steps(model, ts)
    start, end = discrete_momenta(model.lagrangian, solver, ts, qs, force=model.force)
    p = jnp.concatenate([start[:1], (start[1:] + end[:-1]) / 2, end[-1:]])
    slopes = jnp.diff(qs, axis=0) / jnp.diff(ts)[:, None]
    guess = jnp.concatenate([slopes[:1], (slopes[1:] + slopes[:-1]) / 2, slopes[-1:]])

    def velocity(t, q, p, guess):
        return velocity_from_momentum(model.lagrangian, t, q, p, guess=guess)

    return jnp.where(own, jax.vmap(velocity)(ts, qs, p, guess), jnp.nan)


def position_errors(model: Any, ts: Array, qs: Array) -> Float[Array, "predicted dof"]:
    """`discrete_position_errors` with the solver of a model. Raises as `recovered_velocities`."""
    solver, own = variational_solver(model), _at_own_steps(model, ts)
    return jnp.where(own, discrete_position_errors(model.lagrangian, solver, ts, qs, force=model.force), jnp.nan)


def variational_solver(model: Any) -> AbstractVariationalSolver:
    """The variational solver of a model that takes one step for each sample, or steps of `dt0`. Else `ValueError`."""
    for part in ("integration", "lagrangian", "force"):
        if not hasattr(model, part):
            raise ValueError(f"`model` is {type(model).__name__}, which has no {part}; expected a NeuralLagrangian")
    if getattr(model, "constraint", None) is not None:
        raise ValueError("`model` has a constraint; expected a model without, since variational solvers take none")
    integration = model.integration
    if not isinstance(integration.solver, AbstractVariationalSolver):
        raise ValueError(
            f"`model` has the solver {integration.solver}; expected a variational solver, such as "
            f"VariationalMidpoint() or GalerkinGaussLobatto(2)"
        )
    controller = integration.stepsize_controller
    one_a_sample = isinstance(controller, StepsPerSample) and controller.substeps == 1
    if not one_a_sample and not isinstance(controller, diffrax.ConstantStepSize | None):
        raise ValueError(
            f"`model` has the stepsize_controller {controller}; expected StepsPerSample(1), one step for each sample, "
            f"or constant steps of `dt0`"
        )
    return integration.solver


def _at_own_steps(model: Any, ts: Array) -> bool | Bool[Array, ""]:
    """Whether the sampling interval of `ts` is the model's `dt0`. `ValueError` if it is known not to be."""
    dt0 = model.integration.dt0
    if dt0 is None:
        return True
    unit = jax.lax.stop_gradient(model.scaling.t_scale) if isinstance(model, Scaled) else 1.0
    step = jnp.asarray(dt0 * unit, ts.dtype)
    steps = jnp.abs(jnp.diff(ts))
    agree = jnp.abs(steps - step) <= STEP_TOLERANCE * step
    if is_concrete(agree) and not np.all(agree):
        other = np.asarray(steps)[np.argmin(agree)]
        raise ValueError(f"`ts` has a step of {other:.6g}; expected {float(step):.6g}, as `dt0` of the model")
    return jnp.all(agree)

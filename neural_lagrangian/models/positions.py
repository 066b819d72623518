"""Models and positions alone: discrete mechanics by a model's own rule and step."""

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
"""Relative difference of sampling and integration steps that passes as rounding of the recorded times."""


def recovered_velocities(model: Any, ts: ArrayLike, qs: ArrayLike) -> Positions:
    r"""Velocities to recorded positions, as the model's discrete mechanics has them.

    They solve $\partial L / \partial v (t_n, q_n, v_n) = p_n$ with $p_n$ the mean of the discrete momenta of the steps
    before and after $t_n$, which are equal along a motion of the model. The ends have one step each. So
    `model(ts, y0)` from `y0 = [qs[0], recovered_velocities(model, ts[:2], qs[:2])[0]]` passes through both positions.

    These are velocities of the discrete motion: those of the true one differ by the error of the rule at this step,
    and so do those of two Lagrangians that differ by a total derivative.

    **Arguments:**

    - `model`: a model with a `lagrangian` and a `force`, and a variational solver that takes one step a sample.
    - `ts`: times, shape `(time,)`, at least two. `qs`: positions, shape `(time, dof)`.

    **Returns:** shape `(time, dof)`; NaN where none was found.

    **Raises:** `ValueError` for another solver or step, or wrong shapes.

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
    """`discrete_position_errors` by the rule and step of a model; errors as for `recovered_velocities`."""
    solver, own = variational_solver(model), _at_own_steps(model, ts)
    return jnp.where(own, discrete_position_errors(model.lagrangian, solver, ts, qs, force=model.force), jnp.nan)


def variational_solver(model: Any) -> AbstractVariationalSolver:
    """The solver of a model whose rollouts are discrete motions, one step a sample or steps of `dt0`."""
    for part in ("integration", "lagrangian", "force"):
        if not hasattr(model, part):
            raise ValueError(f"`model` is {type(model).__name__}, which has no {part}; expected a NeuralLagrangian")
    if getattr(model, "constraint", None) is not None:
        raise ValueError("`model` has a constraint; expected none, since variational solvers take no constraint")
    integration = model.integration
    if not isinstance(integration.solver, AbstractVariationalSolver):
        raise ValueError(
            f"`model` has the solver {integration.solver}; expected a variational one, such as VariationalMidpoint() "
            f"or GalerkinGaussLobatto(2)"
        )
    controller = integration.stepsize_controller
    one_a_sample = isinstance(controller, StepsPerSample) and controller.substeps == 1
    if not one_a_sample and not isinstance(controller, diffrax.ConstantStepSize | None):
        raise ValueError(
            f"`model` has the stepsize_controller {controller}; expected one step a sample, StepsPerSample(1), or "
            f"constant steps of `dt0`"
        )
    return integration.solver


def _at_own_steps(model: Any, ts: Array) -> bool | Bool[Array, ""]:
    """Whether `ts` are at the model's own steps, `dt0` of it; a `ValueError` if they are known not to be."""
    dt0 = model.integration.dt0
    if dt0 is None:
        return True
    unit = jax.lax.stop_gradient(model.scaling.t_scale) if isinstance(model, Scaled) else 1.0
    step = jnp.asarray(dt0 * unit, ts.dtype)
    steps = jnp.abs(jnp.diff(ts))
    agree = jnp.abs(steps - step) <= STEP_TOLERANCE * step
    if is_concrete(agree) and not np.all(agree):
        other = np.asarray(steps)[np.argmin(agree)]
        raise ValueError(f"`ts` has a step of {other:.6g}; expected {float(step):.6g}, as `dt0` of the model says")
    return jnp.all(agree)

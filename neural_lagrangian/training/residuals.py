r"""Differences between a model and observed motion, component by component, of which losses take the mean.

Their arguments are those of losses; callers `vmap`.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..integrators import AbstractMotionModel
from ..mechanics import inverse_dynamics
from ..models import takes_control, with_control


def trajectory_residual(
    model: Callable[[Array, Array], Array],
    ts: Array,
    ys: Array,
    accelerations: Array | None = None,
    controls: Array | None = None,
    states: Array | None = None,
) -> Float[Array, "time two_dof"]:
    r"""Errors of a rollout from the window's first state: $\hat y(t_i) - y_i$.

    The first row, which the rollout has for free, is not among them, unless it starts from an estimated state.
    Arguments and errors as for `trajectory_mse`, which is the mean of their squares.
    """
    model = model if controls is None else with_control(model, ts, controls)
    if states is None:
        return model(ts, ys[0])[1:] - ys[1:]
    return model(ts, states[0]) - ys


def acceleration_residual(
    model: AbstractMotionModel,
    ts: Array,
    ys: Array,
    accelerations: Array | None = None,
    controls: Array | None = None,
) -> Float[Array, "time dof"]:
    r"""Errors of the model's accelerations at observed states: $\hat a(t_i, q_i, v_i) - a_i$.

    Arguments and errors as for `acceleration_mse`, which is the mean of their squares.
    """
    dof = ys.shape[-1] // 2
    accelerations = given("accelerations", accelerations, (*ys.shape[:-1], dof))
    model = model if controls is None else with_control(model, ts, controls)
    return jax.vmap(lambda t, y: model.vector_field(t, y)[dof:])(ts, ys) - accelerations


def torque_residual(
    model: Any, ts: Array, ys: Array, accelerations: Array | None = None, controls: Array | None = None
) -> Float[Array, "time dof"]:
    r"""Errors of the torques that the observed motion needs by the model (inverse dynamics): $\tau(t_i) - u_i$.

    Arguments and errors as for `torque_mse`, which is the mean of their squares.
    """
    dof = ys.shape[-1] // 2
    accelerations = given("accelerations", accelerations, (*ys.shape[:-1], dof))
    if controls is not None and takes_control(model):
        model, torques = with_control(model, ts, controls), jnp.zeros_like(accelerations)
    else:
        torques = given("controls", controls, accelerations.shape)

    def torque(t, y, a):
        q, v = jnp.split(y, 2)
        return inverse_dynamics(model.lagrangian, t, q, v, a, force=model.force)

    return jax.vmap(torque)(ts, ys, accelerations) - torques


def given(name: str, array: Array | None, shape: tuple[int, ...]) -> Array:
    """What trajectories carry, if they carry it, in the shape that it must have."""
    if array is None:
        raise ValueError(f"`{name}` is None; expected the trajectories to carry them, or another loss")
    if array.shape != shape:
        raise ValueError(f"`{name}` has shape {array.shape}; expected {shape}")
    return array

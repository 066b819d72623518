r"""Residuals: differences between a model and observed motion. A loss is the mean of their squares.

A residual has the arguments of a loss, for one window; callers `vmap`. Masked rows (`window.mask`) are zero.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..integrators import AbstractMotionModel
from ..mechanics import inverse_dynamics
from ..models import takes_control
from ..trajectories import Window
from .loss import check_driven, check_without_prior, check_without_states, filled, given, masked


def trajectory_residual(model: Callable[[Array, Array], Array], window: Window) -> Float[Array, "time two_dof"]:
    r"""Errors of a rollout from the window's first state: $\hat y(t_i) - y_i$.

    The first row is left out, since the rollout starts there, unless it starts from an estimated state. Arguments and
    errors are as for `trajectory_mse`, which is the mean of their squares.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> ts, ys = jnp.array([0.0, 1.0, 2.0]), jnp.array([[1.0, 0.0], [1.0, 2.0], [1.0, 2.0]])
    >>> rest = lambda ts, y0: jnp.ones_like(ts)[:, None] * y0  # predicts that nothing changes
    >>> nl.training.trajectory_residual(rest, nl.trajectories.Window(ts, ys)).tolist()
    [[0.0, -2.0], [0.0, -2.0]]
    ```
    """
    check_driven(model, window)
    check_without_prior(model)
    ts, ys = jnp.asarray(window.ts), jnp.asarray(window.ys)
    if window.states is None:
        return masked(model(ts, ys[0])[1:] - ys[1:], window.mask)
    return masked(model(ts, window.states[0]) - ys, window.mask)


def acceleration_residual(model: AbstractMotionModel, window: Window) -> Float[Array, "time dof"]:
    r"""Errors of the model's accelerations at observed states: $\hat a(t_i, q_i, v_i) - a_i$.

    Arguments and errors as for `acceleration_mse`, which is the mean of their squares.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> ts, ys, a = jnp.array([0.0, 1.0]), jnp.ones((2, 2)), jnp.array([[-6.0], [-4.0]])
    >>> window = nl.trajectories.Window(ts, ys, accelerations=a)
    >>> nl.training.acceleration_residual(nl.systems.HarmonicOscillator(stiffness=4.0), window).tolist()
    [[2.0], [0.0]]
    ```
    """
    check_without_states("accelerations", window)
    ts, ys, accelerations = states_and_accelerations(window)
    check_driven(model, window)
    check_without_prior(model)
    dof = accelerations.shape[1]
    return masked(jax.vmap(lambda t, y: model.vector_field(t, y)[dof:])(ts, ys) - accelerations, window.mask)


def torque_residual(model: Any, window: Window) -> Float[Array, "time dof"]:
    r"""Errors of the torques that the model needs for the observed motion (inverse dynamics): $\tau(t_i) - u_i$.

    Arguments and errors as for `torque_mse`, which is the mean of their squares.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> spring = nl.NeuralLagrangian.from_lagrangian(lambda t, q, v: 0.5 * v @ v - 2.0 * q @ q)  # 4 N/m
    >>> held = {"accelerations": jnp.zeros((1, 1)), "controls": jnp.array([[2.0]])}  # at 1 m, by 2 N as recorded
    >>> window = nl.trajectories.Window(jnp.zeros(1), jnp.array([[1.0, 0.0]]), **held)
    >>> nl.training.torque_residual(spring, window).tolist()
    [[2.0]]
    ```
    """
    check_without_states("torques", window)
    ts, ys, accelerations = states_and_accelerations(window)
    if window.controls is not None and takes_control(model):
        check_driven(model, window)
        torques = jnp.zeros_like(accelerations)
    else:
        torques = given("controls", window.controls, accelerations.shape)

    def torque(t, y, a):
        q, v = jnp.split(y, 2)
        return inverse_dynamics(model.lagrangian, t, q, v, a, force=model.force)

    return masked(jax.vmap(torque)(ts, ys, accelerations) - torques, window.mask)


def states_and_accelerations(window: Window) -> tuple[Array, Array, Array]:
    """Times, states and accelerations of a window; `ValueError` if it has no accelerations."""
    ts, ys = jnp.asarray(window.ts), jnp.asarray(window.ys)
    given("accelerations", window.accelerations, (*ys.shape[:-1], ys.shape[-1] // 2))
    whole = filled(window)
    return ts, jnp.asarray(whole.ys), jnp.asarray(whole.accelerations)

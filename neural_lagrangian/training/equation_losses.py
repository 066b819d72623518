r"""Losses of equations: how far recorded motion is from obeying the model's equations. No rollout, hence cheaper.

All are means, so their size does not depend on the window's length; rows that do not count (`window.mask`) have no part
in them. A window with controls needs a model that they drive (see `rollout_losses`).
"""

from typing import Any

import jax
import jax.numpy as jnp

from .._types import Scalar
from ..integrators import AbstractMotionModel
from ..mechanics import inverse_dynamics, mass_matrix
from ..models import position_errors
from ..trajectories import Window
from .loss import check_driven, check_without_states, filled, masked, mean_counted
from .residuals import acceleration_residual, states_and_accelerations, torque_residual


def acceleration_mse(
    model: AbstractMotionModel,
    window: Window,
) -> Scalar:
    r"""Mean square error of the model's accelerations at observed states: no rollout, hence many times cheaper.

    $$\frac{1}{n T} \sum_{i=1}^{T} |\hat a(t_i, q_i, v_i) - a_i|^2$$

    **Arguments:**

    - `model`: a model with a `vector_field(t, y)`.
    - `window`: with `ts`, `ys` and `accelerations`.

    **Raises:** `ValueError` for a window without `accelerations`, one with `controls` and a model that none drive, or
    one with estimated `states`.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> ts, ys, a = jnp.array([0.0, 1.0]), jnp.ones((2, 2)), jnp.array([[-6.0], [-4.0]])
    >>> window = nl.trajectories.Window(ts, ys, accelerations=a)
    >>> float(nl.training.acceleration_mse(nl.systems.HarmonicOscillator(stiffness=4.0), window))  # errors 2 and 0
    2.0
    ```
    """
    return mean_counted(acceleration_residual(model, window) ** 2, window.mask)


def acceleration_mae(
    model: AbstractMotionModel,
    window: Window,
) -> Scalar:
    r"""Mean absolute error of the model's accelerations: less sensitive to outliers than `acceleration_mse`.

    $$\frac{1}{n T} \sum_{i=1}^{T} \sum_j |\hat a_j(t_i, q_i, v_i) - a_{ij}|$$

    (Cranmer et al. 2020.) Arguments and errors as for `acceleration_mse`.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> ts, ys, a = jnp.array([0.0, 1.0]), jnp.ones((2, 2)), jnp.array([[-6.0], [-4.0]])
    >>> window = nl.trajectories.Window(ts, ys, accelerations=a)
    >>> float(nl.training.acceleration_mae(nl.systems.HarmonicOscillator(stiffness=4.0), window))  # errors 2 and 0
    1.0
    ```
    """
    return mean_counted(jnp.abs(acceleration_residual(model, window)), window.mask)


def euler_lagrange_mse(model: Any, window: Window) -> Scalar:
    r"""Mean square Euler-Lagrange residual of observed accelerations, over the mean square mass: no mass is inverted.

    $$\frac{\sum_i |r_i|^2}{\sum_i \mathrm{tr}\, M_i^2}, \qquad
      r_i = \frac{d}{dt} \frac{\partial L}{\partial v} - \frac{\partial L}{\partial q} - Q$$

    at $(t_i, q_i, v_i, a_i)$. Without the division a smaller Lagrangian would have a smaller residual. The unit is that
    of `acceleration_mse`, and the loss stays finite where the mass matrix is singular.

    **Arguments:**

    - `model`: a model with a `lagrangian(t, q, v)` and a `force`.
    - `window`: with `ts`, `ys` and `accelerations`.

    **Raises:** `ValueError` as `acceleration_mse`.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> spring = nl.NeuralLagrangian.from_lagrangian(lambda t, q, v: 0.5 * v @ v - 2.0 * q @ q)  # a = -4 q
    >>> ts, ys, a = jnp.array([0.0, 1.0]), jnp.ones((2, 2)), jnp.array([[-6.0], [-4.0]])
    >>> float(nl.training.euler_lagrange_mse(spring, nl.trajectories.Window(ts, ys, accelerations=a)))
    2.0
    ```
    """
    check_without_states("accelerations", window)
    ts, ys, accelerations = states_and_accelerations(window)
    check_driven(model, window)

    def at(t, y, a):
        q, v = jnp.split(y, 2)
        residual = inverse_dynamics(model.lagrangian, t, q, v, a, force=model.force)
        return jnp.sum(residual**2), jnp.sum(mass_matrix(model.lagrangian, t, q, v) ** 2)

    residuals, masses = jax.vmap(at)(ts, ys, accelerations)
    return jnp.sum(masked(residuals, window.mask)) / jnp.sum(masked(masses, window.mask))


def discrete_euler_lagrange_mse(model: Any, window: Window) -> Scalar:
    r"""Mean square position error of the model's step from each two positions to the next, to first order:

    $$\frac{1}{n (T - 1)} \sum_{i=1}^{T-1} |(D_1 D_2 L_d)^{-1} r_i|^2, \qquad
      r_i = D_2 L_d(q_{i-1}, q_i) + D_1 L_d(q_i, q_{i+1}),$$

    with the forces added to both terms (see `discrete_position_errors`). It needs positions only and no rollout, and it
    does not depend on the scale of the Lagrangian. $L_d$ belongs to the model's own solver, with one step from each
    sample to the next; steps may differ. Training finds the shadow Lagrangian, which is exact with this solver and
    step, while the true Lagrangian has a discretisation error. (Offen and Ober-Blöbaum 2022.) The cost for each sample
    falls with the length of the window.

    `differentiate(ts, qs, window=3, degree=2)` makes trajectories of positions and leaves the positions unchanged.
    `recovered_velocities` computes velocities from the trained model.

    **Arguments:**

    - `model`: a model with a `lagrangian` and a `force`, and a variational solver that takes one step a sample, or
      steps of `dt0` that are those of `ts`.
    - `window`: at least three `ts`, and `ys`, whose velocities are not used. An error counts if its three rows count.

    **Returns:** a scalar; NaN where a step has no solution, and, if `ts` is traced, where `dt0` is another step.

    **Raises:** `ValueError` for a model with another kind of solver or steps, for a window of less than three times, of
    one with `controls` and a model that none drive, or one with estimated `states`.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> free, solver = (lambda t, q, v: 0.5 * v @ v), nl.integrators.VariationalMidpoint()
    >>> ts, ys = jnp.array([0.0, 1.0, 2.0]), jnp.array([[0.0, 0.0], [2.0, 0.0], [5.0, 0.0]])
    >>> model = nl.NeuralLagrangian.from_lagrangian(free, solver)  # predicts 4 m in place of 5 m
    >>> float(nl.training.discrete_euler_lagrange_mse(model, nl.trajectories.Window(ts, ys)))
    1.0
    ```
    """
    check_without_states("positions", window)
    check_driven(model, window)
    ts, ys = jnp.asarray(window.ts), jnp.asarray(filled(window).ys)
    mask = None if window.mask is None else window.mask[:-2] & window.mask[1:-1] & window.mask[2:]
    return mean_counted(position_errors(model, ts, ys[:, : ys.shape[1] // 2]) ** 2, mask)


def torque_mse(model: Any, window: Window) -> Scalar:
    r"""Mean square error of the torques that the observed motion needs (inverse dynamics): no rollout, no mass solve.

    $$\frac{1}{n T} \sum_{i=1}^{T} |\tau(t_i, q_i, v_i, a_i) - u_i|^2, \qquad
      \tau = \frac{d}{dt} \frac{\partial L}{\partial v} - \frac{\partial L}{\partial q} - Q$$

    (Lutter, Ritter and Peters 2019.) If the model has a `ControlForce`, $G(q_i) u_i$ replaces $u_i$, and $Q$ is the sum
    of its other forces. Without one the controls are the torques themselves, and `model.force` is $Q$. Torques fix the
    scale of the Lagrangian, which free motion leaves open: mass in kilograms, energy in joules. If the matrix $G$ is
    trained too, they do not: all zeros is then a solution.

    **Arguments:**

    - `model`: a model with a `lagrangian(t, q, v)` and a `force`.
    - `window`: with `ts`, `ys`, `accelerations` and `controls`; without a `ControlForce` these are torques, shape
      `(time, dof)`.

    **Raises:** `ValueError` for a window without `accelerations` or `controls`, with estimated `states`, or for a
    `ControlForce` that nothing drives.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> spring = nl.NeuralLagrangian.from_lagrangian(lambda t, q, v: 0.5 * v @ v - 2.0 * q @ q)  # 4 N/m
    >>> held = {"accelerations": jnp.zeros((1, 1)), "controls": jnp.array([[2.0]])}  # at 1 m, by 2 N as recorded
    >>> float(nl.training.torque_mse(spring, nl.trajectories.Window(jnp.zeros(1), jnp.array([[1.0, 0.0]]), **held)))
    4.0
    ```
    """
    return mean_counted(torque_residual(model, window) ** 2, window.mask)

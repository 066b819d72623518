r"""How far a model is from observed motion.

Every loss is a function `loss(model, window) -> scalar` of one `Window`; callers `vmap`. All are means, so their size
does not depend on the window's length; rows that do not count (`window.mask`) have no part in them. A window with
controls needs a model that they drive, which is what `fit` and its kin call a loss with (by hand: `with_control`).
Losses with rollouts start from `window.states`, estimates of the true states where `ys` are noisy, if there are any.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike

from .._types import Scalar
from ..integrators import AbstractMotionModel
from ..mechanics import inverse_dynamics, mass_matrix
from ..models import position_errors
from ..trajectories import Window
from .loss import Loss, called, check_driven, check_without_states, filled, masked, mean_counted
from .residuals import acceleration_residual, states_and_accelerations, torque_residual, trajectory_residual

NEGLIGIBLE_WEIGHT = 2.0**-60
"""Weight of zero in a loss that must still get the states to start from: a power of two, which rounds nothing, whose
square is below round-off beside any other error.
"""


def trajectory_mse(
    model: Callable[[Array, Array], Array],
    window: Window,
) -> Scalar:
    r"""Mean square error of a rollout from the window's first state, over times and components.

    $$\frac{1}{2 n T} \sum_{i=1}^{T} |\hat y(t_i) - y_i|^2$$

    The first row, which the rollout has for free, does not count, unless it starts from an estimated state. (Unneberg
    and Kaarbø 2023, section 4.)

    **Arguments:**

    - `model`: any rollout model `(ts, y0) -> (time, 2 dof)`.
    - `window`: with `ts` and `ys`, and `states` if there are estimates of the true ones.

    **Returns:** a scalar; infinite or NaN where the rollout failed.

    **Raises:** `ValueError` for a window with `controls` and a model that none drive.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> ts, ys = jnp.array([0.0, 1.0, 2.0]), jnp.array([[1.0, 0.0], [1.0, 2.0], [1.0, 2.0]])
    >>> rest = lambda ts, y0: jnp.ones_like(ts)[:, None] * y0  # predicts that nothing changes
    >>> float(nl.trajectory_mse(rest, nl.trajectories.Window(ts, ys)))  # velocities are wrong by 2 m/s
    2.0
    ```
    """
    return mean_counted(trajectory_residual(model, window) ** 2, window.mask)


def trajectory_mae(
    model: Callable[[Array, Array], Array],
    window: Window,
) -> Scalar:
    r"""Mean absolute error of a rollout from the window's first state: as `trajectory_mse`, and less drawn to outliers.

    $$\frac{1}{2 n T} \sum_{i=1}^{T} \sum_j |\hat y_j(t_i) - y_{ij}|$$

    (Finzi, Wang and Wilson 2020, section 6.) Arguments and errors as for `trajectory_mse`.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> ts, ys = jnp.array([0.0, 1.0, 2.0]), jnp.array([[1.0, 0.0], [1.0, 2.0], [1.0, 2.0]])
    >>> rest = lambda ts, y0: jnp.ones_like(ts)[:, None] * y0  # predicts that nothing changes
    >>> float(nl.training.trajectory_mae(rest, nl.trajectories.Window(ts, ys)))  # velocities are wrong by 2 m/s
    1.0
    ```
    """
    return mean_counted(jnp.abs(trajectory_residual(model, window)), window.mask)


def multiple_shooting(segment: int = 1, continuity: float = 1.0) -> Loss:
    r"""A loss of short rollouts that meet: multiple shooting (Bock and Plitt 1984).

    A window is cut into segments of `segment` intervals. Each is rolled out from the state $s_k$ estimated where it
    begins, over the times $t_i$ of its rows, to be near what was observed and to end where the next begins:

    $$\frac{1}{2 n N} \sum_k \sum_{i \in k} |\hat y(t_i; s_k) - y_i|^2
      + \frac{c}{2 n K} \sum_k |\hat y(t_{k+1}; s_k) - s_{k+1}|^2.$$

    However long the motion, no rollout is longer than a segment, and none starts from noise. Without estimated states
    ($s = y$) it is the mean square error of short rollouts, of one step if `segment` is 1.

    **Arguments:**

    - `segment`: intervals of a segment; the horizon of the windows must be a multiple of it.
    - `continuity`: the weight $c$ of the gaps between segments, zero or more.

    **Returns:** a loss; see `fit(..., estimate_states=True)`.

    **Raises:** `ValueError` for other arguments; the loss, for windows of other lengths.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> ts, ys = jnp.array([0.0, 1.0, 2.0]), jnp.array([[0.0, 1.0], [1.0, 1.0], [2.0, 1.0]])
    >>> rest = lambda ts, y0: jnp.ones_like(ts)[:, None] * y0  # is wrong by 1 m a second
    >>> [float(nl.training.multiple_shooting(k)(rest, nl.trajectories.Window(ts, ys))) for k in (1, 2)]
    [0.5, 1.25]
    ```
    """
    if segment < 1 or not continuity >= 0:
        raise ValueError(
            f"`segment` is {segment}, `continuity` {continuity}; expected at least 1 and a number of at least 0"
        )

    def loss(
        model: Callable[[Array, Array], Array],
        window: Window,
    ) -> Scalar:
        check_driven(model, window)
        ts, ys = jnp.asarray(window.ts), jnp.asarray(filled(window).ys)
        intervals = len(ts) - 1
        if intervals == 0 or intervals % segment:
            raise ValueError(f"`segment` is {segment}; expected a divisor of the horizon, {intervals}")
        starts = jnp.arange(0, intervals, segment)
        rows = starts[:, None] + jnp.arange(segment + 1)[None]
        nodes = ys if window.states is None else window.states
        predicted = jax.vmap(model)(ts[rows], nodes[starts])
        gaps = jnp.mean((predicted[:, -1] - nodes[starts + segment]) ** 2)
        counted = None if window.mask is None else window.mask[rows]
        if window.states is None:  # a segment starts from an observed row, which must count
            counted = None if counted is None else counted[:, 1:] & counted[:, :1]
            return _mean_of_segments((predicted[:, 1:] - ys[rows[:, 1:]]) ** 2, counted)
        return _mean_of_segments((predicted - ys[rows]) ** 2, counted) + continuity * gaps

    return loss


def multiple_shooting_mse(
    model: Callable[[Array, Array], Array],
    window: Window,
) -> Scalar:
    """`multiple_shooting()`: segments of one interval. Without estimated states, the mean square error of one step.

    Arguments and errors as for `trajectory_mse`.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> ts, ys = jnp.array([0.0, 1.0, 2.0]), jnp.array([[0.0, 1.0], [1.0, 1.0], [2.0, 1.0]])
    >>> rest = lambda ts, y0: jnp.ones_like(ts)[:, None] * y0  # is wrong by 1 m a second
    >>> float(nl.training.multiple_shooting_mse(rest, nl.trajectories.Window(ts, ys)))
    0.5
    ```
    """
    return multiple_shooting()(model, window)


def _mean_of_segments(squares: Array, counted: Array | None) -> Scalar:
    """Over rows and components, `squares` of shape `(segment, row, 2 dof)`."""
    rows = squares.reshape(-1, squares.shape[-1])
    return mean_counted(rows, None if counted is None else counted.reshape(-1))


def weighted(loss: Loss, *, position: ArrayLike = 1.0, velocity: ArrayLike = 1.0) -> Loss:
    r"""A loss of rollouts in which the errors of positions and of velocities count by weights:
    $w_j (\hat y_j - y_j)$ in place of $\hat y_j - y_j$.

    With weights $1 / \sigma_j$, the noise of each component, the mean square is that of maximum likelihood. A weight of
    zero leaves a component out, such as velocities that were not measured; rollouts still start from them.

    **Arguments:**

    - `loss`: `trajectory_mse`, `trajectory_mae`, `multiple_shooting()` or another that compares rollouts with states.
    - `position`, `velocity`: weights of zero or more, not all zero, one number each or shape `(dof,)`.

    **Raises:** `ValueError` for weights that are negative or not finite, or all zero.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> ts, ys = jnp.array([0.0, 1.0]), jnp.array([[0.0, 0.0], [3.0, 9.0]])
    >>> rest = lambda ts, y0: jnp.ones_like(ts)[:, None] * y0  # predicts that nothing changes
    >>> positions_alone = nl.training.weighted(nl.trajectory_mse, velocity=0.0)
    >>> float(positions_alone(rest, nl.trajectories.Window(ts, ys)))  # (3^2 + 0) / 2
    4.5
    ```
    """
    for name, weights in {"position": position, "velocity": velocity}.items():
        if not np.all(np.isfinite(weights) & (np.asarray(weights) >= 0)):
            raise ValueError(f"`{name}` is {weights}; expected finite weights of zero or more")
    if not np.any(position) and not np.any(velocity):
        raise ValueError(f"`position` is {position}, `velocity` {velocity}; expected a weight that is not zero")

    def of_weighted(
        model: Callable[[Array, Array], Array],
        window: Window,
    ) -> Scalar:
        check_driven(model, window)
        ys = jnp.asarray(window.ys)
        w = jnp.concatenate(
            [jnp.broadcast_to(jnp.asarray(x, ys.dtype), ys.shape[1] // 2) for x in (position, velocity)]
        )
        counted, scale = w > 0, jnp.where(w > 0, w, NEGLIGIBLE_WEIGHT)

        def rollout(ts: Array, y0: Array) -> Array:
            return jnp.where(counted[None], model(ts, y0 / scale) * scale[None], 0)

        states = None if window.states is None else window.states * scale[None]
        scaled = replace(window, ys=ys * scale[None], states=states, accelerations=None, controls=None)
        return called("loss", loss, rollout, scaled)

    return of_weighted


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
    r"""Mean absolute error of the model's accelerations: as `acceleration_mse`, and less drawn to the largest of them.

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

    at $(t_i, q_i, v_i, a_i)$. The residual alone would be lowered by lowering the Lagrangian. In units of acceleration
    squared, as `acceleration_mse`, and finite where the mass matrix is singular.

    **Arguments:**

    - `model`: a model with a `lagrangian(t, q, v)` and a `force`. The window, and errors, as for `acceleration_mse`.

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

    and the forces' share in both (see `discrete_position_errors`). It takes positions alone, no rollout, and does not
    change with the scale of the Lagrangian. $L_d$ is that of the model's own solver, one step from each sample to the
    next, equal or not. What is learned is the shadow Lagrangian: right with this solver and step, where the true
    one would err by their discretisation. (Offen and Ober-Blöbaum 2022.) Longer windows cost less a sample.

    Positions alone become trajectories by `differentiate(ts, qs, window=3, degree=2)`, which leaves them as they are.
    `recovered_velocities` are those that the model gives them.

    **Arguments:**

    - `model`: a model with a `lagrangian` and a `force`, and a variational solver that takes one step a sample, or
      steps of `dt0` that are those of `ts`.
    - `window`: with at least three `ts`, and `ys`, whose velocities do not matter. An error counts where all three of
      its rows do.

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

    (Lutter, Ritter and Peters 2019.) Where the model has a `ControlForce`, $G(q_i) u_i$ stands for $u_i$, and $Q$ is
    its other forces; else the controls are the torques themselves, and `model.force` is $Q$. Torques fix the scale of
    the Lagrangian, which free motion leaves open: mass in kilograms, energy in joules. Not so a matrix $G$ that is
    trained too: all zeros is then a solution.

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

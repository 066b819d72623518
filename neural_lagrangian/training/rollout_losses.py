r"""Losses of rollouts: how far predicted states are from recorded ones.

All are means, so their size does not depend on the window's length; rows that do not count (`window.mask`) have no part
in them. A window with controls needs a model that they drive, which is what `fit` and its kin call a loss with (by
hand: `with_control`). Rollouts start from `window.states`, estimates of the true states, if there are any.
"""

from collections.abc import Callable
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike

from .._types import Scalar
from ..trajectories import Window
from .loss import Loss, called, check_driven, check_without_prior, filled, mean_counted
from .residuals import trajectory_residual

NEGLIGIBLE_WEIGHT = 2.0**-60
"""Stands for a weight of zero, since rollouts still start from the weighted states. A power of two, so that nothing is
rounded; its square is below round-off beside any other error.
"""


def trajectory_mse(
    model: Callable[[Array, Array], Array],
    window: Window,
) -> Scalar:
    r"""Mean square error of a rollout from the window's first state, over times and components.

    $$\frac{1}{2 n T} \sum_{i=1}^{T} |\hat y(t_i) - y_i|^2$$

    The rollout starts from the first row, which therefore does not count, unless it starts from an estimated state.
    (Unneberg and Kaarbø 2023, section 4.)

    **Arguments:**

    - `model`: any rollout model `(ts, y0) -> (time, 2 dof)`.
    - `window`: with `ts` and `ys`, and `states` if there are estimates of the true ones.

    **Returns:** a scalar; infinite or NaN where the rollout failed.

    **Raises:** `ValueError` for a window with `controls` and a model that none drive, and for a model with an
    `observation.Population`, whose prior needs the noise of sensors.

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

    A window is cut into segments of `segment` intervals. Each one is rolled out from the estimated state $s_k$ at its
    beginning. Its rows should be near the recorded ones, and its end near the beginning of the next segment:

    $$\frac{1}{2 n N} \sum_k \sum_{i \in k} |\hat y(t_i; s_k) - y_i|^2
      + \frac{c}{2 n K} \sum_k |\hat y(t_{k+1}; s_k) - s_{k+1}|^2.$$

    No rollout is longer than a segment, and none starts from a noisy state. Without estimated states ($s = y$) the loss
    is the mean square error of short rollouts, of one step if `segment` is 1.

    **Arguments:**

    - `segment`: intervals of a segment; the horizon of the windows must be a multiple of it.
    - `continuity`: the weight $c$ of the gaps between segments, zero or more.

    **Returns:** a loss. For estimated states see `training.Rollouts(estimate_states=True)`.

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
        check_without_prior(model)
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

    With weights $1 / \sigma_j$, where $\sigma_j$ is the noise of a component, the minimum is the maximum-likelihood
    estimate. A weight of zero leaves a component out, such as velocities that were not measured; rollouts still start
    from it.

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
    ) -> Array:
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

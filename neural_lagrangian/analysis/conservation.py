"""Conservation of energy and other quantities along predicted paths."""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .metrics import RolloutRows

Quantity = Callable[[Array, Array, Array], Array]
"""A quantity of the state, `(t, q, v) -> scalar`: an energy, a momentum, a Noether charge."""


def energy_error(
    energy: Quantity,
    predicted: RolloutRows,
    ts: Array,
    scale: float | Array,
    at: Sequence[float] | None = None,
) -> Array:
    """Energy error along predicted paths: the deviation from the initial energy, divided by `scale`.

    **Arguments:**

    - `energy`: the true energy `(t, q, v) -> scalar`, or any other conserved quantity.
    - `predicted`: predicted states, shape `(trajectory, time, 2 dof)`. `ts`: times, shape `(time,)`.
    - `scale`: reference energy, such as the depth of the potential.
    - `at`: times; the result is the maximum deviation up to each. `None` gives the deviation at every time.

    **Returns:** shape `(at, trajectory)`, or `(trajectory, time)` without `at`; infinite if a rollout failed.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> ts = jnp.array([0.0, 1.0, 2.0])
    >>> predicted = jnp.array([[[0.0, 0.0], [1.0, 0.0], [2.0, 0.0]]])  # one path that climbs at 1 m/s
    >>> weight = lambda t, q, v: 10.0 * q[0]
    >>> nl.analysis.energy_error(weight, predicted, ts, scale=5.0).tolist()
    [[0.0, 2.0, 4.0]]
    ```
    """
    path = along(energy, predicted, ts)
    deviation = jnp.abs(path - path[:, :1]) / scale
    deviation = jnp.where(jnp.isfinite(deviation), deviation, jnp.inf)
    if at is None:
        return deviation
    return jnp.stack([jnp.max(deviation, axis=1, where=(ts <= t)[None], initial=0.0) for t in at])


def energy_drift(
    energy: Quantity, predicted: RolloutRows, ts: Array, scale: float | Array
) -> Float[Array, " trajectory"]:
    """Energy drift along each predicted path: slope of a least-squares line, divided by `scale`, per second.

    It distinguishes a drift from a bounded oscillation, which the largest deviation cannot. NaN if a rollout failed.
    The arguments are as for `energy_error`.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> ts = jnp.array([0.0, 1.0, 2.0])
    >>> predicted = jnp.array([[[0.0, 0.0], [1.0, 0.0], [2.0, 0.0]]])  # one path that climbs at 1 m/s
    >>> weight = lambda t, q, v: 10.0 * q[0]
    >>> nl.analysis.energy_drift(weight, predicted, ts, scale=5.0).tolist()  # 10 J / 5 J per second
    [2.0]
    ```
    """
    path = along(energy, predicted, ts) / scale
    time = ts - ts.mean()
    return (path - path.mean(axis=1, keepdims=True)) @ time / jnp.dot(time, time)


def along(quantity: Quantity, paths: RolloutRows, ts: Array) -> Float[Array, "trajectory time"]:
    """Evaluate a quantity at every state of many paths.

    **Arguments:**

    - `quantity`: `(t, q, v) -> scalar`. `paths`: shape `(trajectory, time, 2 dof)`. `ts`: times, shape `(time,)`.

    **Returns:** shape `(trajectory, time)`.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> paths = jnp.array([[[1.0, 0.0], [0.0, 2.0]]])  # one path, two states [q, v]
    >>> nl.analysis.along(lambda t, q, v: 0.5 * v @ v, paths, jnp.array([0.0, 1.0])).tolist()
    [[0.0, 2.0]]
    ```
    """
    return jax.vmap(jax.vmap(lambda t, y: quantity(t, *jnp.split(y, 2))), (None, 0))(ts, paths)

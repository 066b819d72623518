"""Error metrics for batches of rollouts, shape `(trajectory, time, 2 dof)`, compared with the truth."""

from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from ..integrators import AbstractRolloutModel

RolloutRows = Float[Array, "trajectory time two_dof"]


def wrap_angle(angle: Array) -> Array:
    """Wrap an angle to [-pi, pi).

    **Arguments:**

    - `angle`: angles in radians, an array of any shape.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> round(float(nl.analysis.wrap_angle(jnp.array(2 * jnp.pi + 0.5))), 3)
    0.5
    ```
    """
    return (angle + jnp.pi) % (2 * jnp.pi) - jnp.pi


@eqx.filter_jit
def rollouts(model: Callable[[Array, Array], Array], ts: Array, y0s: Array) -> RolloutRows:
    """Rollouts of a model from many initial states, compiled.

    **Arguments:**

    - `model`: any rollout model. `ts`: times, shape `(time,)`. `y0s`: initial states, shape `(trajectory, 2 dof)`.

    **Returns:** shape `(trajectory, time, 2 dof)`.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> stone, y0s = nl.systems.ConstantForce(load=(-10.0,)), jnp.array([[0.0, 0.0], [15.0, 0.0]])
    >>> ys = nl.analysis.rollouts(stone, jnp.array([0.0, 1.0]), y0s)
    >>> print(jnp.round(ys[:, -1, 0], 3))  # a second of fall, from 0 m and from 15 m
    [-5. 10.]
    ```
    """
    return jax.vmap(model, (None, 0))(ts, y0s)


def angle_rmse(
    predicted: RolloutRows, truth: RolloutRows, ts: Array, at: Sequence[float], *, window: float = 1.0
) -> Float[Array, "at trajectory"]:
    """Root mean square error of angles (wrapped), over all coordinates and the times `[t - window, t]`.

    If a rollout is not finite in this interval, its error is pi.

    **Arguments:**

    - `predicted`, `truth`: shape `(trajectory, time, 2 dof)`, angles in radians first.
    - `ts`: times, shape `(time,)`. `at`: the times t. `window`: length of the interval, in seconds.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> ts, truth = jnp.array([0.0, 1.0, 2.0]), jnp.zeros((1, 3, 2))
    >>> predicted = truth.at[:, :, 0].set(2 * jnp.pi + 0.5)  # off by half a radian and a whole turn
    >>> round(float(nl.analysis.angle_rmse(predicted, truth, ts, at=[2.0])[0, 0]), 3)
    0.5
    ```
    """
    dof = truth.shape[-1] // 2
    squared = wrap_angle(predicted - truth)[..., :dof] ** 2

    def one(t):
        inside = (ts >= t - window) & (ts <= t)
        mean = jnp.mean(squared, axis=(1, 2), where=inside[None, :, None])
        lost = ~jnp.all(jnp.isfinite(predicted), axis=(1, 2), where=inside[None, :, None])
        return jnp.where(lost, jnp.pi, jnp.sqrt(jnp.where(lost, 0, mean)))

    return jax.vmap(one)(jnp.asarray(at, ts.dtype))


def valid_time(
    predicted: RolloutRows, truth: RolloutRows, ts: Array, *, tolerance: float = 0.1
) -> Float[Array, " trajectory"]:
    """Valid prediction time: the time until the root mean square angle error first exceeds `tolerance` radians.

    The error of each coordinate is wrapped, and the mean is over the coordinates.

    **Arguments:**

    - `predicted`, `truth`: shape `(trajectory, time, 2 dof)`, angles in radians first. `ts`: times, shape `(time,)`.

    **Returns:** shape `(trajectory,)`, in units of time; the whole time if the error never exceeds the tolerance.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> ts, truth = jnp.array([0.0, 1.0, 2.0, 3.0]), jnp.zeros((1, 4, 2))
    >>> predicted = truth.at[0, :, 0].set(jnp.array([0.0, 0.05, 0.2, 0.4]))
    >>> nl.analysis.valid_time(predicted, truth, ts, tolerance=0.1).tolist()
    [2.0]
    ```
    """
    dof = truth.shape[-1] // 2
    error = jnp.sqrt(jnp.mean(wrap_angle(predicted - truth)[..., :dof] ** 2, axis=-1))
    wrong = ~(error <= tolerance)
    first = jnp.where(jnp.any(wrong, axis=1), jnp.argmax(wrong, axis=1), ts.shape[0] - 1)
    return ts[first] - ts[0]


def relative_rollout_error(predicted: RolloutRows, truth: RolloutRows, ts: Array) -> Float[Array, " trajectory"]:
    r"""Relative rollout error: geometric mean over time of the relative error of the state,

    $$\exp \frac{1}{T} \int_0^T \log \frac{|\hat z - z|}{|\hat z + z|}\, dt,$$

    by the trapezoidal rule (Finzi, Wang and Wilson 2020, section 6). It is between 0 and 1 for reasonable predictions,
    and all stages of an exponentially growing error contribute. It depends on the origin, so compare models in the same
    coordinates (Finzi et al. use Cartesian ones). A failed rollout counts as one. The first row is left out, because it
    is exact.

    **Arguments:**

    - `predicted`, `truth`: shape `(trajectory, time, 2 dof)`. `ts`: times, shape `(time,)`.

    **Returns:** shape `(trajectory,)`.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> ts, truth = jnp.array([0.0, 1.0, 2.0]), jnp.ones((1, 3, 2))
    >>> round(float(nl.analysis.relative_rollout_error(3.0 * truth, truth, ts)[0]), 3)  # |3 - 1| / |3 + 1|
    0.5
    ```
    """
    distance = jnp.linalg.norm(predicted - truth, axis=-1)[:, 1:]
    size = jnp.linalg.norm(predicted + truth, axis=-1)[:, 1:]
    tiny = jnp.finfo(truth.dtype).tiny
    logarithm = jnp.log(jnp.maximum(distance, tiny)) - jnp.log(jnp.maximum(size, tiny))
    logarithm = jnp.where(jnp.isfinite(predicted).all(axis=-1)[:, 1:], logarithm, 0.0)
    return jnp.exp(jax.vmap(jnp.trapezoid, (0, None))(logarithm, ts[1:]) / (ts[-1] - ts[1]))


def perturbation_floor(
    system: AbstractRolloutModel, ts: Array, y0s: Array, key: PRNGKeyArray, *, size: float | Array = 1e-4
) -> RolloutRows:
    """Rollouts of the true system from disturbed initial states: the accuracy limit for chaotic motion.

    The disturbance is a random vector of length `size`, in units of each component if `size` has one for each.

    **Arguments:**

    - `system`: the true system. `ts`: times, shape `(time,)`. `y0s`: initial states, shape `(trajectory, 2 dof)`.
    - `key`: a JAX random key.
    - `size`: length of the disturbance, a number or shape `(2 dof,)`. One for each if units differ.

    **Returns:** rollouts, shape `(trajectory, time, 2 dof)`.

    **Example:**

    ```python
    >>> import jax, jax.numpy as jnp, neural_lagrangian as nl
    >>> stone, ts, y0s = nl.systems.ConstantForce(), jnp.array([0.0, 1.0]), jnp.array([[0.0, 1.0]])
    >>> disturbed = nl.analysis.perturbation_floor(stone, ts, y0s, jax.random.key(0), size=0.1)
    >>> round(float(jnp.linalg.norm(disturbed[0, 0] - y0s[0])), 3)
    0.1
    ```
    """
    direction = jax.random.normal(key, y0s.shape, y0s.dtype)
    direction = direction / jnp.linalg.norm(direction, axis=-1, keepdims=True)
    return rollouts(system, ts, y0s + jnp.broadcast_to(jnp.asarray(size, y0s.dtype), y0s.shape) * direction)


class Summary(eqx.Module):
    """Summary of an error over many rollouts.

    - `median`, `lower_quartile`, `upper_quartile`: quantiles of the error. Failures count as infinite.
    - `failures`: number of errors that are not finite. `count`: number of all errors.

    There is no mean, because the worst rollout would dominate it.
    """

    _: KW_ONLY
    median: float
    lower_quartile: float
    upper_quartile: float
    failures: int
    count: int

    def __str__(self) -> str:
        failed = f", {self.failures} failed" if self.failures else ""
        return f"{self.median:.3g} ({self.lower_quartile:.3g} to {self.upper_quartile:.3g}; {self.count}{failed})"


def summarize(values: Any) -> Summary:
    """Median and quartiles of errors over many rollouts.

    **Arguments:**

    - `values`: errors, an array of any shape. Values that are not finite are failures. They count as infinite errors.

    **Returns:** a `Summary`, in the unit of `values`.

    **Raises:** `ValueError` if `values` is empty.

    **Example:**

    ```python
    >>> import neural_lagrangian as nl
    >>> print(nl.analysis.summarize([0.1, 0.2, 0.3, 0.4, float("inf")]))  # median and quartiles
    0.3 (0.2 to 0.4; 5, 1 failed)
    ```
    """
    values = np.asarray(values, float).ravel()
    if values.size == 0:
        raise ValueError("`values` is empty; expected at least one entry")
    failed = ~np.isfinite(values)
    low, middle, high = np.quantile(np.where(failed, np.inf, values), [0.25, 0.5, 0.75], method="nearest")
    return Summary(
        median=float(middle),
        lower_quartile=float(low),
        upper_quartile=float(high),
        failures=int(failed.sum()),
        count=values.size,
    )

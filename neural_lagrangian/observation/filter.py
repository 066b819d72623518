r"""The extended Kalman filter: the state of a machine, and slow changes of its constants, while it runs."""

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Int

from .._checks import MAX_TIME_ERROR, finite, floating, is_concrete, one_or_each
from .._types import Scalar, State
from .kalman import acceleration_covariance, corrected
from .likelihood import check_observed, check_sensors, check_states
from .linearized import driven_by, innovation, trained_numbers, with_jacobian, with_numbers
from .observed import Observed


class Belief(eqx.Module):
    """What a filter knows at one time: a Gaussian distribution.

    - `t`: time in seconds.
    - `y`: the mean of the state `[q, v]`, shape `(2 dof,)`.
    - `parameters`: the mean of the trained numbers of the model; empty if they are not estimated.
    - `covariance`: that of `y` and `parameters` together.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> belief = nl.observation.Belief(jnp.array(0.0), jnp.zeros(2), jnp.zeros(0), jnp.diag(jnp.array([4.0, 9.0])))
    >>> belief.deviation.tolist()
    [2.0, 3.0]
    ```
    """

    t: Scalar
    y: State
    parameters: Float[Array, " parameter"]
    covariance: Float[Array, "n n"]

    @property
    def deviation(self) -> Float[Array, " n"]:
        """Standard deviations of `y` and `parameters`."""
        return jnp.sqrt(jnp.diagonal(self.covariance))


class Innovation(eqx.Module):
    """How well an observation agrees with a belief.

    - `squared`: the normalised innovation squared. Its mean is `count` if model and noise are right.
    - `count`: number of values that were observed.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> innovation = nl.observation.Innovation(jnp.array(1.8), jnp.array(2))  # two values agree with the belief
    >>> bool(innovation.squared < 5.99 * innovation.count)
    True
    ```
    """

    squared: Scalar
    count: Int[Array, ""]


class ExtendedKalmanFilter(eqx.Module):
    r"""Estimate the state of a machine while it runs, from what its sensors see, as one pure function.

    Between observations the belief follows the model and its derivatives; the accelerations have white noise. At an
    observation it is corrected by the innovation:

    $$\bar x_k = f(x_{k-1}), \quad \bar P_k = F P_{k-1} F^\top + Q, \quad x_k = \bar x_k + K (y_k - h(\bar x_k))$$

    The trained numbers of the model may be part of the state. They then change slowly, as a random walk, so the filter
    adapts to a machine that wears. Freeze those that should not change (`networks.Frozen`). Compile the filter with
    `eqx.filter_jit(ekf)`, or use it in `jax.lax.scan`.

    **Arguments:**

    - `model`: an `Observed` model.
    - `acceleration_noise`: root spectral density of the noise in the accelerations, a number or shape `(dof,)`, in
      units of the coordinate times s^(-3/2). After a second of noise the velocity is wrong by this number.
    - `parameter_noise`: how much the trained numbers change in a second, a number or shape `(parameter,)`; after $t$
      seconds by this number times $\sqrt t$.

    **Raises:** `ValueError` if `model` has no sensors, or forces with memory, and for noise that is negative.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> from neural_lagrangian.observation import ExtendedKalmanFilter, Observed, Position, Sensor
    >>> steps = nl.StepsPerSample(1)
    >>> free = nl.NeuralLagrangian.from_lagrangian(lambda t, q, v: 0.5 * v @ v, stepsize_controller=steps)
    >>> ekf = ExtendedKalmanFilter(Observed(free, {"place": Sensor(Position(), noise=0.1)}), acceleration_noise=0.01)
    >>> belief = ekf.begin(0.0, jnp.zeros(2), deviation=jnp.array([1.0, 1.0]))
    >>> for k in range(1, 5):  # 2 m in each second
    ...     belief, innovation = ekf(belief, float(k), {"place": jnp.array([2.0 * k])})
    >>> belief.y.round(1).tolist()
    [8.0, 2.0]
    ```
    """

    model: Observed
    acceleration_noise: Array
    parameter_noise: Array

    def __init__(self, model: Observed, *, acceleration_noise: ArrayLike, parameter_noise: ArrayLike = 0.0):
        check_sensors(model)
        check_states(model)
        _check_not_negative("acceleration_noise", acceleration_noise)
        _check_not_negative("parameter_noise", parameter_noise)
        self.model = model
        self.acceleration_noise = jnp.asarray(acceleration_noise, jnp.result_type(float))
        self.parameter_noise = jnp.asarray(parameter_noise, jnp.result_type(float))

    def begin(
        self, t: ArrayLike, y: ArrayLike, *, deviation: ArrayLike, parameter_deviation: ArrayLike | None = None
    ) -> Belief:
        """The first belief.

        **Arguments:**

        - `t`: time in seconds. `y`: a guess of the state `[q, v]`, shape `(2 dof,)`.
        - `deviation`: standard deviations of the guess, a number or shape `(2 dof,)`.
        - `parameter_deviation`: standard deviations of the trained numbers, a number or shape `(parameter,)`. `None`:
          they are not estimated.

        **Raises:** `ValueError` for other shapes, negative deviations, and numbers that are not finite.
        """
        y = finite("y", floating("y", y, ("2 dof",)))
        if len(y) % 2:
            raise ValueError(f"`y` has shape {y.shape}; expected an even length, (2 dof,), as [q, v]")
        numbers = jnp.zeros(0, y.dtype) if parameter_deviation is None else trained_numbers(self.model)
        of_numbers = 0.0 if parameter_deviation is None else parameter_deviation
        sizes = []
        for name, size, x in (("deviation", deviation, y), ("parameter_deviation", of_numbers, numbers)):
            _check_not_negative(name, size)
            sizes.append(one_or_each(name, size, x.shape, y.dtype))
        covariance = jnp.diag(jnp.concatenate(sizes) ** 2)
        return Belief(finite("t", one_or_each("t", t, (), y.dtype)), y, numbers.astype(y.dtype), covariance)

    def adapted(self, belief: Belief) -> Observed:
        """The model with the trained numbers of a belief."""
        return with_numbers(self.model, belief.parameters)

    def __call__(
        self, belief: Belief, t: ArrayLike, observations: Mapping[str, Any], control: ArrayLike | None = None
    ) -> tuple[Belief, Innovation]:
        """The belief after an observation.

        **Arguments:**

        - `belief`: that before. `t`: time of the observation in seconds, not before `belief.t`. At the same time the
          belief is corrected by one more observation.
        - `observations`: one value of each channel, shape `(column,)`; NaN where missing.
        - `control`: the control since `belief.t`, shape `(m,)`, for a model with a `ControlForce`.

        **Raises:** `ValueError` if the channels of model and observations differ, the control is missing, or (outside
        `jit`) for a time that goes back.
        """
        check_observed(self.model, observations)
        size, at_once = len(belief.y), _is_same_time(t, belief)
        t = one_or_each("t", t, (), belief.y.dtype)

        def at(x: Array) -> Observed:
            return driven_by(with_numbers(self.model, x[size:]), control)

        def ahead(x: Array) -> Array:
            if at_once:
                return x
            moved = jnp.concatenate([at(x)(jnp.stack([belief.t, t]), x[:size])[-1], x[size:]])
            return jnp.where(t == belief.t, x, moved)  # no solver has the derivative of a motion of no time

        x, F = with_jacobian(ahead, jnp.concatenate([belief.y, belief.parameters]))
        P = F @ belief.covariance @ F.T + self._noise(t - belief.t, size // 2, len(x) - size)
        error, minus_H = with_jacobian(lambda x: innovation(at(x), t, x[:size], observations)[0], x)
        _, present = innovation(at(x), t, x[:size], observations)
        x, P, squared = corrected(x, P, error, -minus_H)
        return Belief(t, x[:size], x[size:], P), Innovation(squared, jnp.sum(present))

    def _noise(self, dt: Array, dof: int, parameters: int) -> Array:
        density = one_or_each("acceleration_noise", self.acceleration_noise, (dof,), dt.dtype)
        walk = one_or_each("parameter_noise", self.parameter_noise, (parameters,), dt.dtype)
        walk = walk**2 * dt
        Q = jnp.zeros((2 * dof + parameters,) * 2, dt.dtype)
        Q = Q.at[: 2 * dof, : 2 * dof].set(acceleration_covariance(dt, density))
        return Q.at[2 * dof :, 2 * dof :].set(jnp.diag(walk))


def _check_not_negative(name: str, value: ArrayLike) -> None:
    if is_concrete(value) and not (np.all(np.asarray(value) >= 0) and np.all(np.isfinite(value))):
        raise ValueError(f"`{name}` is {value}; expected finite numbers that are not negative")


def _is_same_time(t: ArrayLike, belief: Belief) -> bool:
    """Whether an observation is known to be at the time of the belief.

    **Raises:** `ValueError` for a time before that, or one that the precision of the belief rounds away.
    """
    if not is_concrete(t, belief.t) or np.ndim(t):
        return False
    now, before = float(np.asarray(t)), float(belief.t)
    if not np.isfinite(now) or now < before:
        raise ValueError(f"`t` is {now!r}; expected a time at or after that of the belief, {before!r} s")
    if abs(float(np.asarray(now, belief.y.dtype)) - now) > MAX_TIME_ERROR * (now - before) > 0:
        raise ValueError(
            f"`t` is {now!r} s after {before!r} s, and {belief.y.dtype}, the dtype of the belief, rounds the time "
            f"between them away; expected times that count from the start of the motion"
        )
    return now == before

r"""How likely observations are under a model: a loss and a residual for training.

The noise of all channels is independent and Gaussian, so the negative logarithm of the likelihood of one value is

$$\tfrac12 r^2 + \log \sigma + \tfrac12 \log 2 \pi, \qquad r = (y_k - h(t_k, x(t_k))) / \sigma.$$
"""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from .._checks import check_instance
from .._types import Scalar
from ..models import has_memory
from ..networks import RUN, unfrozen
from ..training import check_driven
from ..trajectories import Trajectories, Window
from .observed import Observed
from .population import Population


def negative_log_likelihood(model: Observed, window: Window) -> Scalar:
    r"""Negative log-likelihood of the observations of a window, a loss for `fit` and `polish`.

    The motion is a rollout from the first row of `window.states` (or of `window.ys`, if no states are estimated):

    $$\frac1N \sum_k \tfrac12 \left(\frac{y_k - \hat y_k}{\sigma}\right)^2 + \log \sigma + \tfrac12 \log 2 \pi$$

    Missing and masked values are left out of the sum. $N$ counts them, so that windows with many values weigh more. The
    noise is trained too, unless it is `Frozen`. If the model has a `Population`, its prior is added to the sum, times
    the share of the values of the run that are in the window.

    **Arguments:**

    - `model`: an `Observed` model.
    - `window`: with `ts`, `observations`, and `states` or `ys`, whose first row is the initial state.

    **Returns:** a scalar; infinite or NaN if the rollout failed.

    **Raises:** `ValueError` if the model has no sensors, or the channels of model and window differ.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> from neural_lagrangian.observation import Observed, Position, Sensor, negative_log_likelihood
    >>> rig = Observed(nl.systems.Pendulum(), {"angle": Sensor(Position(), noise=0.1)})
    >>> seen = {"angle": jnp.array([[0.0], [0.1], [jnp.nan]])}  # one value is off by 0.1, one is missing
    >>> window = nl.trajectories.Window(jnp.array([0.0, 1.0, 2.0]), jnp.zeros((3, 2)), observations=seen)
    >>> round(float(negative_log_likelihood(rig, window)), 3)  # (0.5 - 2 * 1.384) / 3
    -0.756
    ```
    """
    found = errors(model, window)
    total, count = _negative_log_prior(model.population, found), 0
    for name, (error, counted) in found.items():
        deviation = jnp.broadcast_to(unfrozen(model.sensors[name]).deviation, error.shape[1:])[None]
        each = 0.5 * (error / deviation) ** 2 + jnp.log(deviation) + 0.5 * jnp.log(2 * jnp.pi).astype(error.dtype)
        total, count = total + jnp.sum(jnp.where(counted, each, 0)), count + error.size
    return total / count


def observation_residual(model: Observed, window: Window) -> Float[Array, "time column"] | Float[Array, " component"]:
    r"""Errors of the observations of a window over their noise, $(\hat y_k - y_k) / \sigma$, for `gauss_newton`.

    The columns of all channels stand side by side, in alphabetical order of the names. Missing and masked values have
    the residual zero. If the model has a `Population`, the residual has one axis, and the deviations of the parameters
    of the run from their means stand at its end. The noise is not trained, since least squares cannot estimate it: use
    `polish` with `negative_log_likelihood` afterwards.

    Arguments and errors as for `negative_log_likelihood`.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> from neural_lagrangian.observation import Observed, Position, Sensor, observation_residual
    >>> rig = Observed(nl.systems.Pendulum(), {"angle": Sensor(Position(), noise=0.1)})
    >>> seen = {"angle": jnp.array([[0.0], [0.1], [jnp.nan]])}  # one value is off by 0.1, one is missing
    >>> window = nl.trajectories.Window(jnp.array([0.0, 1.0, 2.0]), jnp.zeros((3, 2)), observations=seen)
    >>> observation_residual(rig, window).round(3).tolist()
    [[0.0], [-1.0], [0.0]]
    ```
    """
    found = errors(model, window)
    residual = jnp.concatenate([normalized(model, name, error) for name, (error, _) in found.items()], axis=1)
    if model.population is None:
        return residual
    share = model.population.share(_values(found)).astype(residual.dtype)
    prior = jnp.sqrt(share) * model.population.deviations()
    return jnp.concatenate([residual.reshape(-1), prior])


def _negative_log_prior(population: Population | None, found: dict[str, tuple[Array, Array]]) -> Scalar:
    """The part of the prior of the run that belongs to the values found; zero without a population."""
    dtype = next(iter(found.values()))[0].dtype
    if population is None:
        return jnp.zeros((), dtype)
    each = 0.5 * population.deviations() ** 2 + population.log_spreads() + 0.5 * jnp.log(2 * jnp.pi).astype(dtype)
    return population.share(_values(found)).astype(dtype) * jnp.sum(each)


def _values(found: dict[str, tuple[Array, Array]]) -> Array:
    """Number of values that count."""
    return jnp.stack([jnp.sum(counted) for _, counted in found.values()]).sum()


def normalized(model: Observed, name: str, error: Array) -> Array:
    """Errors of one channel, shape `(..., column)`, over their noise, which has no gradient."""
    deviation = jnp.broadcast_to(jax.lax.stop_gradient(model.sensors[name].deviation), error.shape[-1:])
    return error / deviation.reshape((1,) * (error.ndim - 1) + deviation.shape)


def errors(model: Any, window: Window) -> dict[str, tuple[Float[Array, "time column"], Bool[Array, "time column"]]]:
    """Errors of a rollout for each channel, zero where they do not count, and where they count."""
    check_observed(model, window.observations)
    if model.population is not None and not model.population.is_bound:
        raise ValueError(
            f"`model` has a population, and the window does not say which run it is; expected `Trajectories(..., "
            f"parameters={{{RUN!r}: [0, 1, ...]}})`"
        )
    check_driven(model, window)
    ts = jnp.asarray(window.ts)
    start = jnp.asarray(window.ys if window.states is None else window.states)[0]
    expected = model.readings(ts, model(ts, start))
    found = {}
    for name, sensor in model.sensors.items():
        value, counted = known(name, window.observations, expected[name].shape)
        if window.mask is not None:
            counted &= jnp.asarray(window.mask)[:, None]
        if window.controls is not None and sensor.is_late:  # the controls before the window are not known
            counted &= (ts - sensor.lag(ts) >= ts[0])[:, None]
        found[name] = jnp.where(counted, expected[name] - value, 0), counted
    return found


def counted(model: Any, window: Window) -> Bool[Array, "time column"]:
    """Which values of a window count, the columns of all channels side by side."""
    return jnp.concatenate([counted for _, counted in errors(model, window).values()], axis=1)


def known(name: str, observations: Any, shape: tuple[int, ...]) -> tuple[Array, Bool[Array, "..."]]:
    """Values of a channel, zero where they are missing, and where they are not.

    **Raises:** `ValueError` for another shape.
    """
    value = jnp.asarray(observations[name])
    if value.shape != shape:
        raise ValueError(
            f"`observations[{name!r}]` has shape {value.shape}; expected {shape}, with as many columns as its "
            f"sensor reads"
        )
    present = jnp.isfinite(value)
    return jnp.where(present, value, 0), present


def check_recording(model: Any, trajectories: Any) -> None:
    """**Raises:** `ValueError` unless `trajectories` are the recording of an `Observed` model."""
    check_instance("trajectories", trajectories, Trajectories)
    check_observed(model, trajectories.observations)


def check_sensors(model: Any) -> None:
    """**Raises:** `ValueError` if the model is not `Observed`."""
    if not isinstance(model, Observed):
        raise ValueError(f"`model` is a {type(model).__name__}; expected an `observation.Observed` with sensors")


def check_states(model: Observed) -> None:
    """**Raises:** `ValueError` if `[q, v]` is not the whole state, or the model is that of several runs."""
    if has_memory(model):
        raise ValueError(
            "`model` has forces with memory, whose internal states an estimate of [q, v] does not hold; expected a "
            "model without them"
        )
    if model.population is not None:
        raise ValueError("`model` has a population of runs; expected that of one run, `model.of_run({'run': 0})`")


def check_observed(model: Any, observations: Mapping[str, Any] | None) -> None:
    """**Raises:** `ValueError` if the model has no sensors, or other channels than the observations."""
    check_sensors(model)
    if observations is None:
        raise ValueError("`observations` is None; expected `Trajectories(ts, ys, observations={...})`")
    if unknown := sorted(observations.keys() - model.sensors.keys()):
        raise ValueError(
            f"channels {unknown} of the observations have no sensor; expected some of {sorted(model.sensors)}, the "
            f"sensors of the model"
        )
    if missing := sorted(model.sensors.keys() - observations.keys()):
        raise ValueError(
            f"sensors {missing} have no channel; the observations have {sorted(observations)}. Leave these sensors out "
            f"of the model, or give them a channel with NaN where values are missing"
        )

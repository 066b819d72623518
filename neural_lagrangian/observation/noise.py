"""`estimate_noise`: how large the noise of each sensor is, from what is left over after training."""

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from .._checks import is_positive
from ..networks import Frozen
from ..trajectories import Trajectories
from .determination import Leftover, of_observations
from .likelihood import check_recording
from .linearized import trained_numbers, with_known_noise
from .observed import Observed
from .sensor import Sensor

MAX_DECREASE = 1e3
"""Largest factor by which the noise of a sensor decreases at once. Data without noise would make it zero."""

ROUND_OFF = 1e-6
"""Values that are left over, as a share of all, below which none are."""


def estimate_noise(
    model: Observed,
    trajectories: Trajectories,
    *,
    horizon: int = 100,
    stride: int = 1,
    least_noise: Mapping[str, float] | None = None,
) -> Observed:
    r"""Estimate the noise of each sensor from the residuals of a trained model, for another `gauss_newton`.

    $$\sigma^2 = \frac{1}{N - m} \sum_k (y_k - \hat y_k)^2$$

    $N$ values were observed, and the initial states of the windows have taken $m$ of them. The estimate is that of the
    likelihood but for $m$, without which noise is too small in short windows. Sensors whose noise is `Frozen` keep it.

    **Arguments:**

    - `model`: a trained `Observed` model.
    - `trajectories`, `horizon`, `stride`: as for `information`.
    - `least_noise`: for channels by name, the noise below which no estimate goes, in the unit of the channel. A channel
      without noise would otherwise hide all others.

    **Returns:** the model with new noise.

    **Raises:** `ValueError` if the noise of all sensors is known, a channel has no more values than its windows have
    unknown initial states, or `least_noise` names a channel without noise to estimate.

    **Example:**

    ```python
    >>> import numpy as np, neural_lagrangian as nl
    >>> from neural_lagrangian.observation import Observed, Position, Sensor, estimate_noise
    >>> ts, rng = np.linspace(0.0, 10.0, 1001), np.random.default_rng(0)
    >>> steps = nl.StepsPerSample(1)
    >>> free = nl.NeuralLagrangian.from_lagrangian(lambda t, q, v: 0.5 * v @ v, stepsize_controller=steps)
    >>> seen = {"place": ts + 0.2 * rng.normal(size=1001)}
    >>> motion = nl.Trajectories(ts, np.stack([ts, np.ones(1001)], axis=1), observations=seen)
    >>> found = estimate_noise(Observed(free, {"place": Sensor(Position(), noise=1.0)}), motion)
    >>> round(float(found.sensors["place"].noise), 2)
    0.2
    ```
    """
    check_recording(model, trajectories)
    unknown, least = noise_to_estimate(model, least_noise), least_noise or {}
    if not unknown:
        raise ValueError("`model` has sensors whose noise is `Frozen`; expected one with noise to estimate, a number")
    known = with_known_noise(model) if trained_numbers(model).size else model  # the program of `information`
    _, _, leftover = of_observations(known, trajectories, horizon, stride)
    found = [_log_noise(name, model.sensors[name], leftover[name], horizon, least.get(name, 0.0)) for name in unknown]
    return eqx.tree_at(lambda m: [m.sensors[name].log_noise for name in unknown], model, found)


def noise_to_estimate(model: Observed, least_noise: Mapping[str, float] | None) -> list[str]:
    """The channels whose noise is not `Frozen`. Any other in `least_noise` is refused."""
    unknown = [name for name, sensor in model.sensors.items() if not isinstance(sensor.log_noise, Frozen)]
    least = {} if least_noise is None else least_noise
    if not isinstance(least, Mapping):
        raise ValueError(f"`least_noise` is {least!r:.80}; expected a dictionary from channels to numbers")
    if wrong := {name: value for name, value in least.items() if not is_positive(value)}:
        raise ValueError(f"`least_noise` is {wrong}; expected positive numbers, each in the unit of its channel")
    if surplus := sorted(least.keys() - set(unknown)):
        raise ValueError(f"`least_noise` names {surplus}; expected channels with noise to estimate, among {unknown}")
    return unknown


def _log_noise(name: str, sensor: Sensor, leftover: Leftover, horizon: int, smallest: float) -> Array:
    squares, freedom = (np.asarray(part, float) for part in (leftover.squares, leftover.observed - leftover.taken))
    if sensor.log_noise.ndim == 0:
        squares, freedom = squares.sum(), freedom.sum()
    if not np.all(freedom > ROUND_OFF * leftover.observed.sum()):
        raise ValueError(
            f"`observations[{name!r}]` has {int(leftover.observed.sum())} values in windows of {horizon} intervals, no "
            f"more than the windows have unknown initial states; expected a longer `horizon`, or `Frozen` noise"
        )
    deviation: Any = np.asarray(sensor.deviation, float)
    square = deviation**2 * squares / freedom - (0.0 if sensor.quantum is None else sensor.quantum**2 / 12)
    least = np.asarray(sensor.noise, float) / MAX_DECREASE
    noise = np.maximum(np.sqrt(np.maximum(square, least**2)), smallest)
    return jnp.asarray(np.broadcast_to(np.log(noise), sensor.log_noise.shape), sensor.log_noise.dtype)

"""`calibrate`: sensors, constants, noise and populations from one recording, by repeated least squares."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import jax
import numpy as np

from .._checks import positive_integer
from ..numerics import trained_and_rest
from ..training import Polished, gauss_newton
from ..trajectories import Trajectories
from .determination import information
from .likelihood import check_recording, observation_residual
from .linearized import with_known_noise
from .noise import estimate_noise, noise_to_estimate
from .observed import Observed
from .spread import estimate_spread


def calibrate(
    model: Observed,
    trajectories: Trajectories,
    *,
    states: Any = None,
    rounds: int = 3,
    steps: int = 15,
    horizon: int = 50,
    stride: int = 1,
    windows: int = 256,
    least_noise: Mapping[str, float] | None = None,
    allow_undetermined: bool = False,
) -> Polished:
    """Train an `Observed` model by least squares, and estimate the noise of its sensors, in turn.

    Each round is one `gauss_newton` with `observation_residual`, then `estimate_noise`, and `estimate_spread` for a
    population. The noise decides how much each sensor weighs in the next round (iteratively reweighted least squares).
    The last round ends with `gauss_newton`, so its loss is near one if the model is right.

    **Arguments:**

    - `model`: an `Observed` model. Noise and spreads that are `Frozen` are kept.
    - `trajectories`: the recording, with `observations`.
    - `states`: first guesses of the states, shape of `trajectories.ys` (default: the `ys`). The initial state of each
      window is estimated.
    - `rounds`: number of times that noise and spreads are estimated; at least 1.
    - `steps`, `horizon`, `stride`, `windows`: as for `gauss_newton`, in each round.
    - `least_noise`: as for `estimate_noise`.
    - `allow_undetermined`: whether to train gains, offsets and delays that the observations do not determine. They then
      end somewhere, and `information` says which they are.

    **Returns:** a `Polished`, that of the last `gauss_newton`.

    **Raises:** `ValueError` if `information` finds, for `model` as it is given, that the gain, offset, delay or drift
    of a sensor is not determined. A network takes up an offset of the only sensor of a position, for example. Also as
    `gauss_newton` and `estimate_noise`.

    **Example:**

    ```python
    >>> import numpy as np, neural_lagrangian as nl
    >>> from neural_lagrangian.observation import Observed, Position, Sensor, Velocity, calibrate
    >>> ts, rng = np.linspace(0.0, 10.0, 501), np.random.default_rng(0)
    >>> steps = nl.StepsPerSample(1)
    >>> free = nl.NeuralLagrangian.from_lagrangian(lambda t, q, v: 0.5 * v @ v, stepsize_controller=steps)
    >>> seen = {"place": ts + 0.2 * rng.normal(size=501), "speed": 2.0 + 0.1 * rng.normal(size=501)}
    >>> motion = nl.Trajectories(ts, np.stack([ts, np.ones(501)], axis=1), observations=seen)
    >>> sensors = {"place": Sensor(Position(), noise=1.0), "speed": Sensor(Velocity(), noise=1.0, gain=1.0)}
    >>> found = calibrate(Observed(free, sensors), motion, rounds=2).model.sensors
    >>> [round(float(x), 1) for x in (found["place"].noise, found["speed"].noise, found["speed"].gain)]
    [0.2, 0.1, 2.0]
    ```
    """
    rounds = positive_integer("rounds", rounds)
    check_recording(model, trajectories)
    noisy = bool(noise_to_estimate(model, least_noise))
    spread = model.population is not None and bool(model.population.estimated)
    guess = np.asarray(trajectories.ys if states is None else states)
    if not allow_undetermined:
        _check_determined(model, trajectories, guess, horizon, stride)
    cut: dict[str, Any] = {"horizon": horizon, "stride": stride}

    def fitted(model: Observed) -> Polished:
        return gauss_newton(
            model, trajectories, residual=observation_residual, states=guess, steps=steps, windows=windows, **cut
        )

    result = fitted(model)
    for _ in range(rounds if noisy or spread else 0):
        model = result.model
        if noisy:
            model = estimate_noise(model, trajectories, least_noise=least_noise, **cut)
        model = estimate_spread(model, trajectories, **cut) if spread else model
        result = fitted(model)
    return result


def _check_determined(
    model: Observed, trajectories: Trajectories, guess: np.ndarray, horizon: int, stride: int
) -> None:
    """**Raises:** `ValueError` if observations do not determine a quantity of a sensor that is trained."""
    if not jax.tree.leaves(trained_and_rest(with_known_noise(model).sensors)[0]):
        return
    known = information(model, replace(trajectories, ys=guess), horizon=horizon, stride=stride)
    named = zip(known.names, np.asarray(known.standard_errors), strict=True)
    if lost := [name for name, error in named if name.startswith("sensors[") and not np.isfinite(error)]:
        said = "; ".join(line for line in known.words() if any(name in line for name in lost))
        raise ValueError(
            f"`model` trains {', '.join(lost)}, which the observations do not determine: {said}. Expected known values "
            f"(`Frozen`), another sensor, or first values of the model from which they are determined; with "
            f"`allow_undetermined=True` they end somewhere"
        )

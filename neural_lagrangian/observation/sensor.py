"""Sensors: a reading with gain, offset, delay, clock drift, noise and quantisation."""

from typing import Any

import diffrax
import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._checks import check_instance, is_concrete, is_positive
from .._types import Scalar, State
from ..integrators import AbstractMotionModel, Integration, SaveTimes, StepsPerSample
from ..networks import AbstractLate, Frozen, unfrozen
from .instant import Instant
from .reading import AbstractReading

STEPS_BACK = 2
"""Number of steps of order 5 from a sample back to the instant that a late sensor saw."""


class Sensor(AbstractLate):
    r"""A sensor: what it reads, how it distorts it, and its noise.

    $$y_k = c\, h(t_k - \tau_k) + b + \sigma\, \epsilon_k, \qquad \tau_k = d + s\, t_k$$

    Gain $c$, offset $b$, delay $d$, clock drift $s$ and noise $\sigma$ may each be absent, known or trained. `None`
    means absent (a gain of one, otherwise zero). A number or an array is the initial value of a trained quantity.
    `Frozen(number)` is a known value.

    A late sensor sees the state of an earlier instant. It is found from the state at the sample by two steps of a
    Runge-Kutta method of order 5 back in time, so it is a smooth function of the delay. A delay should be at most a
    fifth of the fastest period of the motion.

    **Arguments:**

    - `reading`: what the sensor reads: `Position`, `Velocity`, `Acceleration`, `StateFunction`, `Accelerometer`,
      `Gyroscope`, `AppliedForce`, or your own `AbstractReading`.
    - `noise`: standard deviation, in the unit of the channel. It is stored as its logarithm, and trained by
      `negative_log_likelihood`.
    - `gain`: units of the channel per unit of the reading. `offset`: in the unit of the channel. Like `noise`, each is
      one number, or one for each column.
    - `delay`: in seconds, positive for a late sensor. `drift`: seconds that the sensor's clock gains in a second.
    - `quantum`: step of the digital reading, in the unit of the channel. It adds the variance $\text{quantum}^2 / 12$.

    **Raises:** `ValueError` for a `noise` or `quantum` that is not positive, and values that are not finite.
    When it reads, `ValueError` for a gain, offset or noise of other columns.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> from neural_lagrangian.observation import Position, Sensor
    >>> encoder = Sensor(Position(0), noise=0.01, gain=2.0, delay=nl.networks.Frozen(0.5))
    >>> moving = nl.NeuralLagrangian.from_lagrangian(lambda t, q, v: 0.5 * v @ v)
    >>> encoder(moving, jnp.array(1.0), jnp.array([3.0, 1.0])).tolist()  # 2 * (3 m - 1 m/s * 0.5 s)
    [5.0]
    ```
    """

    reading: AbstractReading
    gain: Any  # this and those below: an array, `Frozen`, or None
    offset: Any
    delay: Any
    drift: Any
    log_noise: Any
    quantum: float | None = eqx.field(static=True)

    def __init__(
        self,
        reading: AbstractReading,
        *,
        noise: Any,
        gain: Any = None,
        offset: Any = None,
        delay: Any = None,
        drift: Any = None,
        quantum: float | None = None,
    ):
        check_instance("reading", reading, AbstractReading)
        self.reading = reading
        self.gain = quantity("gain", gain, columns=True)
        self.offset = quantity("offset", offset, columns=True)
        self.delay = quantity("delay", delay)
        self.drift = quantity("drift", drift)
        self.log_noise = _logarithm(quantity("noise", noise, columns=True))
        self.quantum = _step(quantum)

    def __call__(self, model: AbstractMotionModel, t: Scalar, y: State) -> Float[Array, " column"]:
        """The expected value of the channel at time `t` (s), when the state is `y`, shape `(2 dof,)`."""
        sensor = unfrozen(self)
        if self.is_late:
            t, y = _earlier(model, t, y, sensor.lag(t))
        value = self.reading(Instant(model, t, y))
        for name, each in {"gain": sensor.gain, "offset": sensor.offset, "noise": sensor.log_noise}.items():
            if each is not None and each.shape not in ((), value.shape):
                raise ValueError(
                    f"`{name}` has shape {each.shape}, and the sensor reads {value.shape[0]} columns; expected one "
                    f"number, or one for each column"
                )
        if sensor.gain is not None:
            value = value * sensor.gain
        if sensor.offset is not None:
            value = value + sensor.offset
        return value

    @property
    def is_late(self) -> bool:
        """Whether the sensor has a delay or a drift."""
        return self.delay is not None or self.drift is not None

    @property
    def lags(self) -> tuple[Any, Any]:
        """Delay and drift; `None` where they are absent."""
        return self.delay, self.drift

    @property
    def scales(self) -> tuple[Any, Any]:
        """Gain and offset; `None` where they are absent."""
        return self.gain, self.offset

    def lag(self, t: Array) -> Array:
        r"""How late a value with the time stamp `t` is, $\tau = d + s\, t$, in seconds; the shape of `t`."""
        sensor = unfrozen(self)
        lag = jnp.zeros_like(t)
        lag = lag if sensor.delay is None else lag + sensor.delay
        return lag if sensor.drift is None else lag + sensor.drift * t

    @property
    def noise(self) -> Array:
        """Standard deviation of the noise, without quantisation, in the unit of the channel."""
        return jnp.exp(unfrozen(self).log_noise)

    @property
    def deviation(self) -> Array:
        """Standard deviation of a value about its expectation: noise and quantisation together."""
        if self.quantum is None:
            return self.noise
        return jnp.sqrt(self.noise**2 + self.quantum**2 / 12)

    def __repr__(self) -> str:
        names = ("gain", "offset", "delay", "drift")
        shown = [f"{name}={_written(value)}" for name in names if (value := getattr(self, name)) is not None]
        shown += [f"noise={_written(self.noise)}"] + ([] if self.quantum is None else [f"quantum={self.quantum:g}"])
        return f"Sensor({self.reading}, {', '.join(shown)})"


def _earlier(model: AbstractMotionModel, t: Scalar, y: State, lag: Scalar) -> tuple[Scalar, State]:
    """Time and state `lag` seconds before the state `y` at time `t`."""
    back = Integration(diffrax.Dopri5(), stepsize_controller=StepsPerSample(STEPS_BACK))
    term = diffrax.ODETerm(lambda t, y, args: model.vector_field(t, y))
    times = SaveTimes(t, jnp.stack([jnp.zeros_like(lag), -lag]))  # a lag is lost in the round-off of large times
    return t - lag, back.rollout(term, times, y)[-1]


def quantity(name: str, value: Any, *, columns: bool = False) -> Array | Frozen | None:
    """A number or an array as a trained array, `Frozen` as a known one."""
    if value is None:
        return None
    known = value.value if isinstance(value, Frozen) else value
    try:
        array = jnp.asarray(known)
        if isinstance(known, float) or jnp.issubdtype(array.dtype, jnp.integer):
            array = jnp.asarray(known, jnp.result_type(float))
    except (TypeError, ValueError) as error:  # from JAX, whose message does not name the argument
        raise ValueError(f"`{name}` cannot be read as an array: {error}") from error
    most = 1 if columns else 0
    if array.ndim > most or not jnp.issubdtype(array.dtype, jnp.floating):
        expected = "a number, or one for each column" if columns else "a number"
        raise ValueError(f"`{name}` has shape {array.shape}, dtype {array.dtype}; expected {expected}")
    if is_concrete(array) and not np.all(np.isfinite(array)):
        raise ValueError(f"`{name}` is {value!r}; expected a finite number")
    return Frozen(array) if isinstance(value, Frozen) else array


def _step(quantum: Any) -> float | None:
    """The step of a digital reading, as a constant."""
    if quantum is None:
        return None
    if not is_positive(quantum):
        raise ValueError(f"`quantum` is {quantum!r}; expected a positive step, or None")
    return float(quantum)


def _logarithm(noise: Array | Frozen | None) -> Array | Frozen:
    known = noise.value if isinstance(noise, Frozen) else noise
    if known is None or (is_concrete(known) and not np.all(np.asarray(known) > 0)):
        raise ValueError(f"`noise` is {known}; expected a positive standard deviation, in the unit of the channel")
    return Frozen(jnp.log(known)) if isinstance(noise, Frozen) else jnp.log(known)


def _written(value: Any) -> str:
    known = value.value if isinstance(value, Frozen) else value
    text = np.array2string(np.asarray(known), precision=6, separator=", ") if is_concrete(known) else repr(known)
    return f"Frozen({text})" if isinstance(value, Frozen) else text

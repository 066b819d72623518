"""A model of motion with the sensors that observe it."""

from collections.abc import Mapping
from typing import Any

import diffrax
import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, PRNGKeyArray, PyTree

from .._checks import check_instance, floating
from .._types import State, Trajectory
from ..integrators import AbstractMotionModel, Integration
from ..networks import unfrozen
from .sensor import Sensor


class Observed(AbstractMotionModel):
    r"""A model of motion together with the sensors that observe it.

    $$\dot x = f(t, x), \qquad y_k = h(t_k, x(t_k)) + \sigma \epsilon_k$$

    `fit`, `polish` and `gauss_newton` train the model and the sensors together, with `negative_log_likelihood` or
    `observation_residual`. Rollouts are those of the model.

    **Arguments:**

    - `model`: the model of motion, such as a `NeuralLagrangian`, or a `Scaled` model. Sensors see its physical units.
    - `sensors`: a `Sensor` for each channel, by the names of the `observations` of the trajectories.

    **Raises:** `ValueError` if `model` is not a model of motion, or `sensors` are not `Sensor`s by name.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> from neural_lagrangian.observation import Observed, Position, Sensor
    >>> rig = Observed(nl.systems.Pendulum(), {"encoder": Sensor(Position(), noise=0.01, offset=0.3)})
    >>> ts = jnp.array([0.0, 0.1])
    >>> rig.readings(ts, rig(ts, jnp.array([0.5, 0.0])))["encoder"].round(3).tolist()
    [[0.8], [0.777]]
    ```
    """

    model: AbstractMotionModel
    sensors: dict[str, Sensor]

    def __init__(self, model: AbstractMotionModel, sensors: Mapping[str, Sensor]):
        check_instance("model", model, AbstractMotionModel)
        if not isinstance(sensors, Mapping) or not sensors:
            raise ValueError(f"`sensors` is {sensors!r}; expected a dictionary from names of channels to `Sensor`s")
        for name, sensor in sensors.items():
            check_instance(f"sensors[{name!r}]", sensor, Sensor)
        self.model = model
        self.sensors = dict(sorted(sensors.items()))  # as JAX orders a dictionary

    @property  # Equinox allows a property for an abstract variable
    def integration(self) -> Integration:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The integration of the model."""
        return self.model.integration

    def vector_field(self, t: ArrayLike, y: Array, args: PyTree = None) -> State:
        return self.model.vector_field(t, y, args)

    def solve(self, ts: ArrayLike, y0: ArrayLike, args: PyTree = None) -> diffrax.Solution:
        return self.model.solve(ts, y0, args)

    def __call__(self, ts: ArrayLike, y0: ArrayLike, args: PyTree = None) -> Trajectory:
        return self.model(ts, y0, args)

    def readings(self, ts: ArrayLike, ys: ArrayLike) -> dict[str, Float[Array, "time column"]]:
        """The expected value of each channel, of shape `(time, column)`, along a motion.

        **Arguments:**

        - `ts`: times in seconds, shape `(time,)`. `ys`: the states at those times, shape `(time, 2 dof)`.
        """
        ys = floating("ys", ys, ("time", "2 dof"))
        ts = floating("ts", ts, (ys.shape[0],)).astype(ys.dtype)
        model = unfrozen(self.model)

        def readings(t: Array, y: Array) -> dict[str, Array]:
            return {name: sensor(model, t, y) for name, sensor in self.sensors.items()}

        return jax.vmap(readings)(ts, ys)

    def observe(self, ts: ArrayLike, ys: ArrayLike, *, key: PRNGKeyArray) -> dict[str, Float[Array, "time column"]]:
        """Simulate the observations of a motion: readings with noise, rounded to the quantum of each sensor.

        **Arguments:**

        - `ts`, `ys`: as for `readings`. `key`: a JAX random key, for the noise.
        """
        values = self.readings(ts, ys)
        keys = dict(zip(values, jax.random.split(key, len(values)), strict=True))
        return {name: _recorded(self.sensors[name], value, keys[name]) for name, value in values.items()}


def _recorded(sensor: Sensor, value: Array, key: PRNGKeyArray) -> Any:
    noise = jax.random.normal(key, value.shape, value.dtype)
    value = value + jnp.broadcast_to(sensor.noise, value.shape[1:])[None] * noise
    return value if sensor.quantum is None else sensor.quantum * jnp.round(value / sensor.quantum)

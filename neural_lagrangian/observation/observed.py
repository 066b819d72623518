"""A model of motion with the sensors that observe it."""

from collections.abc import Mapping
from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, PRNGKeyArray, PyTree

from .._checks import check_instance, floating
from .._types import State, Trajectory
from ..integrators import AbstractMotionModel, Integration
from ..networks import RUN, parameters_of_runs, unfrozen, with_args, with_parameters
from .population import Population
from .sensor import Sensor


class Observed(AbstractMotionModel):
    r"""A model of motion together with the sensors that observe it.

    $$\dot x = f(t, x), \qquad y_k = h(t_k, x(t_k)) + \sigma \epsilon_k$$

    `fit`, `polish` and `gauss_newton` train the model and the sensors together, with `negative_log_likelihood` or
    `observation_residual`. Rollouts are those of the model.

    **Arguments:**

    - `model`: the model of motion, such as a `NeuralLagrangian`, or a `Scaled` model. Sensors see its physical units.
    - `sensors`: a `Sensor` for each channel, by the names of the `observations` of the trajectories.
    - `population`: a `Population` of parameters that are not known, if the model depends on some. Rollouts then need
      the run, `model(ts, y0, {"run": 0})`, or the values of another run, `model(ts, y0, {"length": 1.2})`.

    **Raises:** `ValueError` if `model` is not a model of motion, `sensors` are not `Sensor`s by name, or the model does
    not depend on the parameters of the population.

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
    population: Population | None

    def __init__(
        self, model: AbstractMotionModel, sensors: Mapping[str, Sensor], *, population: Population | None = None
    ):
        check_instance("model", model, AbstractMotionModel)
        if not isinstance(sensors, Mapping) or not sensors:
            raise ValueError(f"`sensors` is {sensors!r}; expected a dictionary from names of channels to `Sensor`s")
        for name, sensor in sensors.items():
            check_instance(f"sensors[{name!r}]", sensor, Sensor)
        self.model = model
        self.sensors = dict(sorted(sensors.items()))  # as JAX orders a dictionary
        self.population = population
        if population is not None:
            _check_population(population, parameters_of_runs((self.model, self.sensors)))

    @property  # Equinox allows a property for an abstract variable
    def integration(self) -> Integration:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The integration of the model."""
        return self.model.integration

    def vector_field(self, t: ArrayLike, y: Array, args: PyTree = None) -> State:
        return self._of_run(args).model.vector_field(t, y)

    def solve(self, ts: ArrayLike, y0: ArrayLike, args: PyTree = None) -> diffrax.Solution:
        return self._of_run(args).model.solve(ts, y0)

    def __call__(self, ts: ArrayLike, y0: ArrayLike, args: PyTree = None) -> Trajectory:
        return self._of_run(args).model(ts, y0)

    def readings(self, ts: ArrayLike, ys: ArrayLike, args: PyTree = None) -> dict[str, Float[Array, "time column"]]:
        """The expected value of each channel, of shape `(time, column)`, along a motion.

        **Arguments:**

        - `ts`: times in seconds, shape `(time,)`. `ys`: the states at those times, shape `(time, 2 dof)`.
        - `args`: parameters of the run by name, as for rollouts.
        """
        ys = floating("ys", ys, ("time", "2 dof"))
        ts = floating("ts", ts, (ys.shape[0],)).astype(ys.dtype)
        of_run = self._of_run(args)
        model = unfrozen(of_run.model)
        dof = getattr(model, "dof", None)
        if ys.shape[1] % 2 or (dof is not None and ys.shape[1] != 2 * dof):
            expected = "2 dof" if dof is None else str(2 * dof)
            raise ValueError(f"`ys` has shape {ys.shape}; expected (time, {expected}), each row [q, v]")

        def readings(t: Array, y: Array) -> dict[str, Array]:
            return {name: sensor(model, t, y) for name, sensor in of_run.sensors.items()}

        return jax.vmap(readings)(ts, ys)

    def observe(
        self, ts: ArrayLike, ys: ArrayLike, args: PyTree = None, *, key: PRNGKeyArray
    ) -> dict[str, Float[Array, "time column"]]:
        """Simulate the observations of a motion: readings with noise, rounded to the quantum of each sensor.

        **Arguments:**

        - `ts`, `ys`, `args`: as for `readings`. `key`: a JAX random key, for the noise.
        """
        values = self.readings(ts, ys, args)
        keys = dict(zip(values, jax.random.split(key, len(values)), strict=True))
        return {name: _recorded(self.sensors[name], value, keys[name]) for name, value in values.items()}

    def of_run(self, args: PyTree) -> "Observed":
        """The model of one run, without the population: for the smoother, the filter, plots and export.

        **Arguments:**

        - `args`: parameters by name. With a population, `{"run": 0}` takes the estimates of that run.

        **Raises:** `ValueError` as `networks.with_parameters`.
        """
        return eqx.tree_at(lambda m: m.population, with_parameters(self, args), None, is_leaf=lambda x: x is None)

    def _of_run(self, args: PyTree) -> "Observed":
        """The model of one run.

        **Raises:** `ValueError` if parameters are not known and nothing says which run it is.
        """
        of_run = with_args(self, args)
        if of_run.population is not None and not of_run.population.is_bound:
            raise ValueError(
                f"`args` is None, and the parameters {sorted(of_run.population.names)} of `model` differ from run "
                f"to run; expected the run, such as {{'run': 0}}, or their values by name"
            )
        return of_run


def _check_population(population: Population, known: dict[str, Array]) -> None:
    check_instance("population", population, Population)
    for name in population.names:
        if name not in known:
            raise ValueError(
                f"`population` has the parameter {name!r}; expected some of those that `networks.Conditioned` parts of "
                f"`model` and `sensors` have, {sorted(known)}"
            )
        if known[name].shape:
            raise ValueError(f"the parameter {name!r} has shape {known[name].shape}; a population needs single numbers")
    if RUN in known:
        raise ValueError(f"`model` has a parameter {RUN!r}, which says which run it is; expected another name")


def _recorded(sensor: Sensor, value: Array, key: PRNGKeyArray) -> Any:
    noise = jax.random.normal(key, value.shape, value.dtype)
    value = value + jnp.broadcast_to(sensor.noise, value.shape[1:])[None] * noise
    return value if sensor.quantum is None else sensor.quantum * jnp.round(value / sensor.quantum)

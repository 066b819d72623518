"""Parts of a model that depend on parameters of each run, such as a length or a payload."""

import abc
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike

from .._checks import is_concrete, is_named, no_args
from .._types import Network
from ..numerics import AbstractFrozen

Model = TypeVar("Model")

RUN = "run"
"""The name of the parameter that says of which run a trajectory is, for parameters that are not known."""


class Conditioned(eqx.Module):
    r"""A function that depends on known parameters of the run: $f(x_1, x_2, \dots; \pi)$.

    It can be any part of a model: a Lagrangian $L(t, q, v; \pi)$, a potential $V(q; \pi)$, a force. One model then
    describes many systems. `Trajectories(parameters=...)` hold the parameters of each trajectory, and `fit`, `polish`
    and `gauss_newton` pass them on. `with_parameters` sets them for one system. They are not trained.

    **Arguments:**

    - `function`: callable of the usual arguments and of a dictionary from names to arrays, `function(*inputs,
      parameters)`. Make it an `eqx.Module` if it has arrays to train.
    - `parameters`: values by name, in your units, such as `{"length": 1.0}`. They are used until others are set, and
      give the names and shapes.

    **Raises:** `ValueError` if `parameters` is empty, or has values that are not numbers or arrays.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> pendulum = lambda t, q, v, p: 0.5 * (p["length"] * v[0]) ** 2 + 9.81 * p["length"] * jnp.cos(q[0])
    >>> lagrangian = nl.networks.Conditioned(pendulum, {"length": 1.0})
    >>> model = nl.NeuralLagrangian.from_lagrangian(lagrangian, dof=1)
    >>> long = nl.networks.with_parameters(model, {"length": 2.0})
    >>> round(float(long.acceleration(0.0, jnp.array([jnp.pi / 2]), jnp.zeros(1))[0]), 3)  # -g / length
    -4.905
    ```
    """

    function: Callable[..., Any]
    parameters: "_Parameters"

    def __init__(self, function: Callable[..., Any], parameters: Mapping[str, ArrayLike]):
        if not callable(function):
            raise ValueError(f"`function` is {function!r}; expected a callable `(*inputs, parameters)`")
        self.function = function
        self.parameters = _Parameters(_arrays(parameters))

    def __call__(self, *inputs: Any) -> Any:
        return self.function(*inputs, self.parameters.values)


class WithInputs(eqx.Module):
    """A network that gets the parameters as further inputs, each less its centre and divided by its typical size.

    **Arguments:**

    - `network`: callable of the usual inputs followed by all parameters, one number after the other.
    - `sizes`: the typical size of each parameter, in its unit, so that the inputs are of order one.
    - `centres`: the value of each parameter for which its input is zero (default: zero).
    """

    network: Network
    sizes: "_Parameters"
    centres: "_Parameters | None"

    def __init__(
        self, network: Network, sizes: Mapping[str, ArrayLike], centres: Mapping[str, ArrayLike] | None = None
    ):
        self.network = network
        self.centres = None if centres is None else _Parameters(_arrays(centres))
        self.sizes = _Parameters({name: jnp.where(x == 0, 1, jnp.abs(x)) for name, x in _arrays(sizes).items()})

    def __call__(self, x: Array, parameters: Mapping[str, Array]) -> Array:
        sizes = self.sizes.values
        if self.centres is not None:
            parameters = {name: parameters[name] - centre for name, centre in self.centres.values.items()}
        inputs = [jnp.ravel(parameters[name] / sizes[name]).astype(x.dtype) for name in sorted(sizes)]
        return self.network(jnp.concatenate([x, *inputs]))


class AbstractUnknown(eqx.Module):
    """Parameters of runs that are not known, as a part of a model beside its `Conditioned` parts.

    The parameter `run` of a trajectory says which run it is. `with_parameters` then takes the values of that run.
    """

    @property
    @abc.abstractmethod
    def names(self) -> tuple[str, ...]:
        """The names of the parameters that are not known."""

    @abc.abstractmethod
    def values_of(self, run: Array) -> dict[str, Array]:
        """The present estimates of one run, by name."""

    @abc.abstractmethod
    def of_run(self, run: Array | None) -> "AbstractUnknown":
        """The same estimates, which say of which run the model is. `None`: of a run with known parameters."""

    @abc.abstractmethod
    def check(self, runs: np.ndarray) -> None:
        """**Raises:** `ValueError` for runs without estimates."""


class _Parameters(AbstractFrozen):
    """Known values by name. Training does not change them; their derivatives are those of any input."""

    values: dict[str, Array]


def with_parameters(model: Model, parameters: Mapping[str, ArrayLike]) -> Model:
    """The same model with the parameters of another run in each of its `Conditioned` parts.

    **Arguments:**

    - `model`: a model, or a part of one.
    - `parameters`: all parameters of the model by name, with the shapes that they have there. If the model has
      estimates of some of them (`observation.Population`), the number of the `run` may stand for those.

    **Raises:** `ValueError` if the model has no `Conditioned` part, if names are missing or unknown, for other shapes,
    or for a run without estimates.

    **Example:**

    ```python
    >>> import neural_lagrangian as nl
    >>> weight = nl.networks.Conditioned(lambda q, p: p["mass"] * 9.81 * q, {"mass": 1.0})
    >>> nl.networks.with_parameters(weight, {"mass": 2.0})(1.0).item()
    19.62
    ```
    """
    known = parameters_of_runs(model)
    given = _arrays(parameters)
    if not known:
        raise ValueError(
            f"`parameters` are {', '.join(map(repr, given))}, but `model` does not depend on parameters; expected a "
            f"model with a `nl.networks.Conditioned` part"
        )
    unknown = unknown_of(model)
    if unknown is not None:
        run = given.pop(RUN, None)
        if run is not None and is_concrete(run):
            unknown.check(np.asarray(run))
        given |= {} if run is None else unknown.values_of(run)
        model = eqx.tree_at(unknown_of, model, unknown.of_run(run))
    if set(given) != set(known):
        instead = "" if unknown is None else f"; {RUN!r} may stand for {sorted(unknown.names)}"
        raise ValueError(
            f"`parameters` has the names {sorted(parameters)}; expected those of the model, {sorted(known)}{instead}"
        )
    for name, value in given.items():
        if value.shape != known[name].shape:
            raise ValueError(f"`parameters[{name!r}]` has shape {value.shape}; expected {known[name].shape}")

    def bound(node: Any) -> Any:
        if not _is_conditioned(node):
            return node
        values = {name: given[name].astype(value.dtype) for name, value in node.parameters.values.items()}
        return eqx.tree_at(lambda node: (node.function, node.parameters), node, (nested(node), _Parameters(values)))

    def nested(node: Conditioned) -> Any:
        return jax.tree.map(bound, node.function, is_leaf=_is_conditioned)

    return jax.tree.map(bound, model, is_leaf=_is_conditioned)


def with_args(model: Model, args: Any) -> Model:
    """The model with the parameters `args`, as an argument of a rollout; unchanged for `None`.

    **Raises:** `ValueError` as `with_parameters`, and for a model that does not depend on parameters.
    """
    if args is None:
        return model
    if not parameters_of_runs(model):
        no_args(args)
    return with_parameters(model, args)


def parameters_of_runs(model: Any) -> dict[str, Array]:
    """The parameters in the `Conditioned` parts of a model, by name; empty if there are none."""
    found: dict[str, Array] = {}
    for node in jax.tree.leaves(model, is_leaf=_is_conditioned):
        if _is_conditioned(node):
            found |= parameters_of_runs(node.function) | node.parameters.values
    return found


def unknown_of(model: Any) -> AbstractUnknown | None:
    """The estimates of parameters that are not known in a model; `None` if there are none."""
    nodes = jax.tree.leaves(model, is_leaf=_is_unknown)
    return next((node for node in nodes if _is_unknown(node)), None)


def check_runs(model: Any, parameters: Mapping[str, np.ndarray] | None) -> None:
    """**Raises:** `ValueError` if the parameters of trajectories are of runs without estimates in the model."""
    unknown = unknown_of(model)
    if unknown is not None and parameters is not None and RUN in parameters:
        unknown.check(parameters[RUN])


def _is_unknown(node: Any) -> bool:
    return isinstance(node, AbstractUnknown)


def _is_conditioned(node: Any) -> bool:
    return isinstance(node, Conditioned)


def _arrays(parameters: Any) -> dict[str, Array]:
    """**Raises:** `ValueError` unless `parameters` are numbers or arrays by name."""
    if not is_named(parameters):
        raise ValueError(f"`parameters` is {parameters!r:.80}; expected values by name, such as {{'length': 1.0}}")
    arrays = {}
    for name, value in parameters.items():
        array = value if isinstance(value, jax.Array) else np.asarray(value)
        if array.dtype.kind not in "fiu":
            raise ValueError(f"`parameters[{name!r}]` is {value!r:.80}; expected a real number, or an array of them")
        single = isinstance(value, jax.Array) and array.dtype.kind == "f"
        arrays[name] = jnp.asarray(array, array.dtype if single else jnp.result_type(float))
    return arrays

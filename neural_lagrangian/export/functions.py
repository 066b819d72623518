"""The functions of a model that a program in another language needs, as pure functions that JAX can trace."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core
from jaxtyping import Array

from .._checks import positive_integer
from ..integrators import AbstractMotionModel
from ..mechanics import inverse_dynamics
from ..models import Scaled, control_sizes, has_memory, with_held_control, with_precision, without_control
from .errors import ExportError
from .memory import Memory, whole
from .translation import Translator


class TracedFunction(NamedTuple):
    """A function of some of t, q, v, a and u, as a jaxpr.

    `inputs` are names and shapes of the arguments, `outputs` names and shapes of the results; `meaning` is a sentence.
    """

    name: str
    jaxpr: core.ClosedJaxpr
    inputs: dict[str, tuple[int, ...]]
    outputs: dict[str, tuple[int, ...]]
    meaning: str


class ModelFunctions:
    """The functions of a model with `dof` degrees of freedom (`None`: those of the model), in the precision of `dtype`.

    Controls of a `ControlForce` are an argument `u` of the functions, held during a step. A controller, callable
    `(t, y) -> u`, is the function `control`, and what sensors see, callable `(t, y) -> (m,)`, is `observation`.
    """

    def __init__(
        self,
        model: AbstractMotionModel,
        dof: int | None,
        dtype: Any,
        controller: Callable[..., Array] | None = None,
        observation: Callable[..., Array] | None = None,
    ):
        if has_memory(model):
            raise ExportError(
                "`model` has forces with memory, whose internal states are not part of [q, v]; expected a model "
                "without them, such as the inner model of a `WithMemory`, `model.model`"
            )
        for name, function in {"controller": controller, "observation": observation}.items():
            if function is not None and not callable(function):
                raise ValueError(f"`{name}` is {function!r}; expected a callable `(t, y)`")
        self.controller, self.observation = (
            None if part is None else with_precision(part, dtype) for part in (controller, observation)
        )
        self.model, self.dof, self.dtype = with_precision(model, dtype), degrees_of_freedom(model, dof), dtype
        model, dof = self.model, self.dof
        sizes = control_sizes(model, dof)
        if len(sizes) > 1:
            raise ExportError(
                f"`model` has {len(sizes)} forces of the kind ControlForce; expected one with all controls"
            )
        self.controls = sizes[0] if sizes else 0
        if controller is not None and not self.controls:
            raise ValueError("`controller` is given, and `model` has no ControlForce; expected a model with one")
        inner = model.model if isinstance(model, Scaled) else model
        self.is_second_order = self._is_second_order(inner)
        self.names = ["acceleration" if self.is_second_order else "rate"]
        self.names += ["energy"] * hasattr(inner, "energy") + ["step"]
        if hasattr(inner, "lagrangian") and getattr(inner, "constraint", None) is None:
            self.names.append("torque")
        self.names.append("linearization")
        self.names += ["control"] * (controller is not None) + ["observation"] * (observation is not None)

    def traced(self, name: str) -> TracedFunction:
        """A function by its name; not `step`, which is written in terms of the others."""
        n, fn = self.dof, getattr(self, f"_{name}")
        state, driven = self._state(), self._state() | self._held()
        inputs, outputs, meaning = {
            "acceleration": (driven, {"a": (n,)}, "Acceleration a at coordinates q and velocities v."),
            "rate": (driven, {"dq": (n,), "dv": (n,)}, "Rate of change (dq, dv) of the state (q, v)."),
            "energy": (state, {"": ()}, "Energy at coordinates q and velocities v."),
            "torque": (
                state | {"a": (n,)},
                {"tau": (n,)},
                "Force tau that the acceleration a needs in addition to the friction (inverse dynamics).",
            ),
            "linearization": (
                driven,
                {"A": (2 * n, 2 * n)},
                "Derivative of the rate of change of [q, v] with respect to [q, v], row by row.",
            ),
            "control": (
                state,
                {"u": (self.controls,)},
                "Control u of the controller at coordinates q and velocities v.",
            ),
            "observation": (
                state,
                {"z": (self._channels(),)},
                "What the sensors see, z, at coordinates q and velocities v.",
            ),
        }[name]
        return TracedFunction(name, self._trace(fn, inputs), inputs, outputs, meaning)

    def _trace(self, fn: Callable[..., Any], inputs: dict[str, tuple[int, ...]]) -> core.ClosedJaxpr:
        shapes = [jax.ShapeDtypeStruct(shape, self.dtype) for shape in inputs.values()]
        return jax.make_jaxpr(lambda *args: fn(**dict(zip(inputs, args, strict=True))))(*shapes)

    def _is_second_order(self, inner: Any) -> bool:
        """Whether the rate of change of the coordinates is the velocity. Units, which round, do not matter for it."""
        memory = Memory()

        def rate(t: Array, q: Array, v: Array, u: Array | None = None) -> Array:
            driven = with_held_control(inner, u) if self.controls and u is not None else inner
            return driven.vector_field(t, jnp.concatenate([q, v]))[: self.dof]

        inputs = self._state() | self._held()
        arguments = [whole(memory.new(math.prod(s), self.dtype, is_array=True), s) for s in inputs.values()]
        results = Translator(memory, "its vector field").run(self._trace(rate, inputs), arguments)
        return np.array_equal(results[0].cells, arguments[2].cells)

    def _state(self) -> dict[str, tuple[int, ...]]:
        return {"t": (), "q": (self.dof,), "v": (self.dof,)}

    def _held(self) -> dict[str, tuple[int, ...]]:
        return {"u": (self.controls,)} if self.controls else {}

    def _driven(self, u: Array | None) -> Any:
        return with_held_control(self.model, u) if self.controls and u is not None else self.model

    def _field(self, t: Array, q: Array, v: Array, u: Array | None = None) -> Array:
        return self._driven(u).vector_field(t, jnp.concatenate([q, v]))

    def _acceleration(self, t: Array, q: Array, v: Array, u: Array | None = None) -> Array:
        return self._field(t, q, v, u)[self.dof :]

    def _rate(self, t: Array, q: Array, v: Array, u: Array | None = None) -> list[Array]:
        return jnp.split(self._field(t, q, v, u), 2)

    def _energy(self, t: Array, q: Array, v: Array) -> Array:
        return self.model.energy(t, q, v)  # pyright: ignore[reportAttributeAccessIssue]

    def _torque(self, t: Array, q: Array, v: Array, a: Array) -> Array:
        model: Any = without_control(self.model)
        return inverse_dynamics(model.lagrangian, t, q, v, a, force=model.force)

    def _linearization(self, t: Array, q: Array, v: Array, u: Array | None = None) -> Array:
        return jax.jacfwd(lambda y: self._driven(u).vector_field(t, y))(jnp.concatenate([q, v]))

    def _control(self, t: Array, q: Array, v: Array) -> Array:
        assert self.controller is not None
        u = jnp.asarray(self.controller(t, jnp.concatenate([q, v])))
        if u.shape != (self.controls,):
            raise ValueError(
                f"`controller` returned shape {u.shape}; expected ({self.controls},), the controls of `model`"
            )
        return u

    def _observation(self, t: Array, q: Array, v: Array) -> Array:
        assert self.observation is not None
        seen = self.observation(t, jnp.concatenate([q, v]))
        if isinstance(seen, dict) or len(jax.tree.leaves(seen)) == 0:
            raise ValueError(
                f"`observation` returned {seen!r:.80}; expected an array, such as the readings of a sensor"
            )
        values = jnp.ravel(jnp.asarray(seen))
        if values.size == 0:
            raise ValueError("`observation` returned no value; expected at least one")
        return values

    def _channels(self) -> int:
        """The number of values that the sensors see."""
        if self.observation is None:
            return 0
        t, q, v = (jax.ShapeDtypeStruct(shape, self.dtype) for shape in self._state().values())
        return jax.eval_shape(self._observation, t, q, v).size


def degrees_of_freedom(model: Any, dof: int | None) -> int:
    """The degrees of freedom of a model, or those that are given if it does not know them."""
    inner = model.model if isinstance(model, Scaled) else model
    own = len(model.scaling.q_scale) if isinstance(model, Scaled) else getattr(inner, "dof", None)
    if dof is None and own is None:
        raise ValueError("`dof` is None, and the model does not know its degrees of freedom; expected an integer")
    if dof is not None and own is not None and dof != own:
        raise ValueError(f"`dof` is {dof}; expected {own}, the degrees of freedom of the model")
    return positive_integer("dof", own if dof is None else dof)

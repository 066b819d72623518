"""Replace the control signal of a driven model."""

from typing import Any, Literal, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike

from .._types import Signal
from ..mechanics import ControlForce, DeadTime, SampledControl
from ..networks import Frozen
from .scaled import Scaled

Model = TypeVar("Model")


def with_control(model: Model, ts: ArrayLike, us: ArrayLike, *, kind: Literal["linear", "hold"] | None = None) -> Model:
    """The same model with the control signal of its `ControlForce` replaced by samples.

    A rollout with a recorded control is `with_control(model, ts, us)(ts, y0)`. Use `vmap` for many recordings.

    **Arguments:**

    - `model`: any model with exactly one `ControlForce`, or a `Scaled` model of such a model.
    - `ts`: times, shape `(time,)`, in seconds. `us`: the control at those times, shape `(time, m)`.
    - `kind`: interpolation between samples, as for `SampledControl`. `None` means that of the control it replaces, or
      linear if there was none.

    **Raises:** `ValueError` for an unknown kind, and if the model has no `ControlForce`, or several.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> free, motor = (lambda t, q, v: 0.5 * v @ v), nl.mechanics.ControlForce()
    >>> model = nl.NeuralLagrangian.from_lagrangian(free, force=motor)
    >>> driven = nl.models.with_control(model, jnp.array([0.0, 2.0]), jnp.array([[3.0], [3.0]]))
    >>> driven.acceleration(1.0, jnp.zeros(1), jnp.zeros(1)).tolist()  # 3 N on 1 kg
    [3.0]
    ```
    """
    if isinstance(model, Scaled):  # its inner model has its own time
        ts = jnp.asarray(ts)
        inner = with_control(model.model, ts / jnp.asarray(model.scaling.t_scale, ts.dtype), us, kind=kind)
        return eqx.tree_at(lambda m: m.model, model, inner)
    if any(map(_is_scaled, jax.tree.leaves(model, is_leaf=_is_scaled))):  # a model around a scaled one
        return jax.tree.map(
            lambda node: with_control(node, ts, us, kind=kind) if _is_scaled(node) else node, model, is_leaf=_is_scaled
        )
    forces = _control_forces(model)
    if len(forces) != 1:
        raise ValueError(
            f"`model` has {len(forces)} forces of the kind ControlForce; expected one, for example "
            f"`NeuralLagrangian(network, force=ControlForce())`"
        )
    (force,) = forces
    if kind is None:
        kind = force.control.kind if isinstance(force.control, SampledControl) else "linear"
    return _with_signal(model, SampledControl(ts, us, kind))


def with_dead_time(model: Model, delay: float) -> Model:
    """The same model with controls that act `delay` seconds late; unchanged if that is zero. It is not trained."""
    if delay == 0:
        return model
    if isinstance(model, Scaled):  # its inner model has its own time
        inner = with_dead_time(model.model, delay / float(model.scaling.t_scale))
        return eqx.tree_at(lambda m: m.model, model, inner)

    def late(node: Any) -> Any:
        return DeadTime(node, Frozen(jnp.asarray(delay))) if _is_control_force(node) else node

    return jax.tree.map(late, model, is_leaf=_is_control_force)


def with_holding(model: Model, dof: int) -> Model:
    """The same model with controls that are held from one sample to the next: `with_control` keeps this kind. They are
    zero until they are set.
    """

    def holding(node: Any) -> Any:
        if not _is_control_force(node):
            return node
        zero = SampledControl(jnp.zeros(1), jnp.zeros((1, node.controls(dof))), "hold")
        return eqx.tree_at(lambda force: force.control, node, zero, is_leaf=lambda x: x is None)

    return jax.tree.map(holding, model, is_leaf=_is_control_force)


def control_sizes(model: Any, dof: int) -> tuple[int, ...]:
    """Number of controls of each `ControlForce` of a model with `dof` degrees of freedom."""
    return tuple(force.controls(dof) for force in _control_forces(model))


def with_held_control(model: Model, u: Array) -> Model:
    """The same model driven by a control that does not change, shape `(m,)`. It replaces each control signal."""
    return _with_signal(model, _Held(u))


def driven_by(model: Model, ts: ArrayLike | None, us: ArrayLike | None) -> Model:
    """The model driven by recorded controls; unchanged if there are none, or if it takes none."""
    if ts is None or us is None or not takes_control(model):
        return model
    return with_control(model, ts, us)


def takes_control(model: Any) -> bool:
    """Whether the model has a `ControlForce`."""
    return bool(_control_forces(model))


def is_driven(model: Any) -> bool:
    """Whether each `ControlForce` of the model has a control signal."""
    return all(force.control is not None for force in _control_forces(model))


def without_control(model: Model) -> Model:
    """The same model without a control signal in its `ControlForce`, whose force is then zero."""
    return _with_signal(model, None)


class _Held(eqx.Module):
    u: Array

    def __call__(self, t: ArrayLike) -> Array:
        return self.u


def _with_signal(model: Model, signal: Signal | None) -> Model:
    def driven(node: Any) -> Any:
        if not _is_control_force(node):
            return node
        return eqx.tree_at(lambda f: f.control, node, signal, is_leaf=lambda x: x is None)

    return jax.tree.map(driven, model, is_leaf=_is_control_force)


def _control_forces(model: Any) -> list[ControlForce]:
    return [node for node in jax.tree.leaves(model, is_leaf=_is_control_force) if _is_control_force(node)]


def _is_scaled(node: Any) -> bool:
    return isinstance(node, Scaled)


def _is_control_force(node: Any) -> bool:
    return isinstance(node, ControlForce)

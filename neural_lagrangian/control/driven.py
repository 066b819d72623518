"""A model as a function of its control: the rate of change of a state, and its motion while the control is held."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike

from .._checks import check_instance
from .._types import State
from ..integrators import AbstractMotionModel
from ..models import control_sizes, has_memory, with_held_control, without_control
from ..networks import unfrozen
from .errors import ControlError


class Driven(eqx.Module):
    r"""A driven model $\dot y = f(t, y, u)$ with `controls` entries of $u$ and `dof` degrees of freedom."""

    model: Any
    dof: int = eqx.field(static=True)
    controls: int = eqx.field(static=True)

    def rate(self, t: ArrayLike, y: State, u: Array) -> State:
        r"""$\dot y = f(t, y, u)$, shape `(2 dof,)`."""
        return with_held_control(self.model, u).vector_field(t, y)

    def held(self, t0: ArrayLike, t1: ArrayLike, y: State, u: Array) -> State:
        """The state at `t1` if the control is held from `t0` on (zero-order hold), by the solver of the model."""
        ts = jnp.stack([jnp.asarray(t0, y.dtype), jnp.asarray(t1, y.dtype)])
        return with_held_control(self.model, u)(ts, y)[1]

    def actuation(self, t: ArrayLike, q: Array, v: Array) -> Array:
        r"""$G = \partial Q / \partial u$, shape `(dof, m)`: the generalised force of each control."""

        def force(u):
            return with_held_control(self.model, u).force(t, q, v)

        return jax.jacfwd(force)(jnp.zeros(self.controls, q.dtype))

    def affine_acceleration(self, t: ArrayLike, y: State) -> tuple[Array, Array]:
        r"""$a_0$ and $N$ of $a = a_0 + N u$, shapes `(dof,)` and `(dof, m)`."""

        def acceleration(u):
            return self.rate(t, y, u)[self.dof :]

        zero = jnp.zeros(self.controls, y.dtype)
        return acceleration(zero), jax.jacfwd(acceleration)(zero)

    @property
    def lagrangian(self) -> Any:
        """The Lagrangian of the model. **Raises:** `ControlError` for a model without one."""
        if not hasattr(self.model, "lagrangian"):
            raise ControlError(
                f"`model` is a {type(self.model).__name__}, which has no Lagrangian; expected a mechanical model, such "
                f"as a NeuralLagrangian; `lqr` and `optimize_trajectory` take any model with a ControlForce"
            )
        return self.model.lagrangian

    @property
    def passive(self) -> Any:
        """The model without control."""
        return without_control(self.model)


def driven(model: Any, y: Array) -> Driven:
    """The model as a function of its control. Frozen parts are constants, and the control in them is not.

    **Raises:** `ValueError` for another kind of model, `ControlError` for a model without exactly one `ControlForce`,
    and for one with internal states, which each held interval would start anew.
    """
    check_instance("model", model, AbstractMotionModel)
    if has_memory(model):
        raise ControlError(
            "`model` has forces with memory, whose internal states are not part of the state [q, v]; expected a model "
            "without them, such as the inner model of a `WithMemory`, `model.model`"
        )
    dof = y.shape[0] // 2
    sizes = control_sizes(model, dof)
    if len(sizes) != 1:
        raise ControlError(
            f"`model` has {len(sizes)} control forces; expected one ControlForce, for example "
            f"`NeuralLagrangian(network, force=ControlForce([[1.0], [0.0]]))`: a motor at the first of two coordinates"
        )
    return Driven(unfrozen(model), dof, sizes[0])

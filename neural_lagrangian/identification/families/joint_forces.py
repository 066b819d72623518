"""Forces at the joints of a system: friction, and the controls times their gains."""

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from ...mechanics import AbstractForce, AtJoints, ControlForce, ForceSum, LinearDamping, SmoothFriction, summed
from .friction import Friction, QuadraticDrag


class JointForces(eqx.Module):
    r"""The force $f = f_\text{friction}(r) + G u$ at joints with rates $r$, for controls $u$.

    `gain`: $G$, the force at each joint per unit of each control.
    """

    friction: Friction
    gain: Float[Array, "joint m"]

    def __call__(self, rates: Array, u: Array) -> Array:
        return self.friction(rates) + self.gain @ u

    def times(self, factor: Array) -> "JointForces":
        """The forces at each joint multiplied by a factor, shape `(joint,)`."""
        return JointForces(self.friction.times(factor), self.gain * factor[:, None])

    def in_units(self, power: ArrayLike, rate: Array, control: Sequence[float]) -> "JointForces":
        """The forces with their power multiplied by `power`, rates by `rate`, shape `(joint,)`, and controls by
        `control`, one number for each.
        """
        gain = self.gain * (power / rate)[:, None] / jnp.asarray(control, self.gain.dtype)[None]
        return JointForces(self.friction.in_units(power, rate), gain)

    def force(self, joints: np.ndarray) -> AbstractForce | None:
        """The forces on coordinates whose rates give those of the joints by a matrix; `None` if all are zero.

        With controls there is a `ControlForce`, even if no control has an effect.
        """
        driven = [ControlForce(jnp.asarray(joints.T, self.gain.dtype) @ self.gain)] if self.gain.size else []
        return summed([*self.friction.forces(joints), *driven])


def as_json(force: Any) -> list[dict[str, Any]]:
    """The forces at joints, and that of the controls, as JSON can hold them."""
    if force is None:
        return []
    if isinstance(force, ForceSum):
        return [part for term in force.terms for part in as_json(term)]
    if isinstance(force, ControlForce):
        return [{"control_matrix": numbers(force.matrix)}]
    assert isinstance(force, AtJoints)
    joints, inner = [list(row) for row in force.joints], force.force
    if isinstance(inner, LinearDamping):
        return [{"joints": joints, "damping_factor": numbers(inner.factor)}]
    if isinstance(inner, QuadraticDrag):
        return [{"joints": joints, "drag": numbers(inner.strength)}]
    assert isinstance(inner, SmoothFriction)
    return [{"joints": joints, "strength": numbers(inner.strength), "width": numbers(inner.width)}]


def of_json(part: dict[str, Any]) -> AbstractForce:
    """A force that `as_json` wrote."""

    def array(name: str) -> Array:
        return jnp.asarray(np.asarray(part[name], np.float64), jnp.result_type(float))

    if "control_matrix" in part:
        return ControlForce(array("control_matrix"))
    if "damping_factor" in part:
        return AtJoints(LinearDamping(array("damping_factor")), part["joints"])
    if "drag" in part:
        return AtJoints(QuadraticDrag(array("drag")), part["joints"])
    return AtJoints(SmoothFriction(array("strength"), array("width")), part["joints"])


def numbers(array: Any) -> list[Any]:
    """An array as JSON can hold it."""
    return np.asarray(array, np.float64).tolist()

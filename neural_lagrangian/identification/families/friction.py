"""Friction at joints: linear, dry, and quadratic drag."""

from collections.abc import Mapping

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from ..._types import Coordinates
from ...mechanics import AbstractForce, AtJoints, LinearDamping, SmoothFriction

FRICTIONS: Mapping[str, tuple[str, ...]] = {
    "no friction": (),
    "linear friction": ("linear",),
    "linear and dry friction": ("linear", "dry"),
    "linear friction and drag": ("linear", "drag"),
}
"""Kinds of friction that are tried beside each Lagrangian, from the simplest on, and the constants of each."""
WORDS = {"linear": "linear friction", "dry": "dry friction", "drag": "quadratic drag"}
"""Names of the constants of friction."""


class Friction(eqx.Module):
    r"""Friction at joints with rates $r$:

    $$f_k = -c_k r_k - \mu_k \tanh(r_k / w_k) - d_k r_k |r_k|$$

    `linear`: $c$. `dry`: $\mu$. `drag`: $d$. `width`: $w$, the rate below which dry friction falls to zero. All have
    shape `(joint,)`.
    """

    linear: Float[Array, " joint"]
    dry: Float[Array, " joint"]
    drag: Float[Array, " joint"]
    width: Float[Array, " joint"]

    def __call__(self, rates: Array) -> Array:
        return -self.linear * rates - self.dry * jnp.tanh(rates / self.width) - self.drag * rates * jnp.abs(rates)

    def times(self, factor: ArrayLike) -> "Friction":
        """The friction multiplied by a factor, a scalar or one for each joint."""
        return Friction(self.linear * factor, self.dry * factor, self.drag * factor, self.width)

    def in_units(self, power: ArrayLike, rate: ArrayLike) -> "Friction":
        """The friction with its power multiplied by `power` and its rates by `rate`, a scalar or one for each joint."""
        return Friction(
            self.linear * power / rate**2, self.dry * power / rate, self.drag * power / rate**3, self.width * rate
        )

    def forces(self, joints: np.ndarray) -> list[AbstractForce]:
        """The friction that is not zero, as forces on coordinates whose rates give those of the joints by a matrix."""
        forces: list[AbstractForce] = []
        if (some := np.flatnonzero(np.asarray(self.linear) > 0)).size:
            forces.append(AtJoints(LinearDamping(jnp.sqrt(self.linear[some])), joints[some].tolist()))
        if (some := np.flatnonzero(np.asarray(self.dry) > 0)).size:
            forces.append(AtJoints(SmoothFriction(self.dry[some], self.width[some]), joints[some].tolist()))
        if (some := np.flatnonzero(np.asarray(self.drag) > 0)).size:
            forces.append(AtJoints(QuadraticDrag(self.drag[some]), joints[some].tolist()))
        return forces


class QuadraticDrag(AbstractForce):
    r"""Drag of a turbulent flow at each rate, $Q_i = -d_i v_i |v_i|$. `strength`: $d$, shape `(joint,)`."""

    strength: Float[Array, " joint"]

    def __call__(self, t: ArrayLike, q: Array, v: Array) -> Coordinates:
        return -self.strength * v * jnp.abs(v)

r"""Natural units, which make coordinates, times and momenta of order one."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from .._types import Force, Lagrangian
from ..mechanics import EulerLagrangeTerm
from ..numerics import root_mean_square


def _or_one(size: Array) -> Array:
    return jnp.where(size > 0, size, 1)


class NaturalUnits(eqx.Module):
    r"""Natural units of coordinates, time and Lagrangian.

    $$\tilde q_i = q_i / s_i, \quad \tilde t = (t - t_0) / \tau, \quad \tilde L = L / \lambda, \quad
      \tilde v_i = v_i \tau / s_i, \quad \tilde p_i = p_i s_i / (\tau \lambda), \quad \tilde Q_i = Q_i s_i / \lambda$$

    Unlike a `Scaling` it has a unit of the Lagrangian, and JAX may trace its arrays, so each system of a batch can have
    its own units.

    - `length`: $s$, shape `(dof,)`. `time`: $\tau$. `energy`: $\lambda$. For several systems with a leading axis.
    """

    length: Float[Array, "*systems dof"]
    time: Float[Array, "*systems"]
    energy: Float[Array, "*systems"]

    @staticmethod
    def of_rows(
        q: Float[Array, "time dof"], v: Float[Array, "points dof"], p: Float[Array, "time dof"]
    ) -> "NaturalUnits":
        """The units of one motion, from root mean squares of q, of v relative to q, and of p q."""
        length = _or_one(root_mean_square(q))
        rate = _or_one(root_mean_square((root_mean_square(v) / length)[:, None])[0])
        return NaturalUnits(length, 1 / rate, _or_one(root_mean_square((p * length[None]).reshape(-1, 1))[0]) * rate)

    def term(self, term: EulerLagrangeTerm, origin: Float[Array, ""]) -> EulerLagrangeTerm:
        """The same equations of motion in these units, with time counted from `origin`, $t_0$."""
        force: Force | None = term.force

        def scaled_force(t, q, v):
            Q = force(*self._physical(origin, t, q, v))  # pyright: ignore[reportOptionalCall]
            return Q * self.length / self.energy

        return EulerLagrangeTerm(self.lagrangian(term.lagrangian, origin), None if force is None else scaled_force)

    def lagrangian(self, lagrangian: Lagrangian, origin: Float[Array, ""]) -> Lagrangian:
        """The same Lagrangian in these units, with time counted from `origin`."""
        return lambda t, q, v: lagrangian(*self._physical(origin, t, q, v)) / self.energy

    def _physical(self, origin: Array, t: ArrayLike, q: Array, v: Array) -> tuple[Array, Array, Array]:
        return origin + self.time * t, self.length * q, self.length * v / self.time

    def sizes(self, momenta: bool) -> Float[Array, " two_dof"]:
        """The unit of each channel of rows [q, v], or of rows [q, p] with `momenta`."""
        second = self.time * self.energy / self.length if momenta else self.length / self.time
        return jnp.concatenate([self.length, second])

r"""Equations of motion in units in which coordinates, times and momenta are of order one."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from .._types import Force, Lagrangian
from ..mechanics import EulerLagrangeTerm
from ..numerics import root_mean_square


def _or_one(size: Array) -> Array:
    return jnp.where(size > 0, size, 1)


class NaturalUnits(eqx.Module):
    r"""$\tilde q_i = q_i / s_i$, $\tilde t = (t - t_0) / \tau$ and $\tilde L = L / \lambda$, so that
    $\tilde v_i = v_i \tau / s_i$, $\tilde p_i = p_i s_i / (\tau \lambda)$ and $\tilde Q_i = Q_i s_i / \lambda$.

    As `Scaling`, but with a unit of the Lagrangian and arrays that may be traced: the systems of a batch each have
    their own.

    - `length`: $s$, shape `(dof,)`. `time`: $\tau$. `energy`: $\lambda$. Of several systems with an axis in front.
    """

    length: Float[Array, "*systems dof"]
    time: Float[Array, "*systems"]
    energy: Float[Array, "*systems"]

    @staticmethod
    def of_rows(
        q: Float[Array, "time dof"], v: Float[Array, "points dof"], p: Float[Array, "time dof"]
    ) -> "NaturalUnits":
        """Those of one motion: root mean squares of the coordinates; of the rates of all, over these; and of p q."""
        length = _or_one(root_mean_square(q))
        rate = _or_one(root_mean_square((root_mean_square(v) / length)[:, None])[0])
        return NaturalUnits(length, 1 / rate, _or_one(root_mean_square((p * length[None]).reshape(-1, 1))[0]) * rate)

    def term(self, term: EulerLagrangeTerm, origin: Float[Array, ""]) -> EulerLagrangeTerm:
        """The same motion in these units, its time counted from `origin`, $t_0$."""
        force: Force | None = term.force

        def scaled_force(t, q, v):
            Q = force(*self._physical(origin, t, q, v))  # pyright: ignore[reportOptionalCall]
            return Q * self.length / self.energy

        return EulerLagrangeTerm(self.lagrangian(term.lagrangian, origin), None if force is None else scaled_force)

    def lagrangian(self, lagrangian: Lagrangian, origin: Float[Array, ""]) -> Lagrangian:
        """The same Lagrangian in these units, its time counted from `origin`."""
        return lambda t, q, v: lagrangian(*self._physical(origin, t, q, v)) / self.energy

    def _physical(self, origin: Array, t: ArrayLike, q: Array, v: Array) -> tuple[Array, Array, Array]:
        return origin + self.time * t, self.length * q, self.length * v / self.time

    def sizes(self, momenta: bool) -> Float[Array, " two_dof"]:
        """Of each channel of rows [q, v], or [q, p]: what they are divided by."""
        second = self.time * self.energy / self.length if momenta else self.length / self.time
        return jnp.concatenate([self.length, second])

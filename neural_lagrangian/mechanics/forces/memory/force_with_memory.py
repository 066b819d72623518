r"""Generalised forces with internal states, $Q(t, q, v, z)$ with $\dot z = f(t, q, v, z)$."""

import abc

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from ...._types import Coordinates, Scalar

InternalStates = Float[Array, " internal"]


class AbstractForceWithMemory(eqx.Module):
    r"""A generalised force that depends on internal states $z$ with their own rates:

    $$Q = Q(t, q, v, z), \qquad \dot z = f(t, q, v, z).$$

    `models.WithMemory(model, force)` integrates them together with the motion. A subclass is one law: its internal
    states and their initial values, the force, the rate, and the energy that is stored in them.
    """

    @abc.abstractmethod
    def size(self, dof: int) -> int:
        """Number of internal states for `dof` degrees of freedom."""

    @abc.abstractmethod
    def initial(self, t: ArrayLike, q: Array, v: Array) -> InternalStates:
        """Internal states at the start of a rollout at the state `(t, q, v)`, shape `(internal,)`."""

    @abc.abstractmethod
    def force(self, t: ArrayLike, q: Array, v: Array, z: Array) -> Coordinates:
        """The force $Q(t, q, v, z)$, shape `(dof,)`, in joules per unit of `q`."""

    @abc.abstractmethod
    def rate(self, t: ArrayLike, q: Array, v: Array, z: Array) -> InternalStates:
        r"""The rate $\dot z = f(t, q, v, z)$, shape `(internal,)`."""

    @abc.abstractmethod
    def stored_energy(self, t: ArrayLike, q: Array, v: Array, z: Array) -> Scalar:
        """The energy $W(t, q, v, z)$ that can be recovered from the internal states, in joules. Zero if none is."""

    def dissipation(self, t: ArrayLike, q: Array, v: Array, z: Array) -> Scalar:
        r"""The power that becomes heat, in watts: the power taken from the motion that is not stored,

        $$D = -Q \cdot v - \frac{\partial W}{\partial z} \cdot \dot z.$$

        The force is passive if $D \ge 0$. (It assumes that $W$ depends on $z$ only, as in all laws of this package.)
        """
        released = jax.grad(self.stored_energy, argnums=3)(t, q, v, z) @ self.rate(t, q, v, z)
        return -jnp.dot(self.force(t, q, v, z), v) - released

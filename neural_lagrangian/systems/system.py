"""What every physical system offers."""

import abc

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, PyTree

from .._types import Coordinates, Scalar, State
from ..integrators import AbstractRolloutModel, Integration


class AbstractSystem(AbstractRolloutModel):
    """A physical system with known equations: a rollout model, and the truth that learned models are held against.

    The acceleration of each system is derived by hand, not from its Lagrangian: an independent oracle.
    """

    integration: eqx.AbstractVar[Integration]

    @abc.abstractmethod
    def lagrangian(self, t: ArrayLike, q: Array, v: Array) -> Scalar:
        """The Lagrangian $L(t, q, v)$, in joules."""

    @abc.abstractmethod
    def acceleration(self, t: ArrayLike, q: Array, v: Array) -> Coordinates:
        """The hand-derived acceleration, shape `(dof,)`."""

    @abc.abstractmethod
    def energy(self, t: ArrayLike, q: Array, v: Array) -> Scalar:
        """The hand-derived energy, in joules."""

    def vector_field(self, t: ArrayLike, y: Array, args: PyTree = None) -> State:
        q, v = jnp.split(y, 2)
        return jnp.concatenate([v, self.acceleration(t, q, v)])

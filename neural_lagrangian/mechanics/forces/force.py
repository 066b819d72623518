r"""Generalised forces $Q(t, q, v)$ that are not part of a Lagrangian, and their sums.

Any callable `force(t, q, v) -> (dof,)` is a force. The forces of this package can be added to any other force.
"""

import abc
import functools
from collections.abc import Sequence
from typing import Any, TypeGuard

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike

from ..._types import Coordinates, Force


class AbstractForce(eqx.Module):
    """A generalised force $Q(t, q, v)$, shape `(dof,)`, in joules per unit of `q`. Forces add: `damping + motor`."""

    @abc.abstractmethod
    def __call__(self, t: ArrayLike, q: Array, v: Array) -> Coordinates:
        """The force $Q(t, q, v)$, shape `(dof,)`."""

    def __add__(self, other: Force) -> "ForceSum":
        return ForceSum((*terms_of(self), *terms_of(other)))

    def __radd__(self, other: Force) -> "ForceSum":
        return ForceSum((*terms_of(other), *terms_of(self)))


class ForceSum(AbstractForce):
    r"""$Q = \sum_k Q_k$."""

    terms: tuple[Force, ...]

    def damping_matrix(self, q: Array, v: Array) -> Array:
        """The sum of the damping matrices of the terms that have one, such as `LinearDamping`; shape `(dof, dof)`.

        **Raises:** `ValueError` if no term has a damping matrix.
        """
        matrices = [term.damping_matrix(q, v) for term in self.terms if has_damping_matrix(term)]
        if not matrices:
            raise ValueError(f"the force {self} has no damping matrix; expected a sum that contains a LinearDamping")
        return functools.reduce(jnp.add, matrices)

    def __repr__(self) -> str:
        return " + ".join(map(repr, self.terms))

    def __call__(self, t: ArrayLike, q: Array, v: Array) -> Coordinates:
        first, *others = self.terms
        return sum((term(t, q, v) for term in others), first(t, q, v))


def has_damping_matrix(force: Any) -> TypeGuard[Any]:
    """Whether a force, or a term of it, has a damping matrix."""
    if isinstance(force, ForceSum):
        return any(map(has_damping_matrix, force.terms))
    return callable(getattr(force, "damping_matrix", None))


def summed(forces: Sequence[AbstractForce | None]) -> AbstractForce | None:
    """The sum of those forces that are there; `None` if there are none."""
    some = [force for force in forces if force is not None]
    return sum(some[1:], some[0]) if some else None


def terms_of(force: Force | None) -> tuple[Force, ...]:
    """The terms of a sum; of no sum the force itself, and nothing of `None`."""
    if force is None:
        return ()
    if isinstance(force, ForceSum):
        return force.terms
    if not callable(force):
        raise ValueError(f"`force` is {force!r}; expected a callable (t, q, v) -> (dof,)")
    return (force,)

"""Base classes of physical systems."""

import abc
from typing import Any

import diffrax
import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, PRNGKeyArray, PyTree

from .._checks import no_args
from .._types import Coordinates, Scalar, State
from ..integrators import AbstractRolloutModel, Integration, check_state
from ..mechanics import EulerLagrangeTerm
from .drawing import Drawing
from .parameter import check_parameters, parameters


def reference_integration() -> Any:
    """The keyword field `integration` of a system. The default is the Dormand-Prince method of order 8."""
    return eqx.field(default=None, converter=_or_reference, kw_only=True)


def _or_reference(integration: Integration | None) -> Integration:
    return Integration(diffrax.Dopri8(), max_steps=100_000) if integration is None else integration


class AbstractSystem(AbstractRolloutModel):
    """Base class of physical systems with known equations. They serve as ground truth for learned models.

    The acceleration and the energy of each system are derived by hand, not from its Lagrangian, so they are independent
    checks. Parameters are fields declared by `parameter`, with unit and range; `parameters` lists them.
    """

    integration: eqx.AbstractVar[Integration]
    """Solver and steps of rollouts."""

    def __check_init__(self):
        check_parameters(self)

    def __repr__(self) -> str:
        values = ((name, eqx.tree_pformat(x.value, short_arrays=False), x.unit) for name, x in parameters(self).items())
        shown = [f"{name}={value}" + (f" {unit}" if unit != "1" else "") for name, value, unit in values]
        return f"{type(self).__name__}({', '.join([*shown, f'integration={self.integration!r}'])})"

    @property
    @abc.abstractmethod
    def dof(self) -> int:
        """Number of degrees of freedom n."""

    @abc.abstractmethod
    def lagrangian(self, t: ArrayLike, q: Array, v: Array) -> Scalar:
        """The Lagrangian $L(t, q, v)$, in joules."""

    @abc.abstractmethod
    def force(self, t: ArrayLike, q: Array, v: Array) -> Coordinates:
        """The generalised force $Q(t, q, v)$ that is not part of the Lagrangian, shape `(dof,)`."""

    @abc.abstractmethod
    def acceleration(self, t: ArrayLike, q: Array, v: Array) -> Coordinates:
        """The hand-derived acceleration, shape `(dof,)`."""

    @abc.abstractmethod
    def energy(self, t: ArrayLike, q: Array, v: Array) -> Scalar:
        r"""The hand-derived energy $p \cdot v - L$, in joules."""

    @abc.abstractmethod
    def invariants(self, t: ArrayLike, q: Array, v: Array) -> dict[str, Scalar]:
        """Conserved quantities by name. Empty if none is known."""

    @abc.abstractmethod
    def sample_states(self, key: PRNGKeyArray, count: int) -> Array:
        """Random initial states `[q, v]` away from singularities, shape `(count, 2 dof)`."""

    @abc.abstractmethod
    def drawing(self, q: Array) -> Drawing:
        """A drawing of the system at the coordinates `q`."""

    def term(self, y: State) -> EulerLagrangeTerm:
        check_state(y, self.dof)
        return EulerLagrangeTerm(self.lagrangian, self.force, solved=self.acceleration)

    def vector_field(self, t: ArrayLike, y: Array, args: PyTree = None) -> State:
        no_args(args)
        q, v = jnp.split(y, 2)
        return jnp.concatenate([v, self.acceleration(t, q, v)])


class AbstractConservativeSystem(AbstractSystem):
    """Base class of systems whose forces are all in the Lagrangian: $Q = 0$. Otherwise as `AbstractSystem`."""

    def force(self, t: ArrayLike, q: Array, v: Array) -> Coordinates:
        return jnp.zeros_like(q)

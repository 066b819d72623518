"""The base class of trainable Lagrangians, sums of Lagrangians, and networks as Lagrangians."""

import abc
from typing import Any, ClassVar, cast

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike

from .._checks import accepts
from .._types import Lagrangian, Network, Scalar
from ..mechanics import AbstractMassSolve, Cholesky, PseudoInverse, scalar_valued
from ..networks import Frozen, network_dtype, unfrozen
from ..numerics import depends


class AbstractLagrangian(eqx.Module):
    """Base class of Lagrangians that know their degrees of freedom and how to solve with their mass matrix.

    Callable as `lagrangian(t, q, v) -> scalar`. Lagrangians can be added: `kinetic + interaction`. A plain function
    `(t, q, v)` can be added too. Wrap a network on states `[q, v]` in `StateNetwork` before adding it.
    """

    is_network: ClassVar[bool] = False
    """Whether it is a single network. A `NeuralLagrangian` adds its kinetic prior only to a network."""

    @property
    @abc.abstractmethod
    def dof(self) -> int | None:
        """Number of degrees of freedom n. `None` if any number is possible."""

    @property
    @abc.abstractmethod
    def mass_solve(self) -> AbstractMassSolve:
        """The default mass solve of $M a = b$ for this Lagrangian."""

    @property
    def has_positive_mass(self) -> bool:
        """Whether the mass matrix is positive semidefinite for all weights."""
        return isinstance(self.mass_solve, Cholesky)

    @abc.abstractmethod
    def __call__(self, t: ArrayLike, q: Array, v: Array) -> Scalar:
        """The Lagrangian $L(t, q, v)$."""

    def __add__(self, other: Any) -> "LagrangianSum":
        return LagrangianSum((*_terms(self), *_terms(other)))

    def __radd__(self, other: Any) -> "LagrangianSum":
        return LagrangianSum((*_terms(other), *_terms(self)))


class LagrangianSum(AbstractLagrangian):
    r"""A sum of Lagrangians, $L = \sum_k L_k$."""

    terms: tuple[AbstractLagrangian, ...]

    def __check_init__(self):
        if len(known := self._known()) > 1:
            raise ValueError(f"`terms` have {sorted(known)} degrees of freedom; expected the same number in each term")

    @property
    def dof(self) -> int | None:
        return next(iter(self._known()), None)

    @property
    def mass_solve(self) -> AbstractMassSolve:
        """The mass solve of the terms if they agree, else the pseudoinverse, which suits any mass matrix.

        If terms with `Cholesky` (positive definite mass) are added to others, the sum keeps `Cholesky` as long as the
        others cannot make $M$ indefinite: a potential has no part in $M$, and a `ParametricLagrangian` may have
        positive coefficients times constant inertias.
        """
        solves = [term.mass_solve for term in self.terms]
        if len(set(map(type, solves))) > 1 and any(isinstance(solve, Cholesky) for solve in solves):
            pairs = zip(self.terms, solves, strict=True)
            solves = [solve for term, solve in pairs if isinstance(solve, Cholesky) or self._may_spoil(term)]
        same = all(type(solve) is type(solves[0]) and eqx.tree_equal(solve, solves[0]) is True for solve in solves)
        return solves[0] if same else PseudoInverse()

    def __call__(self, t: ArrayLike, q: Array, v: Array) -> Scalar:
        first, *others = self.terms
        return sum((term(t, q, v) for term in others), first(t, q, v))

    def _may_spoil(self, term: AbstractLagrangian) -> bool:
        """Whether a term may make the mass matrix indefinite.

        A term that is at most linear in the velocities, or that adds positive mass, cannot.
        """
        if term.has_positive_mass:
            return False
        if self.dof is None:
            return True
        x = jnp.zeros(self.dof, network_dtype(term))
        return depends(lambda v: jax.grad(scalar_valued(term), argnums=2)(x[0], x, v), x)

    def _known(self) -> set[int]:
        """The set of `dof` values of the terms that have one."""
        return {term.dof for term in self.terms if term.dof is not None}


class StateNetwork(AbstractLagrangian):
    r"""A network on states as a Lagrangian, $L(q, v) = N([q, v])$, for sums of several terms.

    **Arguments:**

    - `network`: any callable from shape `(2 dof,)` to a scalar or to shape `(1,)`.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> potential = nl.lagrangians.StateNetwork(lambda y: -2.0 * y[0] ** 2)  # any network on [q, v]
    >>> spring = potential + (lambda t, q, v: 0.5 * v @ v)
    >>> nl.acceleration(spring, 0.0, jnp.array([1.0]), jnp.array([0.0])).tolist()
    [-4.0]
    ```
    """

    network: Network
    is_network: ClassVar[bool] = True

    @property
    def dof(self) -> int | None:
        in_size = getattr(self.network, "in_size", None)
        return in_size // 2 if isinstance(in_size, int) else None

    @property
    def mass_solve(self) -> AbstractMassSolve:
        return PseudoInverse()

    def __call__(self, t: ArrayLike, q: Array, v: Array) -> Scalar:
        L = jnp.asarray(self.network(jnp.concatenate([q, v])))
        if L.shape not in ((), (1,)):
            raise ValueError(f"`network` returned shape {L.shape}; expected a scalar, () or (1,)")
        return L.reshape(())


class GivenLagrangian(AbstractLagrangian):
    """A plain callable `(t, q, v) -> scalar` as a Lagrangian, without further information."""

    function: Lagrangian

    @property
    def dof(self) -> int | None:
        return None

    @property
    def mass_solve(self) -> AbstractMassSolve:
        return PseudoInverse()

    def __call__(self, t: ArrayLike, q: Array, v: Array) -> Scalar:
        return self.function(t, q, v)


def of_state(network: Network) -> AbstractLagrangian:
    """Turn a network on states `[q, v]` into a Lagrangian, without `Frozen` wrappers. A Lagrangian stays as it is.

    **Raises:** `ValueError` if the network cannot be called, or takes three arguments.
    """
    network = unfrozen(network)
    if isinstance(network, AbstractLagrangian):
        return network
    if not callable(network):
        raise ValueError(f"`network` is {network!r}; expected a callable on states [q, v]")
    if accepts(network, 3) and not accepts(network, 1):
        raise ValueError(
            "`network` takes three arguments; expected a callable on states [q, v]. For a function of (t, q, v) use "
            "`NeuralLagrangian.from_lagrangian`, for one of (t, q, p) `HamiltonianNetwork.from_hamiltonian`"
        )
    return StateNetwork(network)


def of_coordinates(name: str, function: Lagrangian) -> AbstractLagrangian:
    """Turn a callable `(t, q, v)` into a Lagrangian. A Lagrangian stays as it is.

    **Raises:** `ValueError` if the function cannot be called, or takes one argument. The message calls it `name`.
    """
    known: Any = function.value if isinstance(function, Frozen) else function
    if isinstance(known, AbstractLagrangian):
        return cast(AbstractLagrangian, function)  # may be a Frozen Lagrangian, which has the same attributes
    if not callable(function):
        raise ValueError(f"`{name}` is {function!r}; expected a callable (t, q, v)")
    if accepts(function, 1) and not accepts(function, 3):
        raise ValueError(
            f"`{name}` takes one argument; expected a callable (t, q, v). Wrap a network on states [q, v] in "
            f"`lagrangians.StateNetwork`"
        )
    return GivenLagrangian(function)


def _terms(lagrangian: Any) -> tuple[AbstractLagrangian, ...]:
    return lagrangian.terms if isinstance(lagrangian, LagrangianSum) else (of_coordinates("term", lagrangian),)

"""Lagrangians with structure, and their sums."""

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
    """A Lagrangian that knows something of itself: how many coordinates, and how its mass matrix is solved.

    Callable as `lagrangian(t, q, v) -> scalar`. Lagrangians add up: `kinetic + interaction`. A plain function
    `(t, q, v)` may be added too, and a network on states `[q, v]` as a `StateNetwork`.
    """

    is_network: ClassVar[bool] = False
    """Whether it is one network, to which a model adds its kinetic prior."""

    @property
    @abc.abstractmethod
    def dof(self) -> int | None:
        """Degrees of freedom n; `None` where any number will do."""

    @property
    @abc.abstractmethod
    def mass_solve(self) -> AbstractMassSolve:
        """How $M a = b$ is solved for this structure, unless the model says otherwise."""

    @property
    def has_positive_mass(self) -> bool:
        """Whether its mass matrix is known to be positive semidefinite, whatever its weights become."""
        return isinstance(self.mass_solve, Cholesky)

    @abc.abstractmethod
    def __call__(self, t: ArrayLike, q: Array, v: Array) -> Scalar:
        """The Lagrangian $L(t, q, v)$."""

    def __add__(self, other: Any) -> "LagrangianSum":
        return LagrangianSum((*_terms(self), *_terms(other)))

    def __radd__(self, other: Any) -> "LagrangianSum":
        return LagrangianSum((*_terms(other), *_terms(self)))


class LagrangianSum(AbstractLagrangian):
    r"""$L = \sum_k L_k$, of one motion or of parts that interact."""

    terms: tuple[AbstractLagrangian, ...]

    def __check_init__(self):
        if len(known := self._known()) > 1:
            raise ValueError(f"`terms` have {sorted(known)} degrees of freedom; expected the same number")

    @property
    def dof(self) -> int | None:
        return next(iter(self._known()), None)

    @property
    def mass_solve(self) -> AbstractMassSolve:
        """That of the terms where they agree, else the pseudoinverse, which is right for any.

        Positive definite terms, those with `Cholesky`, stay so beside a potential, which has no part in $M$, and beside
        positive coefficients times constant inertias (`ParametricLagrangian`).
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
        """Whether a term may make the mass matrix indefinite: none that is at most linear in the velocities does, nor
        one that is known to add positive mass.
        """
        if term.has_positive_mass:
            return False
        if self.dof is None:
            return True
        x = jnp.zeros(self.dof, network_dtype(term))
        return depends(lambda v: jax.grad(scalar_valued(term), argnums=2)(x[0], x, v), x)

    def _known(self) -> set[int]:
        """The degrees of freedom that terms state."""
        return {term.dof for term in self.terms if term.dof is not None}


class StateNetwork(AbstractLagrangian):
    r"""A network on states, $L(q, v) = N([q, v])$, as one term of a Lagrangian.

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
    """A callable `(t, q, v) -> scalar` of which nothing more is known."""

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
    """A network on states `[q, v]` as a Lagrangian, `unfrozen`; one that is a Lagrangian already stays.

    **Raises:** `ValueError` if it cannot be called, or only with three arguments.
    """
    network = unfrozen(network)
    if isinstance(network, AbstractLagrangian):
        return network
    if not callable(network):
        raise ValueError(f"`network` is {network!r}; expected a callable on states [q, v]")
    if accepts(network, 3) and not accepts(network, 1):
        raise ValueError(
            "`network` takes three arguments; expected a callable on states [q, v]: a function of (t, q, v) is for "
            "`NeuralLagrangian.from_lagrangian`, one of (t, q, p) for `HamiltonianNetwork.from_hamiltonian`"
        )
    return StateNetwork(network)


def of_coordinates(name: str, function: Lagrangian) -> AbstractLagrangian:
    """A callable `(t, q, v)` as a Lagrangian that may be added; one that is a Lagrangian already stays.

    **Raises:** `ValueError`, which calls it `name`, if it cannot be called, or only with one argument.
    """
    known: Any = function.value if isinstance(function, Frozen) else function
    if isinstance(known, AbstractLagrangian):
        return cast(AbstractLagrangian, function)  # one that is frozen stays so, and has the attributes of one
    if not callable(function):
        raise ValueError(f"`{name}` is {function!r}; expected a callable (t, q, v)")
    if accepts(function, 1) and not accepts(function, 3):
        raise ValueError(
            f"`{name}` takes one argument; expected a callable (t, q, v): a network on states [q, v] is made one by "
            f"`lagrangians.StateNetwork`"
        )
    return GivenLagrangian(function)


def _terms(lagrangian: Any) -> tuple[AbstractLagrangian, ...]:
    return lagrangian.terms if isinstance(lagrangian, LagrangianSum) else (of_coordinates("term", lagrangian),)

r"""How $M a = b$ is solved for the acceleration, and how that solution varies.

A mass solve owns two things: the solution $a = S(M, b)$, and its tangent. The tangent is written with products
$\dot M w$ only, because each of those is one directional derivative of $\partial L / \partial v$: the
entries of $M$ are never differentiated one by one.
"""

import abc
from collections.abc import Callable

import equinox as eqx
import numpy as np
from jaxtyping import Array, Float, PyTree

from ..._types import Coordinates, MassMatrix

MassTangent = Callable[[Float[Array, "k dof"]], Float[Array, "k dof"]]
"""The map `w -> dM w` for a stack of vectors, with `dM` the tangent of the mass matrix."""

Products = Float[Array, "k dof"]
"""What is formed of a symmetric $M$: its products with the k seeds of a mass solve, or all its rows."""

Equations = Callable[[], tuple[Products, Coordinates]]
"""Forms `(M, b)` of $M a = b$."""


class AbstractMassSolve(eqx.Module):
    """The map from a symmetric mass matrix and a right-hand side to an acceleration.

    It comes in two parts so that a training rollout can keep the small factor of each stage, and need not form the
    mass matrix again on the way back.

    A solve that knows which entries of $M$ vanish states a few seeds $s_i$, and is given the products $M s_i$ wherever
    a dense solve is given $M$: of a Hessian with few entries a row, few products tell all (Curtis, Powell and Reid
    1974).
    """

    @abc.abstractmethod
    def seeds(self, dof: int) -> np.ndarray | None:
        """The directions $s_i$, shape `(k, dof)`; `None` where all of $M$ is wanted."""

    @abc.abstractmethod
    def product(self, M: Products, w: Coordinates) -> Coordinates:
        """The product $M w$, from what `factor` is given."""

    @abc.abstractmethod
    def factor(self, M: Products) -> PyTree:
        """What solving needs of $M$, differentiable to any order."""

    @abc.abstractmethod
    def apply(self, factor: PyTree, b: Coordinates) -> Coordinates:
        """The acceleration $a = S(M, b)$, given the factor of $M$."""

    @abc.abstractmethod
    def tangent(
        self, factor: PyTree, a: Coordinates, dr: Coordinates, dM: MassTangent, equations: Equations
    ) -> Coordinates:
        r"""The tangent $\dot a$, given $\dot r = \dot b - \dot M a$ (with $a$ held) and products $\dot M w$.

        `equations()` forms $(M, b)$ anew: for what a factor cannot say.
        """

    def solve(self, M: Products, b: Coordinates) -> Coordinates:
        """The acceleration $a = S(M, b)$."""
        return self.apply(self.factor(M), b)


class AbstractDenseSolve(AbstractMassSolve):
    """A mass solve that wants all of $M$."""

    def seeds(self, dof: int) -> None:
        return None

    def product(self, M: MassMatrix, w: Coordinates) -> Coordinates:
        return M @ w

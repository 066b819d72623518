r"""The base class of mass solves: the solution of $M a = b$, and its derivative.

A mass solve defines the solution $a = S(M, b)$ and its tangent (directional derivative). The tangent uses only products
$\dot M w$, because each is one directional derivative of $\partial L / \partial v$. The entries of $M$ are never
differentiated one by one.
"""

import abc
from collections.abc import Callable

import equinox as eqx
import numpy as np
from jaxtyping import Array, Float, PyTree

from ..._types import Coordinates, MassMatrix

MassProducts = Callable[[Float[Array, "k dof"]], tuple[Float[Array, "k dof"], Float[Array, "k dof"]]]
"""The map `w -> (M w, dM w)` for a stack of vectors, with `dM` the tangent of the mass matrix."""

Products = Float[Array, "k dof"]
"""Products of a symmetric $M$ with the k seed vectors of a mass solve, or all rows of $M$."""


class AbstractMassSolve(eqx.Module):
    """Base class of mass solves: maps a symmetric mass matrix and a right-hand side to an acceleration.

    The solve has two parts, `factor` and `apply`. A training rollout stores the small factor of each solver stage, so
    the backward pass need not compute the mass matrix again.

    A solve for a sparse $M$ defines a few seed vectors $s_i$. It then receives the products $M s_i$ in place of $M$: a
    Hessian with few entries in each row is determined by few products (Curtis, Powell and Reid 1974).
    """

    @abc.abstractmethod
    def seeds(self, dof: int) -> np.ndarray | None:
        """The seed vectors $s_i$, shape `(k, dof)`. `None` if the solve needs all of $M$."""

    @abc.abstractmethod
    def product(self, M: Products, w: Coordinates) -> Coordinates:
        """The product $M w$, from the same argument as `factor`."""

    @abc.abstractmethod
    def factor(self, M: Products) -> PyTree:
        """The factorisation of $M$ that `apply` needs, differentiable to any order."""

    @abc.abstractmethod
    def apply(self, factor: PyTree, b: Coordinates) -> Coordinates:
        """The acceleration $a = S(M, b)$, from the factor of $M$."""

    @abc.abstractmethod
    def tangent(
        self, factor: PyTree, a: Coordinates, r: Coordinates, dr: Coordinates, products: MassProducts
    ) -> Coordinates:
        r"""The tangent $\dot a$, from $r = b - M a$, $\dot r = \dot b - \dot M a$ (with $a$ held) and products
        $M w$, $\dot M w$.
        """

    def solve(self, M: Products, b: Coordinates) -> Coordinates:
        """The acceleration $a = S(M, b)$."""
        return self.apply(self.factor(M), b)


class AbstractDenseSolve(AbstractMassSolve):
    """Base class of mass solves that need the dense mass matrix."""

    def seeds(self, dof: int) -> None:
        return None

    def product(self, M: MassMatrix, w: Coordinates) -> Coordinates:
        return M @ w

r"""Boundary terms $F(t, q)$ of symmetries: functions whose total time derivative changes a Lagrangian."""

from collections.abc import Sequence
from typing import Literal, TypeAlias

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike

from ..._types import Lagrangian, Scalar, ScalarFunction

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(16)

BoundaryTerms: TypeAlias = Literal["coordinates", "any"] | Sequence[ScalarFunction]
"""The allowed boundary terms: linear combinations of the coordinates, any function (found by quadrature), or linear
combinations of given callables `(t, q) -> scalar`."""


class BoundaryTerm(eqx.Module):
    r"""The function $F(t, q)$ of a total derivative $R = \partial F / \partial t + v \cdot \partial F / \partial q$:

    $$F(t, q) = \int_0^1 (q - q^*) \cdot \frac{\partial R}{\partial v}\bigl(t, q^* + s (q - q^*), 0\bigr)\, ds
      + t \int_0^1 R(s t, q^*, 0)\, ds,$$

    by Gauss quadrature with 16 points. F is zero at $t = 0$, $q = q^*$. It has no meaning if $R$ is not a total
    derivative.

    **Arguments:**

    - `derivative`: $R$, callable `(t, q, v) -> scalar`. `q_ref`: $q^*$, shape `(dof,)`.
    """

    derivative: Lagrangian
    q_ref: Array

    def __call__(self, t: ArrayLike, q: Array) -> Scalar:
        t, q_ref, rest = jnp.asarray(t, q.dtype), jnp.asarray(self.q_ref, q.dtype), jnp.zeros_like(q)

        def integrand(s):
            dF_dq = jax.grad(self.derivative, argnums=2)(t, q_ref + s * (q - q_ref), rest)
            return jnp.dot(q - q_ref, dF_dq) + t * self.derivative(s * t, q_ref, rest)

        values = jax.vmap(integrand)(jnp.asarray((_NODES + 1) / 2, q.dtype))
        return jnp.dot(jnp.asarray(_WEIGHTS / 2, q.dtype), values)


class Coordinate(eqx.Module):
    """The boundary term $F = q_i$."""

    index: int = eqx.field(static=True)

    def __call__(self, t: ArrayLike, q: Array) -> Scalar:
        return q[self.index]


class Combination(eqx.Module):
    """A linear combination of boundary terms."""

    coefficients: Array
    terms: tuple[ScalarFunction, ...]

    def __call__(self, t: ArrayLike, q: Array) -> Scalar:
        values = jnp.stack([jnp.asarray(F(t, q), q.dtype) for F in self.terms])
        return jnp.dot(jnp.asarray(self.coefficients, q.dtype), values)


def boundary_terms_of(boundary_terms: BoundaryTerms, dof: int) -> tuple[ScalarFunction, ...]:
    """The functions of a `boundary_terms` option. Empty for "any", whose function is found by quadrature."""
    if boundary_terms == "any":
        return ()
    if boundary_terms == "coordinates":
        return tuple(Coordinate(i) for i in range(dof))
    if isinstance(boundary_terms, str) or not all(callable(F) for F in boundary_terms):
        raise ValueError(f"`boundary_terms` is {boundary_terms!r}; expected 'any', 'coordinates' or callables (t, q)")
    return tuple(boundary_terms)

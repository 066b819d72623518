r"""Galerkin variational integrators: one step of the discrete Euler-Lagrange equations (Marsden and West 2001, 2.2.6).

On a step of length h from $t_n$ the motion is a polynomial through m control points at times $t_n + c_j h$, with
displacements $z_j = q_j - q_n$ and $z_0 = 0$; the action is a quadrature with weights $b_k$ at times $t_n + x_k h$:

$$q_k = q_n + \sum_j B_{kj} z_j, \quad v_k = \frac1h \sum_j D_{kj} z_j, \quad
  L_d = h \sum_k b_k L(t_k, q_k, v_k).$$

With $p_k = \partial L / \partial v$ and $f_k = \partial L / \partial q + Q$ there, the action is stationary, and the
forces do their virtual work by the same quadrature (Tsang, Galley, Stein and Turner 2015, eqs. 10-14), where

$$F_j = \sum_k b_k (D_{kj} p_k + h B_{kj} f_k), \qquad p_n + F_0 = 0, \quad F_j = 0 \; (0 < j < m - 1), \quad
  F_{m-1} = p_{n+1} = p_n + h \sum_k b_k f_k.$$

The sum of all $F_j$ is $h \sum_k b_k f_k$, since constants have no derivative; so the last equation is as good as the
first, and is the one that is solved: it holds the same columns of D as $v_k$ does, and a step is the stationary point
of one action even with D rounded.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._types import Coordinates, Flag, Scalar
from ..mechanics.newton import Inverse, newton_root

Covectors = Callable[[Scalar, Array, Array], tuple[Array, Array]]
"""`(t, q, v) -> (p, f)`: the momentum, and the force $\\partial L / \\partial q + Q$."""

EXTRAPOLATED = 4
"""Degree of the motion that a step begins its iteration from: that of the last step, continued."""


@dataclasses.dataclass(frozen=True, eq=False)
class Scheme:
    """The constants of a method, on the unit interval.

    - `control`: times $c_j$ of the control points, shape `(m,)`, from 0 to 1.
    - `nodes`, `weights`: times $x_k$ and weights $b_k$ of the quadrature, shape `(k,)`.
    - `B`, `D`: values and derivatives of the control polynomials at the nodes, shape `(k, m)`.
    """

    control: np.ndarray
    nodes: np.ndarray
    weights: np.ndarray
    B: np.ndarray
    D: np.ndarray

    @functools.cached_property
    def T(self) -> np.ndarray:
        """What multiplies $h f_k$ in the equations solved: B, less the work of the whole step in the last of them."""
        T = self.B[:, 1:].copy()
        T[:, -1] -= 1
        return T

    @functools.cached_property
    def taylor(self) -> np.ndarray:
        """Taylor coefficients at the end of a step, from displacements, shape `(degree, m - 1)`.

        Of the polynomial of low degree nearest to the control points: one of high degree, continued over a whole
        further step, would amplify round-off.
        """
        powers = (self.control[:, None] - 1) ** np.arange(self.degree + 1)
        return np.linalg.pinv(powers)[1:, 1:]

    @property
    def degree(self) -> int:
        return min(len(self.control) - 1, EXTRAPOLATED)


class PhasePoint(eqx.Module):
    """Coordinates and momenta, with what the next step begins from.

    - `q`, `p`: shape `(dof,)`. `q_lost`, `p_lost`: what rounding has added to them (Kahan 1965).
    - `taylor`: Taylor coefficients of the motion, shape `(degree, dof)`; the first is the velocity.
    - `inverse`: of the Jacobian of the last step's equations.
    """

    q: Coordinates
    p: Coordinates
    q_lost: Coordinates
    p_lost: Coordinates
    taylor: Float[Array, "degree dof"]
    inverse: Inverse

    @classmethod
    def at(cls, scheme: Scheme, covectors: Covectors, t: Scalar, q: Coordinates, v: Coordinates) -> "PhasePoint":
        """The point with velocity `v`, no step before it."""
        p, _ = covectors(t, q, v)
        taylor = jnp.zeros((scheme.degree, *q.shape), q.dtype).at[0].set(v)
        inverse = Inverse.none((len(scheme.control) - 1) * q.shape[0], q.dtype)
        return cls(q, p, jnp.zeros_like(q), jnp.zeros_like(p), taylor, inverse)


def galerkin_step(
    scheme: Scheme, covectors: Covectors, t0: Scalar, dt: Scalar, h: Scalar, start: PhasePoint
) -> tuple[PhasePoint, Float[Array, "inner dof"], Flag]:
    r"""One step: the point at its end, the displacements $z_1 \dots z_{m-1}$, and whether the equations were solved.

    **Arguments:**

    - `t0`: the time that `covectors` is given at the start; `dt`: how far it moves on.
    - `h`: the step in physical time: `dt`, or `-dt` where time is counted backwards.
    """
    dtype, shape = start.q.dtype, (len(scheme.control) - 1, *start.q.shape)
    x, b, B, D, T = (
        jnp.asarray(c, dtype) for c in (scheme.nodes, scheme.weights, scheme.B[:, 1:], scheme.D[:, 1:], scheme.T)
    )

    def at_nodes(z: Array, fn: Callable[..., Any]) -> Any:
        return jax.vmap(fn)(t0 + x * dt, start.q[None] + B @ z, D @ z / h)

    # h F_j, whose Jacobian in z is of the size of the mass matrix whatever h is. The weights stay apart from D: their
    # product, rounded, would not be the derivative of the action.
    def residual(z: Array) -> Array:
        p, f = at_nodes(z.reshape(shape), covectors)
        F = D.T @ (b[:, None] * p) + h * (T.T @ (b[:, None] * f))
        return (h * F.at[-1].subtract(start.p)).reshape(-1)

    def jacobian(z: Array) -> Array:
        (p_q, p_v), (f_q, f_v) = at_nodes(z.reshape(shape), jax.jacfwd(covectors, argnums=(1, 2)))

        def blocks(left: Array, H: Array, right: Array) -> Array:
            return jnp.einsum("kj,k,kab,kl->jalb", left, b, H, right)

        J = blocks(D, p_v, D) + h * (blocks(D, p_q, B) + blocks(T, f_v, D)) + h**2 * blocks(T, f_q, B)
        return J.reshape(z.shape * 2)

    powers = jnp.arange(1, scheme.degree + 1, dtype=dtype)[None]
    guess = (h * jnp.asarray(scheme.control[1:, None], dtype)) ** powers @ start.taylor
    z, inverse, found = newton_root(residual, jacobian, guess.reshape(-1), start.inverse)
    z = z.reshape(shape)
    _, f = at_nodes(z, covectors)
    q, q_lost = _compensated_sum(start.q, z[-1], start.q_lost)
    p, p_lost = _compensated_sum(start.p, h * (b @ f), start.p_lost)
    taylor = jnp.asarray(scheme.taylor, dtype) @ z / (h**powers).T
    return PhasePoint(q, p, q_lost, p_lost, taylor, inverse), z, found


def _compensated_sum(x: Array, dx: Array, lost: Array) -> tuple[Array, Array]:
    """`x + dx`, and what rounding added to it (Kahan 1965)."""
    dx = dx - lost
    total = x + dx
    return total, (total - x) - dx

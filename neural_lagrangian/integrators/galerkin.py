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
import itertools
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._types import Coordinates, Flag, Scalar
from ..numerics import Inverse, newton_root

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
    def extrapolation(self) -> np.ndarray:
        """From Taylor coefficients at the start of a step to displacements, shape `(m - 1, degree)`."""
        return self.control[1:, None] ** np.arange(1, self.degree + 1)

    @property
    def degree(self) -> int:
        return min(len(self.control) - 1, EXTRAPOLATED)


class PhasePoint(eqx.Module):
    """Coordinates and momenta, with what the next step begins from.

    - `q`, `p`: shape `(dof,)`. `q_lost`, `p_lost`: what rounding has added to them (Kahan 1965).
    - `taylor`: Taylor coefficients of the motion in the time `h`, shape `(degree, dof)`, all in units of q; the first
      is the velocity times `h`.
    - `h`: the step that ended here, or that is to begin.
    - `inverse`: of the Jacobian of the last step's equations.
    """

    q: Coordinates
    p: Coordinates
    q_lost: Coordinates
    p_lost: Coordinates
    taylor: Float[Array, "degree dof"]
    h: Scalar
    inverse: Inverse

    @classmethod
    def at(
        cls, scheme: Scheme, covectors: Covectors, t: Scalar, h: Scalar, q: Coordinates, v: Coordinates
    ) -> "PhasePoint":
        """The point with velocity `v`, no step before it and one of `h` to come."""
        p, _ = covectors(t, q, v)
        taylor = jnp.zeros((scheme.degree, *q.shape), q.dtype).at[0].set(h * v)
        inverse = Inverse.none((len(scheme.control) - 1) * q.shape[0], q.shape[0], q.dtype)
        return cls(q, p, jnp.zeros_like(q), jnp.zeros_like(p), taylor, jnp.asarray(h, q.dtype), inverse)

    @property
    def velocity(self) -> Coordinates:
        """Of the polynomial of the last step, at its end."""
        return self.taylor[0] / self.h


@dataclasses.dataclass(frozen=True, eq=False)
class Step:
    r"""The equations of one step from $q_n$, as functions of its displacements $z_1 \dots z_{m-1}$.

    - `t0`: the time that `covectors` is given at the start; `dt`: how far it moves on.
    - `h`: the step in physical time: `dt`, or `-dt` where time is counted backwards.
    - `q`: $q_n$, shape `(dof,)`.
    """

    scheme: Scheme
    covectors: Covectors
    t0: Scalar
    dt: Scalar
    h: Scalar
    q: Coordinates

    def at_nodes(self, z: Array, fn: Callable[..., Any]) -> Any:
        """`fn(t, q, v)` at the nodes of the quadrature."""
        x, B, D = self._constants(self.scheme.nodes, self.scheme.B[:, 1:], self.scheme.D[:, 1:])
        return jax.vmap(fn)(self.t0 + x * self.dt, self.q[None] + B @ z, D @ z / self.h)

    def balance(self, z: Array) -> tuple[Array, Coordinates]:
        r"""$(F_1, \dots, F_{m-2}, F_{m-1} - h \sum_k b_k f_k)$, shape `(m - 1, dof)`, and $h \sum_k b_k f_k$.

        The motion is that on which the first is $(0, \dots, 0, p_n)$.
        """
        b, D, T = self._constants(self.scheme.weights, self.scheme.D[:, 1:], self.scheme.T)
        p, f = self.at_nodes(z, self.covectors)
        # The weights stay apart from D: their product, rounded, would not be the derivative of the action.
        F = D.T @ (b[:, None] * p) + self.h * (T.T @ (b[:, None] * f))
        return F, self.h * (b @ f)

    def jacobian(self, z: Array) -> Float[Array, "inner dof inner dof"]:
        """Of h times the balance: of the size of the mass matrix, whatever h is."""
        b, B, D, T = self._constants(self.scheme.weights, self.scheme.B[:, 1:], self.scheme.D[:, 1:], self.scheme.T)
        (p_q, p_v), (f_q, f_v) = self.at_nodes(z, jax.jacfwd(self.covectors, argnums=(1, 2)))

        def blocks(left: Array, H: Array, right: Array) -> Array:
            return jnp.einsum("kj,k,kab,kl->jalb", left, b, H, right)

        h = self.h
        return blocks(D, p_v, D) + h * (blocks(D, p_q, B) + blocks(T, f_v, D) + h * blocks(T, f_q, B))

    def _constants(self, *constants: np.ndarray) -> list[Array]:
        return [jnp.asarray(c, self.q.dtype) for c in constants]


def galerkin_step(
    scheme: Scheme, covectors: Covectors, t0: Scalar, dt: Scalar, h: Scalar, start: PhasePoint
) -> tuple[PhasePoint, Float[Array, "inner dof"], Flag]:
    r"""One step: the point at its end, the displacements $z_1 \dots z_{m-1}$, and whether the equations were solved.

    **Arguments:** as for `Step`.
    """
    dtype, shape = start.q.dtype, (len(scheme.control) - 1, *start.q.shape)
    step = Step(scheme, covectors, t0, dt, h, start.q)

    def residual(z: Array) -> Array:
        F, _ = step.balance(z.reshape(shape))
        return (h * F.at[-1].subtract(start.p)).reshape(-1)

    def jacobian(z: Array) -> Array:
        return step.jacobian(z.reshape(shape)).reshape(z.shape * 2)

    powers = jnp.stack(list(itertools.accumulate([h / start.h] * scheme.degree, jnp.multiply)))
    # Matrices that are the same at every step of a loop, which then holds only their products.
    guess = (jnp.asarray(scheme.extrapolation, dtype) * powers[None]) @ start.taylor
    z, inverse, found = newton_root(residual, jacobian, guess.reshape(-1), start.inverse, dof=shape[1])
    z = z.reshape(shape)
    _, impulse = step.balance(z)
    q, q_lost = _compensated_sum(start.q, z[-1], start.q_lost)
    p, p_lost = _compensated_sum(start.p, impulse, start.p_lost)
    taylor = jnp.asarray(scheme.taylor, dtype) @ z
    return PhasePoint(q, p, q_lost, p_lost, taylor, jnp.asarray(h, dtype), inverse), z, found


def _compensated_sum(x: Array, dx: Array, lost: Array) -> tuple[Array, Array]:
    """`x + dx`, and what rounding added to it (Kahan 1965)."""
    dx = dx - lost
    total = x + dx
    return total, (total - x) - dx

r"""Galerkin variational integrators: one step of the discrete Euler-Lagrange equations (Marsden and West 2001, 2.2.6).

In a step of length h from $t_n$ the motion is a polynomial through m control points at times $t_n + c_j h$, with
displacements $z_j = q_j - q_n$ and $z_0 = 0$. The action is a quadrature with weights $b_k$ at times $t_n + x_k h$:

$$q_k = q_n + \sum_j B_{kj} z_j, \quad v_k = \frac1h \sum_j D_{kj} z_j, \quad
  L_d = h \sum_k b_k L(t_k, q_k, v_k).$$

Let $p_k = \partial L / \partial v$ and $f_k = \partial L / \partial q + Q$ at the nodes. The virtual work of the forces
uses the same quadrature. The step satisfies (Tsang, Galley, Stein and Turner 2015, eqs. 10-14)

$$F_j = \sum_k b_k (D_{kj} p_k + h B_{kj} f_k), \qquad p_n + F_0 = 0, \quad F_j = 0 \; (0 < j < m - 1), \quad
  F_{m-1} = p_{n+1} = p_n + h \sum_k b_k f_k.$$

The sum of all $F_j$ is $h \sum_k b_k f_k$, since the derivative of a constant is zero. So the last equation is
equivalent to the first, and the last one is solved: it contains the same columns of D as $v_k$, so a step is the
stationary point of one action even with round-off in D.
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

MAX_EXTRAPOLATION_DEGREE = 4
"""Maximum degree of the polynomial that extrapolates the last step, as initial guess of the next step."""


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
        """The matrix that multiplies $h f_k$ in the equations: B, minus the total impulse in the last equation."""
        T = self.B[:, 1:].copy()
        T[:, -1] -= 1
        return T

    @functools.cached_property
    def taylor(self) -> np.ndarray:
        """The map from displacements to Taylor coefficients at the end of a step, shape `(degree, m - 1)`.

        It uses a least-squares polynomial of low degree, because extrapolation of a polynomial of high degree over a
        whole step would amplify round-off.
        """
        powers = (self.control[:, None] - 1) ** np.arange(self.degree + 1)
        return np.linalg.pinv(powers)[1:, 1:]

    @property
    def extrapolation(self) -> np.ndarray:
        """The map from Taylor coefficients at the start of a step to displacements, shape `(m - 1, degree)`."""
        return self.control[1:, None] ** np.arange(1, self.degree + 1)

    @property
    def degree(self) -> int:
        return min(len(self.control) - 1, MAX_EXTRAPOLATION_DEGREE)


class PhasePoint(eqx.Module):
    """The state of a variational solver: coordinates, momenta, and data for the next step.

    - `q`, `p`: coordinates and momenta, shape `(dof,)`. `q_lost`, `p_lost`: their accumulated round-off (Kahan 1965).
    - `taylor`: Taylor coefficients of the motion in units of the step `h`, shape `(degree, dof)`, all in units of q.
      The first is the velocity times `h`.
    - `h`: the length of the last step, or of the first one at the start.
    - `inverse`: inverse Jacobian of the last step's equations.
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
        """The solver state at the start of a rollout, from coordinates `q` and velocity `v`; `h` is the first step."""
        p, _ = covectors(t, q, v)
        taylor = jnp.zeros((scheme.degree, *q.shape), q.dtype).at[0].set(h * v)
        inverse = Inverse.none((len(scheme.control) - 1) * q.shape[0], q.shape[0], q.dtype)
        return cls(q, p, jnp.zeros_like(q), jnp.zeros_like(p), taylor, jnp.asarray(h, q.dtype), inverse)

    @property
    def velocity(self) -> Coordinates:
        """The velocity at the end of the last step, from its polynomial."""
        return self.taylor[0] / self.h


@dataclasses.dataclass(frozen=True, eq=False)
class Step:
    r"""The equations of one step from $q_n$, as functions of its displacements $z_1 \dots z_{m-1}$.

    - `t0`: the time at the start, as the argument of `covectors`. `dt`: the increment of this time.
    - `h`: the step in physical time: `dt`, or `-dt` if the solver runs backwards in time.
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
        r"""The left side of the equations, $(F_1, \dots, F_{m-2}, F_{m-1} - h \sum_k b_k f_k)$, and the total impulse.

        The first has shape `(m - 1, dof)` and equals $(0, \dots, 0, p_n)$ on the motion. The impulse is
        $h \sum_k b_k f_k$.
        """
        b, D, T = self._constants(self.scheme.weights, self.scheme.D[:, 1:], self.scheme.T)
        p, f = self.at_nodes(z, self.covectors)
        # Do not multiply weights and D beforehand: their rounded product is not the exact derivative of the action.
        F = D.T @ (b[:, None] * p) + self.h * (T.T @ (b[:, None] * f))
        return F, self.h * (b @ f)

    def jacobian(self, z: Array) -> Float[Array, "inner dof inner dof"]:
        """The Jacobian of h times the balance. Its size is that of the mass matrix for every h."""
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
    r"""Take one step: returns the state at its end, the displacements $z_1 \dots z_{m-1}$, and whether it was solved.

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
    # This matrix is the same at every step of a loop, so the loop stores only the product.
    guess = (jnp.asarray(scheme.extrapolation, dtype) * powers[None]) @ start.taylor
    z, inverse, found = newton_root(residual, jacobian, guess.reshape(-1), start.inverse, dof=shape[1])
    z = z.reshape(shape)
    _, impulse = step.balance(z)
    q, q_lost = _compensated_sum(start.q, z[-1], start.q_lost)
    p, p_lost = _compensated_sum(start.p, impulse, start.p_lost)
    taylor = jnp.asarray(scheme.taylor, dtype) @ z
    return PhasePoint(q, p, q_lost, p_lost, taylor, jnp.asarray(h, dtype), inverse), z, found


def _compensated_sum(x: Array, dx: Array, lost: Array) -> tuple[Array, Array]:
    """The sum `x + dx`, and its round-off error (Kahan 1965)."""
    dx = dx - lost
    total = x + dx
    return total, (total - x) - dx

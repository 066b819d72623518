"""Variational integrators as diffrax solvers."""

import abc
import functools
from collections.abc import Callable
from typing import Any, ClassVar

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from .._types import Coordinates, Flag, Scalar, State
from ..mechanics import EulerLagrangeTerm, TangentPoint
from ..numerics import differentiation_matrix, interpolant, newton_root
from .galerkin import Covectors, PhasePoint, Scheme, galerkin_step


class AbstractVariationalSolver(diffrax.AbstractSolver):
    r"""Base class of variational integrators. They solve an `EulerLagrangeTerm` for states $y = [q, v]$.

    Step sizes must be constant. Each step maps coordinates and momenta, $(q, p) \to (q, p)$. The solver state holds the
    momentum and the round-off errors of both. The velocity is the solution of $\partial L / \partial v = p$.
    """

    term_structure: ClassVar = EulerLagrangeTerm

    @abc.abstractmethod
    def scheme(self) -> Scheme:
        """The constants of the method."""

    @property
    def interpolation_cls(self) -> Callable[..., diffrax.AbstractLocalInterpolation]:  # pyright: ignore
        """The class for dense output, `GalerkinInterpolation`."""
        return _interpolation(tuple(self.scheme().control.tolist()))

    def init(self, terms: PyTree, t0: Any, t1: Any, y0: State, args: PyTree) -> PhasePoint:
        return PhasePoint.at(self.scheme(), covectors_of(terms, args), t0, terms.contr(t0, t1), *jnp.split(y0, 2))

    def step(
        self, terms: PyTree, t0: Any, t1: Any, y0: State, args: PyTree, solver_state: PhasePoint, made_jump: Any
    ) -> tuple[State, None, dict[str, Any], PhasePoint, diffrax.RESULTS]:
        covectors, h = covectors_of(terms, args), terms.contr(t0, t1)
        start = jax.lax.cond(made_jump, lambda: self.init(terms, t0, t1, y0, args), lambda: solver_state)
        end, z, found = galerkin_step(self.scheme(), covectors, t0, t1 - t0, h, start)
        v, velocity_found = velocity_at(covectors, t1, end)
        y1 = jnp.concatenate([end.q, v])
        result = diffrax.RESULTS.where(
            found & velocity_found,
            diffrax.RESULTS.successful,
            diffrax.RESULTS.nonlinear_divergence,  # pyright: ignore[reportArgumentType]
        )
        return y1, None, {"y0": y0, "y1": y1, "z": z, "h": h}, end, result

    def func(self, terms: PyTree, t0: Any, y0: State, args: PyTree) -> State:
        return terms.vf(t0, y0, args)


def covectors_of(term: diffrax.AbstractTerm, args: PyTree) -> Covectors:
    """The function `(t, q, v) -> (p, f)` of a term, also if diffrax has wrapped the term."""
    return lambda t, q, v: term.vf(t, TangentPoint(q, v), args)


def velocity_at(covectors: Covectors, t: Scalar, point: PhasePoint) -> tuple[Coordinates, Flag]:
    """The velocity that has the momentum of `point`, and whether it was found."""

    def momentum(v: Array) -> Array:
        return covectors(t, point.q, v)[0]

    v, _, found = newton_root(lambda v: momentum(v) - point.p, jax.jacfwd(momentum), point.velocity)
    return v, found


class GalerkinInterpolation(diffrax.AbstractLocalInterpolation):
    r"""Dense output: the polynomial through the control points of a step, with the velocities at both ends.

    $$q(s) = q_0 + \sum_j z_j \ell_j(s) + h (v_0 - \dot z(0)) \phi(s) - h (v_1 - \dot z(1)) \phi(1 - s), \qquad
      \phi(s) = s (1 - s) \prod_{j > 0} (1 - s / c_j), \qquad v = \frac{1}{h} \frac{dq}{ds},$$

    where $\dot z$ is the slope of the step's own polynomial. It is differentiable in time, also at the ends of steps.
    The error is of order $r + 3$ in q and $r + 2$ in v between steps, and of order $2 r + 2$ at the ends of steps. For
    accurate results use steps that divide the sampling interval, so that samples are at the ends of steps.
    """

    t0: Any
    t1: Any
    y0: State
    y1: State
    z: Float[Array, "inner dof"]
    h: Scalar
    control: tuple[float, ...] = eqx.field(static=True)

    def evaluate(self, t0: Any, t1: Any = None, left: bool = True) -> State:
        del left
        if t1 is not None:
            return self.evaluate(t1) - self.evaluate(t0)
        s = (t0 - self.t0) / (self.t1 - self.t0)
        z = jnp.concatenate([jnp.zeros_like(self.z[:1]), self.z])
        slopes = jnp.asarray(differentiation_matrix(np.asarray(self.control)), z.dtype) @ z / self.h
        (_, v0), (_, v1) = jnp.split(self.y0, 2), jnp.split(self.y1, 2)
        (phi, d_phi), (phi_1, d_phi_1) = self._bump(s), self._bump(1 - s)
        bend = self.h * ((v0 - slopes[0]) * phi - (v1 - slopes[-1]) * phi_1)

        def beside(end: State, i: int, d_phi: Scalar, d_phi_1: Scalar) -> State:
            """The state relative to one end of the step, so that it equals the state of this end exactly."""
            q, v = jnp.split(end, 2)
            q = q + interpolant(self.control, z - z[i][None])(s) + bend
            v = v + interpolant(self.control, slopes - slopes[i][None])(s)
            return jnp.concatenate([q, v + (v0 - slopes[0]) * d_phi + (v1 - slopes[-1]) * d_phi_1])

        return jnp.where(s < 0.5, beside(self.y0, 0, d_phi - 1, d_phi_1), beside(self.y1, -1, d_phi, d_phi_1 - 1))

    def _bump(self, s: Scalar) -> tuple[Scalar, Scalar]:
        r"""$\phi(s)$, which is zero at the control points, and $\phi'(s)$, which is 1 at the start and 0 at the end."""
        c = jnp.asarray(self.control[1:], self.z.dtype)
        return jax.jvp(lambda s: s * (1 - s) * jnp.prod(1 - s / c), (s,), (jnp.ones_like(s),))


@functools.cache  # one object for each method, because dense solutions compare these objects
def _interpolation(control: tuple[float, ...]) -> Callable[..., diffrax.AbstractLocalInterpolation]:
    return functools.partial(GalerkinInterpolation, control=control)

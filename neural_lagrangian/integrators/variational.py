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
from ..mechanics.newton import newton_root
from .galerkin import Covectors, PhasePoint, Scheme, galerkin_step
from .lobatto import differentiation_matrix, interpolant


class AbstractVariationalSolver(diffrax.AbstractSolver):
    r"""A variational integrator: it solves an `EulerLagrangeTerm` on states $y = [q, v]$, in constant steps.

    Each step is taken in coordinates and momenta, $(q, p) \to (q, p)$; the momentum is carried beside the state, with
    what rounding has cost both, and the velocity is that which solves $\partial L / \partial v = p$.
    """

    term_structure: ClassVar = EulerLagrangeTerm

    @abc.abstractmethod
    def scheme(self) -> Scheme:
        """The constants of the method."""

    @property
    def interpolation_cls(self) -> Callable[..., diffrax.AbstractLocalInterpolation]:  # pyright: ignore
        """Dense output: see `GalerkinInterpolation`."""
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
    """`(t, q, v) -> (p, f)` of a term, whatever diffrax has wrapped it in."""
    return lambda t, q, v: term.vf(t, TangentPoint(q, v), args)


def velocity_at(covectors: Covectors, t: Scalar, point: PhasePoint) -> tuple[Coordinates, Flag]:
    """The velocity whose momentum is that of the point, and whether it was found."""

    def momentum(v: Array) -> Array:
        return covectors(t, point.q, v)[0]

    v, _, found = newton_root(lambda v: momentum(v) - point.p, jax.jacfwd(momentum), point.velocity)
    return v, found


class GalerkinInterpolation(diffrax.AbstractLocalInterpolation):
    r"""Between steps: the polynomial of the step, and its derivative made to meet the velocities at both ends.

    With r inner control points the error is of order r + 2 in q and r + 1 in v (at least 2), lower than the
    $2 r + 2$ at the ends of steps: save there, with steps that divide the sampling interval, where accuracy counts.
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
        (q0, v0), (_, v1) = jnp.split(self.y0, 2), jnp.split(self.y1, 2)
        s = (t0 - self.t0) / (self.t1 - self.t0)
        z = jnp.concatenate([jnp.zeros_like(self.z[:1]), self.z])
        slopes = jnp.asarray(differentiation_matrix(np.asarray(self.control)), z.dtype) @ z / self.h
        v = interpolant(self.control, slopes)(s) + (1 - s) * (v0 - slopes[0]) + s * (v1 - slopes[-1])
        y = jnp.concatenate([q0 + interpolant(self.control, z)(s), v])
        return jnp.where(t0 == self.t0, self.y0, jnp.where(t0 == self.t1, self.y1, y))


@functools.cache  # one object a method, as dense solutions compare them
def _interpolation(control: tuple[float, ...]) -> Callable[..., diffrax.AbstractLocalInterpolation]:
    return functools.partial(GalerkinInterpolation, control=control)

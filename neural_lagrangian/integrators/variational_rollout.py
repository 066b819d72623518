"""Fixed-step rollouts of variational solvers: one scan, rows at the samples, no overhead of a general solve."""

import jax
import jax.numpy as jnp
from jaxtyping import PyTree

from .._types import State, Times, Trajectory
from ..mechanics import EulerLagrangeTerm
from .fixed_step import KEEP_STAGES
from .galerkin import PhasePoint, galerkin_step
from .variational import AbstractVariationalSolver, covectors_of, velocity_at


def variational_rollout(
    term: EulerLagrangeTerm,
    solver: AbstractVariationalSolver,
    ts: Times,
    y0: State,
    substeps: int,
    args: PyTree = None,
) -> Trajectory:
    """Rows at `ts` of the solution by `substeps` equal steps between samples.

    Velocities are solved for at the samples only. One checkpoint a step, which keeps the displacements and the inverse
    of the Jacobian: the backward pass iterates nothing.

    **Returns:** shape `(time, 2 dof)`, the first row `y0`; rows from the first step without a solution on are
    infinite.
    """
    scheme, covectors = solver.scheme(), covectors_of(term, args)

    def interval(carry, times):
        t0, t1 = times
        h = (t1 - t0) / substeps

        @KEEP_STAGES
        def step(carry, i):
            point, good = carry
            point, _, found = galerkin_step(scheme, covectors, t0 + i * h, h, h, point)
            return (point, good & found), None

        (point, good), _ = jax.lax.scan(step, carry, jnp.arange(substeps, dtype=ts.dtype))
        v, found = velocity_at(covectors, t1, point)
        row = jnp.where(good & found, jnp.concatenate([point.q, v]), jnp.inf)
        return (point, good), row

    h = (ts[1] - ts[0]) / substeps
    start = PhasePoint.at(scheme, covectors, ts[0], h, *jnp.split(y0, 2)), jnp.ones((), bool)
    _, ys = jax.lax.scan(interval, start, (ts[:-1], ts[1:]))
    return jnp.concatenate([y0[None], ys])

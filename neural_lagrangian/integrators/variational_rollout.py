"""Fixed-step rollouts of variational solvers for training, in one `lax.scan`."""

import jax
import jax.numpy as jnp
from jaxtyping import PyTree

from .._types import State, Times, Trajectory
from ..mechanics import EulerLagrangeTerm
from ..numerics import KEEP_STAGES
from .fixed_step import StepsPerSample
from .galerkin import PhasePoint, galerkin_step
from .variational import AbstractVariationalSolver, covectors_of, velocity_at


def variational_rollout(
    term: EulerLagrangeTerm,
    solver: AbstractVariationalSolver,
    ts: Times,
    y0: State,
    controller: StepsPerSample,
    args: PyTree = None,
) -> Trajectory:
    """A rollout at the times `ts` by variational steps of fixed size.

    If all intervals have the same number of steps, velocities are computed at the samples only. Each step is a gradient
    checkpoint that stores the displacements and the inverse Jacobian, so the backward pass has no iterations.

    **Returns:** shape `(time, 2 dof)`, the first row `y0`. From the first failed step on, rows are infinite.
    """
    scheme, covectors = solver.scheme(), covectors_of(term, args)
    substeps = controller.substeps

    @KEEP_STAGES
    def step(carry, start_and_length):
        point, good = carry
        t, h = start_and_length
        point, _, found = galerkin_step(scheme, covectors, t, h, h, point)
        return point, good & found

    def row(carry, t):
        point, good = carry
        v, found = velocity_at(covectors, t, point)
        return jnp.where(good & found, jnp.concatenate([point.q, v]), jnp.inf)

    def one(carry, start_and_length):
        carry, (t, h) = step(carry, start_and_length), start_and_length
        return carry, row(carry, t + h)

    def interval(carry, ends):
        t0, t1 = ends
        h = (t1 - t0) / substeps
        starts = t0 + jnp.arange(substeps, dtype=ts.dtype) * h
        carry, _ = jax.lax.scan(lambda c, s: (step(c, s), None), carry, (starts, jnp.full_like(starts, h)))
        return carry, row(carry, t1)

    first = (ts[1] - ts[0]) / substeps
    start = PhasePoint.at(scheme, covectors, ts[0], first, *jnp.split(y0, 2)), jnp.ones((), bool)
    if controller.extra:
        starts, lengths, last = controller.schedule(ts)
        _, ys = jax.lax.scan(one, start, (starts, lengths))
        ys = ys[last]
    else:
        _, ys = jax.lax.scan(interval, start, (ts[:-1], ts[1:]))
    return jnp.concatenate([y0[None], ys])

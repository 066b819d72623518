"""Fixed-step rollouts for training: steps that land on the samples, in one scan that reverse mode likes.

Against diffrax's general loop there is no interpolation, no step-size control and no while-loop: `vmap` over
trajectories keeps the whole batch in lockstep, and the gradient of shared parameters is formed once for the batch
instead of once per trajectory.
"""

from functools import partial
from typing import TypeGuard

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from .._types import Scalar, State, Times, Trajectory
from ..mechanics.euler_lagrange import STAGE

KEEP_STAGES = partial(jax.checkpoint, policy=jax.checkpoint_policies.save_only_these_names(STAGE))


class StepsPerSample(eqx.Module):
    """Constant steps that land on the sample times: `substeps` equal steps from each sample to the next.

    Pass it as `stepsize_controller`. Right for training, where samples lie close together. For evaluation at sparse
    times choose an adaptive controller: nothing here watches the error.

    **Arguments:**

    - `substeps`: number of solver steps between neighbouring samples, at least 1.
    """

    substeps: int = eqx.field(static=True, default=1)

    def __check_init__(self):
        if not isinstance(self.substeps, int) or self.substeps < 1:
            raise ValueError(f"`substeps` is {self.substeps!r}; expected an integer of at least 1")

    def step_times(self, ts: Times) -> Float[Array, " step"]:
        """The times of every step, samples included, shape `((time - 1) substeps + 1,)`."""
        fractions = jnp.arange(self.substeps, dtype=ts.dtype) / self.substeps
        inner = ts[:-1, None] + fractions[None] * jnp.diff(ts)[:, None]
        return jnp.append(inner.reshape(-1), ts[-1])


def is_explicit_runge_kutta(solver: diffrax.AbstractSolver) -> TypeGuard[diffrax.AbstractERK]:
    """Whether `explicit_rollout` can run the solver: one explicit Butcher tableau."""
    return isinstance(solver, diffrax.AbstractERK) and isinstance(solver.tableau, diffrax.ButcherTableau)


def explicit_rollout(
    term: diffrax.AbstractTerm, solver: diffrax.AbstractERK, ts: Times, y0: State, substeps: int, args: PyTree = None
) -> Trajectory:
    """Rows at `ts` of the solution by `substeps` explicit Runge-Kutta steps between samples.

    One checkpoint a sample, one a step inside it, and one a stage inside that. Of each stage of a Lagrangian vector
    field the acceleration and the factor of the mass matrix are kept, n + n^2 numbers: the backward pass linearises
    the Euler-Lagrange residual there, and never forms the mass matrix again. All else is recomputed, a stage at a
    time: what a stage needs on the way back is used while it is in the cache. The steps between two samples are a
    loop, compiled once however many they are. Differentiable to any order.

    **Returns:** shape `(time, 2 dof)`, the first row `y0`.
    """
    tableau = solver.tableau
    assert isinstance(tableau, diffrax.ButcherTableau)

    @KEEP_STAGES
    def step(y, interval):
        t0, t1 = interval
        h = (t1 - t0) / substeps

        @KEEP_STAGES
        def substep(y, i):
            return _explicit_step(term, tableau, t0 + i * h, h, y, args), None

        if substeps == 1:  # the usual case of training: nothing to loop over
            y = _explicit_step(term, tableau, t0, h, y, args)
        else:
            y, _ = jax.lax.scan(substep, y, jnp.arange(substeps, dtype=ts.dtype))
        return y, y

    _, ys = jax.lax.scan(step, y0, (ts[:-1], ts[1:]))
    return jnp.concatenate([y0[None], ys])


def _explicit_step(
    term: diffrax.AbstractTerm, tableau: diffrax.ButcherTableau, t: Scalar, h: Scalar, y: Array, args: PyTree
) -> Array:
    # y_i = y + h sum_j a_ij k_j,  k_i = f(t + c_i h, y_i),  y' = y + h sum_i b_i k_i.
    # Stages with no weight in the solution (the last one of first-same-as-last methods) are not evaluated.
    stages = int(np.max(np.nonzero(tableau.b_sol))) + 1
    a = np.zeros((stages, stages))
    for i, row in enumerate(tableau.a_lower[: stages - 1]):
        a[i + 1, : i + 1] = row
    c = np.concatenate([[0.0], tableau.c])[:stages]

    @KEEP_STAGES
    def stage(k, node):
        i, a_i, c_i = node
        return k.at[i].set(term.vf(t + c_i * h, y + h * (a_i @ k), args)), None

    nodes = (jnp.arange(stages), jnp.asarray(a, y.dtype), jnp.asarray(c, y.dtype))
    k, _ = jax.lax.scan(stage, jnp.zeros((stages, *y.shape), y.dtype), nodes)
    return y + h * (jnp.asarray(tableau.b_sol[:stages], y.dtype) @ k)

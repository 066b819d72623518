"""Fixed-step rollouts for training: steps that end at the sample times, in one `lax.scan`.

They are faster than diffrax's general loop: no interpolation, no step-size control and no while loop. Under `vmap` all
trajectories of a batch take the same steps, and the gradient of shared parameters is computed once for the batch.
"""

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PyTree

from .._types import Scalar, State, Times, Trajectory
from ..numerics import KEEP_STAGES
from .runge_kutta import stage_slopes, tableau_of


class StepsPerSample(eqx.Module):
    """Constant steps that end at the sample times: `substeps` equal steps from each sample to the next.

    Pass it as `stepsize_controller`. It suits training, where samples are close together. It does not control the
    error, so use adaptive steps for evaluation at widely spaced times.

    For uneven sampling there are `extra` additional steps. Each is added to the interval that has the longest steps at
    that point. Training chooses their number from the recording.

    **Arguments:**

    - `substeps`: number of solver steps between neighbouring samples, at least 1.
    - `extra`: number of additional steps of a whole rollout, at least 0.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> nl.StepsPerSample(2).step_times(jnp.array([0.0, 1.0, 2.0])).tolist()
    [0.0, 0.5, 1.0, 1.5, 2.0]
    ```
    """

    substeps: int = eqx.field(static=True, default=1)
    extra: int = eqx.field(static=True, default=0)

    def __check_init__(self):
        for name, least in (("substeps", 1), ("extra", 0)):
            value = getattr(self, name)
            if not isinstance(value, int) or value < least:
                raise ValueError(f"`{name}` is {value!r}; expected an integer >= {least}")

    def steps(self, intervals: int) -> int:
        """The number of steps of a rollout over `intervals` sampling intervals."""
        return self.substeps * intervals + self.extra

    def allotted(self, ts: Times) -> Int[Array, " interval"]:
        """The number of steps from each sample to the next, shape `(time - 1,)`."""
        length = jnp.abs(jnp.diff(ts))
        counts = jnp.full(length.shape, self.substeps)

        def deal(_, counts):
            return counts.at[jnp.argmax(length / counts.astype(length.dtype))].add(1)

        return jax.lax.fori_loop(0, self.extra, deal, counts) if self.extra else counts

    def step_times(self, ts: Times) -> Float[Array, " step"]:
        """The times of every step, samples included, shape `(steps + 1,)`."""
        starts, _, _ = self.schedule(ts)
        return jnp.append(starts, ts[-1])

    def schedule(self, ts: Times) -> tuple[Float[Array, " step"], Float[Array, " step"], Int[Array, " interval"]]:
        """Start and length of every step, shape `(steps,)`, and the index of the last step of each interval."""
        counts = jax.lax.stop_gradient(self.allotted(ts))
        ends = jnp.cumsum(counts)
        number = jnp.arange(self.steps(ts.shape[0] - 1))
        interval = jnp.searchsorted(ends, number, side="right")
        lengths = (jnp.diff(ts) / counts.astype(ts.dtype))[interval]
        within = (number - ends[interval] + counts[interval]).astype(ts.dtype)
        return ts[:-1][interval] + within * lengths, lengths, ends - 1


def explicit_rollout(
    term: diffrax.AbstractTerm,
    solver: diffrax.AbstractERK,
    ts: Times,
    y0: State,
    controller: StepsPerSample,
    args: PyTree = None,
) -> Trajectory:
    """A rollout at the times `ts` by explicit Runge-Kutta steps of fixed size. Differentiable to any order.

    Gradient checkpoints are nested: one for each sample, each step and each stage. Each stage of a Lagrangian vector
    field stores the acceleration and the factor of the mass matrix (n + n^2 numbers). The backward pass linearises the
    Euler-Lagrange residual there and does not compute the mass matrix again. All other values are recomputed, one stage
    at a time, so they stay in the cache. The steps between two samples are a loop that is compiled once.

    **Returns:** shape `(time, 2 dof)`, the first row `y0`.
    """
    tableau = tableau_of(solver)
    substeps = controller.substeps

    def one(y, start_and_length):
        t, h = start_and_length
        y = _explicit_step(term, tableau, t, h, y, args)
        return y, y

    @KEEP_STAGES
    def interval(y, ends):
        t0, t1 = ends
        h = (t1 - t0) / substeps
        starts = t0 + jnp.arange(substeps, dtype=ts.dtype) * h
        y, _ = jax.lax.scan(KEEP_STAGES(one), y, (starts, jnp.full_like(starts, h)))
        return y, y

    if controller.extra:  # the number of steps differs between intervals: one loop over all steps
        starts, lengths, last = controller.schedule(ts)
        _, ys = jax.lax.scan(KEEP_STAGES(one), y0, (starts, lengths))
        ys = ys[last]
    elif substeps == 1:  # the usual case in training: no inner loop needed
        _, ys = jax.lax.scan(KEEP_STAGES(one), y0, (ts[:-1], jnp.diff(ts)))
    else:
        _, ys = jax.lax.scan(interval, y0, (ts[:-1], ts[1:]))
    return jnp.concatenate([y0[None], ys])


def _explicit_step(
    term: diffrax.AbstractTerm, tableau: diffrax.ButcherTableau, t: Scalar, h: Scalar, y: Array, args: PyTree
) -> Array:
    # Stages without weight in the solution (such as the last one of first-same-as-last methods) are skipped.
    stages = int(np.max(np.nonzero(tableau.b_sol))) + 1
    k, _ = stage_slopes(tableau, stages, lambda _, t, y: (term.vf(t, y, args), None), t, h, y)
    return y + h * (jnp.asarray(tableau.b_sol[:stages], y.dtype) @ k)

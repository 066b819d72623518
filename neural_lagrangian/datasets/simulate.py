"""Simulation of known systems, as training and test data."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from diffrax import RESULTS, ClipStepSizeController
from jaxtyping import ArrayLike

from .._checks import floating
from .._errors import NeuralLagrangianError
from ..integrators import (
    DEFAULT_SIMULATION_TOLERANCE_FLOAT64,
    DEFAULT_TOLERANCE_FLOAT32,
    AdaptiveSteps,
    SaveTimes,
    check_rollout_arguments,
    later,
)
from ..systems import AbstractSystem
from ..trajectories import Trajectories


class SimulationError(NeuralLagrangianError, RuntimeError):
    """A system could not be simulated to the end. The message names the trajectory, its initial state and the limits.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> steps = nl.integrators.Integration(max_steps=2)
    >>> try:
    ...     nl.simulate(nl.systems.Pendulum(integration=steps), jnp.array([0.0, 9.0]), jnp.array([[1.0, 0.0]]))
    ... except nl.datasets.SimulationError as error:
    ...     print("within 2 steps" in str(error))
    True
    ```
    """


def simulate(
    system: AbstractSystem,
    ts: ArrayLike,
    y0s: ArrayLike,
    *,
    tolerance: float | None = None,
    accelerations: bool = False,
) -> Trajectories:
    """Simulate a known system from several initial states, with high accuracy.

    **Arguments:**

    - `system`: a physical system. Its solver is used with adaptive steps.
    - `ts`: strictly increasing times in seconds, shape `(time,)`.
    - `y0s`: initial states `[q, v]`, shape `(trajectory, 2 dof)`.
    - `tolerance`: relative error of a step, see `AdaptiveSteps`. `None` means 1e-12 in double and 1e-6 in single
      precision (`DEFAULT_SIMULATION_TOLERANCE_FLOAT64` and `DEFAULT_TOLERANCE_FLOAT32`).
    - `accelerations`: whether to record the true accelerations too.

    **Raises:** `ValueError` for wrong shapes or dtypes. `SimulationError` if a solve fails; it names the trajectory.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> spring = nl.systems.HarmonicOscillator(stiffness=1.0)  # period 2 pi
    >>> motion = nl.simulate(spring, jnp.linspace(0.0, jnp.pi, 11), jnp.array([[1.0, 0.0], [2.0, 0.0]]))
    >>> print(motion.ys[:, -1, 0].round(3))  # after half a period, from 1 m and from 2 m
    [-1. -2.]
    ```
    """
    y0s = floating("y0s", y0s, ("trajectory", "2 dof"))
    if y0s.shape[0] == 0:
        raise ValueError(f"`y0s` has shape {y0s.shape}; expected at least one initial state")
    clock, _ = check_rollout_arguments(ts, y0s[0])
    if tolerance is None:
        single = y0s.dtype == jnp.float32
        tolerance = DEFAULT_TOLERANCE_FLOAT32 if single else DEFAULT_SIMULATION_TOLERANCE_FLOAT64
    system = eqx.tree_at(
        lambda s: (s.integration.stepsize_controller, s.integration.dt0),
        system,
        # Steps end at the requested times, because the error of interpolation between steps is not controlled.
        (ClipStepSizeController(AdaptiveSteps(tolerance), step_ts=clock.elapsed), None),
        is_leaf=lambda x: x is None,
    )
    ys, successful = _solve_all(system, clock, y0s)
    failed = ~np.asarray(successful)
    if failed.any():
        i = int(np.argmax(failed))
        raise SimulationError(
            f"trajectory {i} of {len(y0s)} from {np.asarray(y0s[i])} could not be integrated to "
            f"t = {float(clock.ts[-1])} within {system.integration.max_steps} steps at tolerance {tolerance}; expected "
            f"a motion that is finite until then: choose a shorter time, a larger tolerance or larger `max_steps`"
        )
    recorded = np.asarray(_accelerations(system, clock.ts, ys)) if accelerations else None
    return Trajectories(np.asarray(ts), np.asarray(ys), accelerations=recorded)


@eqx.filter_jit
def _solve_all(system, clock, y0s):
    since_start = SaveTimes(jnp.zeros_like(clock.start), clock.elapsed)

    def one(y0):
        solution = system.integration.solve(later(system.term(y0), clock.start), since_start, y0)
        return solution.ys, (solution.result == RESULTS.successful) & jnp.all(jnp.isfinite(solution.ys))

    return jax.vmap(one)(y0s)


@eqx.filter_jit
def _accelerations(system, ts, ys):
    def one(t, y):
        return system.acceleration(t, *jnp.split(y, 2))

    return jax.vmap(jax.vmap(one), (None, 0))(ts, ys)

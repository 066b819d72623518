"""Trajectory optimisation and receding horizon control through a learned model."""

from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float

from .._checks import check_instance, floating, is_concrete, positive_integer
from .._types import Scalar, State, Times, Trajectory
from .arguments import as_angles, check_limits, positive, sampling_times
from .augmented_lagrangian import constrained
from .closed_loop import closed_loop
from .controller import AbstractController, ControlLimits, Limited, state_error
from .cost import AbstractCost
from .driven import Driven, driven
from .errors import ControlError
from .iterative_lqr import Problem, solve


class Plan(AbstractController):
    r"""An optimised motion with feedback, the controller $u = u_k + K_k (y - y_k)$ for $t_k \le t < t_{k+1}$.

    - `ts`: times in seconds, shape `(time,)`. `ys`: states, shape `(time, 2 dof)`.
    - `us`: controls, shape `(time - 1, m)`, each held until the next time. `gains`: $K_k$, shape
      `(time - 1, m, 2 dof)`.
    - `cost`: total cost, a scalar. `converged`: whether the cost stopped decreasing.
    - `violation`: largest violated state constraint, zero if all are met.
    - `limits`: the limits of the control, or `None`. `periodic`: coordinates that are angles.
    """

    ts: Times
    ys: Trajectory
    us: Float[Array, "interval control"]
    gains: Float[Array, "interval control state"]
    cost: Scalar
    converged: Bool[Array, ""]
    violation: Scalar
    _: KW_ONLY
    limits: ControlLimits | None = None
    periodic: tuple[int, ...] = eqx.field(static=True, default=())

    def __call__(self, t: ArrayLike, y: State) -> Array:
        k = jnp.searchsorted(self.ts, jnp.asarray(t, self.ts.dtype), side="right") - 1
        k = jnp.clip(k, 0, self.us.shape[0] - 1)
        u = self.us[k] + self.gains[k] @ state_error(y, self.ys[k], self.periodic)
        return u if self.limits is None else self.limits(u)


def optimize_trajectory(
    model: Any,
    cost: AbstractCost,
    ts: ArrayLike,
    y0: ArrayLike,
    us: ArrayLike | None = None,
    *,
    limits: ControlLimits | None = None,
    constraint: Callable[..., Array] | None = None,
    iterations: int = 200,
    tolerance: float = 1e-6,
    violation: float = 1e-2,
    periodic: Sequence[int] = (),
) -> Plan:
    r"""Trajectory optimisation through the model, by the iterative linear-quadratic regulator (iLQR).

    It minimises the cost over the controls, each held for an interval, with exact derivatives of the model's own steps
    (Li and Todorov 2004; control limits: Tassa, Mansard and Todorov 2014; state constraints: augmented Lagrangian). The
    result is a local minimum: give `us`, or change the cost, if it is a bad one.

    **Arguments:**

    - `model`: a model with one `ControlForce`. Use `StepsPerSample` for its steps: adaptive steps cost more.
    - `cost`: an `AbstractCost`, such as a `QuadraticCost`.
    - `ts`: times in seconds, strictly increasing, shape `(time,)`. `y0`: initial state, shape `(2 dof,)`.
    - `us`: initial guess, shape `(time - 1, m)`. `None` means zero.
    - `limits`: limits of the control.
    - `constraint`: callable `(t, y)` to shape `(p,)`; the states must satisfy `constraint(t, y) <= 0`, such as
      `lambda t, y: jnp.abs(y[:1]) - 1.0` for a track of 1 m on either side.
    - `iterations`: limit of the iterations (in each round, with a constraint). `tolerance`: relative decrease of the
      cost at which they stop.
    - `violation`: largest violation of the constraint that is accepted.
    - `periodic`: coordinates that are angles, for the feedback of the plan.

    **Returns:** a `Plan`.

    **Raises:** `ControlError` if the model has no `ControlForce`, or forces with memory; if the motion of the initial
    guess is not finite; or if no motion within the limits was found that meets the constraint. `ValueError` for other
    shapes, and for `ts` as `closed_loop`.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> mass = nl.NeuralLagrangian.from_lagrangian(
    ...     lambda t, q, v: 0.5 * v @ v, force=nl.mechanics.ControlForce(), stepsize_controller=nl.StepsPerSample()
    ... )
    >>> cost = nl.control.QuadraticCost(jnp.array([1.0, 0.0]), jnp.zeros(2), jnp.array([0.01]), jnp.full(2, 1e4))
    >>> plan = nl.control.optimize_trajectory(mass, cost, jnp.linspace(0.0, 1.0, 21), jnp.zeros(2))
    >>> plan.ys[-1].round(2).tolist()  # at rest after 1 m in 1 s
    [1.0, 0.0]
    ```
    """
    times, y0 = sampling_times(ts, y0)
    system = driven(model, y0)
    check_instance("cost", cost, AbstractCost)
    check_limits(limits)
    if not tolerance >= 0:
        raise ValueError(f"`tolerance` is {tolerance!r}; expected a relative decrease of the cost, at least 0")
    angles = as_angles(periodic, system.dof)
    shape = (len(times) - 1, system.controls)
    us = jnp.zeros(shape, y0.dtype) if us is None else jnp.asarray(floating("us", us, shape), y0.dtype)
    positive_integer("iterations", iterations)
    plan = _optimized(system, cost, times, y0, us, limits, constraint, iterations, tolerance, angles)
    if not np.isfinite(plan.cost):
        raise ControlError(
            "the motion under the initial guess `us` has no finite cost; expected a guess whose motion stays finite, "
            "or shorter `ts`"
        )
    if not plan.violation <= violation:
        raise ControlError(
            f"no motion within the limits was found that meets `constraint`: it is violated by "
            f"{float(plan.violation):.3g}; expected wider limits, more time, or another initial guess `us`"
        )
    return plan


class RecedingHorizon(AbstractController):
    r"""Receding horizon control (model predictive control): the first control of the best motion from each state.

    Each call optimises a motion over the horizon from the state `y`, starting from the motion under `guess`.

    **Arguments:**

    - `model`, `cost`, `limits`: as for `optimize_trajectory`.
    - `dt`: sampling interval in seconds. `steps`: number of intervals of the horizon.
    - `guess`: controller of the initial guess, such as an `lqr`. `None` means zero control.
    - `iterations`: number of iterations in a call.

    **Raises:** `ValueError` for numbers that are not positive, and for another kind of `cost` or `limits`.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> mass = nl.NeuralLagrangian.from_lagrangian(
    ...     lambda t, q, v: 0.5 * v @ v, force=nl.mechanics.ControlForce(), stepsize_controller=nl.StepsPerSample()
    ... )
    >>> cost = nl.control.QuadraticCost(jnp.zeros(2), jnp.ones(2), jnp.array([0.1]))
    >>> push = nl.control.RecedingHorizon(mass, cost, 0.1, 20, limits=nl.control.ControlLimits(-1.0, 1.0))
    >>> push(0.0, jnp.array([1.0, 0.0])).tolist()  # full force towards zero
    [-1.0]
    ```
    """

    model: Any
    cost: AbstractCost
    dt: float
    steps: int = eqx.field(static=True)
    _: KW_ONLY
    limits: ControlLimits | None = None
    guess: Callable[..., Array] | None = None
    iterations: int = eqx.field(static=True, default=10)

    def __check_init__(self):
        check_instance("cost", self.cost, AbstractCost)
        check_limits(self.limits)
        positive("dt", self.dt, "a positive time in seconds")
        positive_integer("steps", self.steps)
        positive_integer("iterations", self.iterations)

    def __call__(self, t: ArrayLike, y: State) -> Array:
        return self.plan(t, y).us[0]

    def plan(self, t: ArrayLike, y: State) -> Plan:
        """The best motion found from the state `y`, shape `(2 dof,)`, at the time `t`."""
        system = driven(self.model, y)
        ts = jnp.asarray(t, y.dtype) + jnp.asarray(self.dt, y.dtype) * jnp.arange(self.steps + 1, dtype=y.dtype)
        if is_concrete(t, self.dt):
            sampling_times(np.asarray(t, np.float64) + float(self.dt) * np.arange(self.steps + 1), y)
        us = jnp.zeros((self.steps, system.controls), y.dtype)
        if self.guess is not None:
            guess = self.guess if self.limits is None else Limited(self.guess, self.limits)
            us = closed_loop(self.model, guess, ts, y).us[:-1]
        return _optimized(system, self.cost, ts, y, us, self.limits, None, self.iterations, 1e-6, ())


@eqx.filter_jit
def _optimized(
    system: Driven,
    cost: AbstractCost,
    ts: Times,
    y0: State,
    us: Array,
    limits: ControlLimits | None,
    constraint: Callable[..., Array] | None,
    iterations: int,
    tolerance: float,
    periodic: tuple[int, ...],
) -> Plan:
    free = jnp.full(us.shape[1], jnp.inf, us.dtype)
    lower, upper = (-free, free) if limits is None else limits.bounds(us[0])
    dts = jnp.diff(ts)

    def step(k, y, u):
        return system.held(ts[k], ts[k + 1], y, u)

    def running(k, y, u):
        return cost.running(ts[k], y, u) * dts[k]

    def final(y):
        return cost.final(ts[-1], y)

    problem = Problem(step, running, final, lower, upper)
    options = {"iterations": iterations, "tolerance": tolerance}
    if constraint is None:
        best, violation = solve(problem, y0, us, **options), jnp.zeros((), y0.dtype)
    else:
        best, violation = constrained(problem, constraint, ts, y0, us, **options)
    total = jnp.sum(jax.vmap(running)(jnp.arange(us.shape[0]), best.ys[:-1], best.us)) + final(best.ys[-1])
    found = best.ys, best.us, best.gains, total, best.change <= tolerance, violation
    return Plan(ts, *found, limits=limits, periodic=periodic)

"""A report on a controlled motion."""

from collections.abc import Sequence
from dataclasses import KW_ONLY

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from .._checks import is_concrete, one_or_each
from .._types import Scalar, State
from .arguments import as_angles, as_state, check_limits
from .closed_loop import ClosedLoop
from .controller import ControlLimits, state_error
from .cost import AbstractCost, total_cost


class ControlReport(eqx.Module):
    """How well a motion reached a target. Print it for a summary.

    - `settled_at`: time in seconds from which on all errors stay within the tolerance; infinite if they do not.
    - `final_error`: error of the last state, shape `(2 dof,)`.
    - `peak_control`: largest magnitude of each control, shape `(m,)`. `effort`: time integral of the squared control.
    - `saturated`: share of samples at which some control is at its limit, from 0 to 1; zero without limits.
    - `cost`: total cost, or `None` without a cost.
    """

    _: KW_ONLY
    settled_at: Scalar
    final_error: Float[Array, " state"]
    peak_control: Float[Array, " control"]
    effort: Scalar
    saturated: Scalar
    cost: Scalar | None

    @property
    def settled(self) -> Array:
        """Whether the motion reached the target and stayed."""
        return jnp.isfinite(self.settled_at)

    def __str__(self) -> str:
        reached = f"settled after {float(self.settled_at):.3g} s" if bool(self.settled) else "did not settle"
        peak = ", ".join(f"{float(u):.3g}" for u in self.peak_control)
        cost = "" if self.cost is None else f", cost {float(self.cost):.4g}"
        return f"{reached}, largest control {peak}, at a limit for {float(self.saturated):.0%} of the time{cost}"


def control_report(
    run: ClosedLoop,
    target: ArrayLike,
    *,
    tolerance: ArrayLike,
    periodic: Sequence[int] = (),
    limits: ControlLimits | None = None,
    cost: AbstractCost | None = None,
) -> ControlReport:
    """Judge a controlled motion: when it settled, its error, and the control that it used.

    **Arguments:**

    - `run`: the motion, a `ClosedLoop`. For a measured motion: `ClosedLoop(ts, ys, us)`.
    - `target`: the state to hold, shape `(2 dof,)`.
    - `tolerance`: accepted error of each coordinate and velocity, a scalar or shape `(2 dof,)`.
    - `periodic`: coordinates that are angles. `limits`: those of the control. `cost`: an `AbstractCost`.

    **Returns:** a `ControlReport`.

    **Raises:** `ValueError` for other shapes, and for a tolerance that is negative or NaN.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> mass = nl.NeuralLagrangian.from_lagrangian(lambda t, q, v: 0.5 * v @ v, force=nl.mechanics.ControlForce())
    >>> ts, y0 = jnp.linspace(0.0, 5.0, 101), jnp.array([1.0, 0.0])
    >>> run = nl.control.closed_loop(mass, lambda t, y: -4.0 * y[:1] - 4.0 * y[1:], ts, y0)
    >>> print(nl.control.control_report(run, jnp.zeros(2), tolerance=0.02))
    settled after 3.25 s, largest control 4, at a limit for 0% of the time
    ```
    """
    target = as_state("target", target)
    if target.shape != run.ys.shape[1:]:
        raise ValueError(f"`target` has shape {target.shape}; expected {run.ys.shape[1:]}, that of a state of `run`")
    check_limits(limits)
    angles = as_angles(periodic, len(target) // 2)
    accepted = _tolerance(tolerance, target)
    errors = jax.vmap(lambda y: state_error(y, target, angles))(run.ys)
    inside = jnp.all(jnp.abs(errors) <= accepted[None], axis=1)
    stays = jnp.flip(jnp.cumprod(jnp.flip(inside))).astype(bool)
    settled_at = jnp.where(stays[-1], run.ts[jnp.argmax(stays)], jnp.inf)
    at_limit = jnp.zeros(len(run.ts), bool)
    if limits is not None:
        lower, upper = limits.bounds(run.us[0])
        at_limit = jnp.any((run.us <= lower[None]) | (run.us >= upper[None]), axis=1)
    return ControlReport(
        settled_at=settled_at,
        final_error=errors[-1],
        peak_control=jnp.max(jnp.abs(run.us), axis=0),
        effort=jnp.sum(jnp.sum(run.us[:-1] ** 2, axis=1) * jnp.diff(run.ts)),
        saturated=jnp.mean(at_limit.astype(run.ts.dtype)),
        cost=None if cost is None else total_cost(cost, run),
    )


def _tolerance(tolerance: ArrayLike, target: State) -> Array:
    """The accepted error of each component of a state."""
    accepted = one_or_each("tolerance", tolerance, target.shape, target.dtype)
    if is_concrete(accepted) and not np.all(np.asarray(accepted) >= 0):
        raise ValueError(f"`tolerance` is {tolerance}; expected accepted errors, not negative")
    return accepted

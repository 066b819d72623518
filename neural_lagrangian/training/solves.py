"""How the rollouts of a model go: the steps that they need, and why those that fail do."""

import math
from dataclasses import replace
from typing import Any, NamedTuple

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, PyTree

from ..integrators import AbstractMotionModel, AbstractVariationalSolver, StepsPerSample
from ..models.controlled import with_control
from ..trajectories import Windows
from .step import weights_and_states

FAILURES = (
    "max_steps_reached",
    "dt_min_reached",
    "nonlinear_max_steps_reached",
    "nonlinear_divergence",
    "nonfinite",
    "nonfinite_input",
    "singular",
    "max_steps_rejected",
    "internal_error",
)
"""Of `diffrax.RESULTS`, those with which a rollout may end."""
NOT_FINITE = "not finite"
"""That of a rollout that has succeeded, as far as its solver can tell, and is not finite."""
SEEN = 256
"""Most windows that are rolled out, evenly from all of them."""
MARGIN = 4
"""Steps that a rollout may take for each that the longest of those that succeeded has taken."""


class Solves(NamedTuple):
    """Rollouts of windows: the most steps that one which succeeded has taken, and the number of those that failed by
    reason, the names of `diffrax.RESULTS` or `NOT_FINITE`.
    """

    steps: int
    failures: dict[str, int]


def solves_of(params: PyTree, static: PyTree, windows: Windows, members: int | None = None) -> Solves:
    """Roll out windows, evenly from all, with the model that `params` and `static` make, or each of several."""
    weights, _ = weights_and_states(params)
    steps, failures = _solves(weights, static, windows, members)
    counts = {name: int(count) for name, count in zip((*FAILURES, NOT_FINITE), failures, strict=True) if count}
    return Solves(int(steps), counts)


@eqx.filter_jit
def _solves(weights: PyTree, static: PyTree, windows: Windows, members: int | None) -> tuple[Array, Array]:
    sample = windows.gather(windows.evenly(SEEN))

    def of_one(weights, static):
        model = eqx.combine(weights, static)

        def of_window(ts, ys, accelerations=None, controls=None):
            driven = model if controls is None else with_control(model, ts, controls)
            solution = driven.solve(ts, ys[0])
            finite, found = jnp.all(jnp.isfinite(solution.ys)), solution.result
            steps = jnp.where(finite & (found == diffrax.RESULTS.successful), solution.stats["num_steps"], 0)
            failed = [found == getattr(diffrax.RESULTS, name) for name in FAILURES]
            return steps, jnp.stack([*failed, (found == diffrax.RESULTS.successful) & ~finite])

        return jax.vmap(of_window)(*sample)

    steps, failures = of_one(weights, static) if members is None else eqx.filter_vmap(of_one)(weights, static)
    return jnp.max(steps), jnp.sum(failures.reshape(-1, failures.shape[-1]), axis=0)


def steps_to_allow(params: PyTree, static: PyTree, windows: Windows, members: int | None) -> int | None:
    """How many steps a rollout may take: `MARGIN` times what those that succeed need, rounded up to a power of two, so
    that few values are compiled for, and at most what the model says; `None` where it is known how many it takes.
    """
    if not _chooses_steps(static):
        return None
    most, steps = static.integration.max_steps, solves_of(params, static, windows, members).steps
    return min(most, 1 << math.ceil(math.log2(MARGIN * steps))) if steps else most


def reasons(params: PyTree, static: PyTree, windows: Windows, members: int | None) -> str:
    """A sentence that says of what rollouts fail, if any do."""
    if not isinstance(static, AbstractMotionModel):
        return ""
    seen, failures = min(SEEN, len(windows)) * (members or 1), solves_of(params, static, windows, members).failures
    counts = ", ".join(f"{name} {count}" for name, count in failures.items())
    return f"Of {seen} rollouts by the model as it is now {sum(failures.values())} fail ({counts}). " if counts else ""


def _chooses_steps(model: Any) -> bool:
    if not isinstance(model, AbstractMotionModel):
        return False
    integration = model.integration
    per_sample = integration.stepsize_controller is None and isinstance(integration.solver, AbstractVariationalSolver)
    return not per_sample and not isinstance(integration.stepsize_controller, StepsPerSample)


def with_max_steps(model: Any, max_steps: int | None) -> Any:
    """The model with another limit of the steps of a rollout; as it is, for `None`."""
    if max_steps is None:
        return model
    return eqx.tree_at(lambda m: m.integration, model, replace(model.integration, max_steps=max_steps))

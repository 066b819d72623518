"""Rollouts of a model: how many integration steps they need, and why some fail."""

import math
from dataclasses import replace
from typing import Any, NamedTuple

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, PyTree

from ..integrators import AbstractMotionModel, AbstractVariationalSolver, StepsPerSample
from ..trajectories import Windows
from .loss import conditioned, driven
from .step import weights_and_states

STEPS_EXHAUSTED = "max_steps_reached"
"""Failure of a rollout that needs more integration steps than allowed: a name of `diffrax.RESULTS`."""
NOT_FINITE = "not finite"
"""Failure of a rollout that is not finite although its solver reports success."""
FAILURES = {
    STEPS_EXHAUSTED: "need more than `max_steps` = {max_steps} steps",
    "dt_min_reached": "need steps shorter than the shortest allowed",
    "nonlinear_max_steps_reached": "have an implicit step that takes too many iterations",
    "nonlinear_divergence": "have an implicit step without a solution",
    "nonfinite": "have a linear solve that is not finite",
    "nonfinite_input": "have a linear solve of what is not finite",
    "singular": "meet a singular matrix",
    "max_steps_rejected": "have too many steps rejected in a row",
    "internal_error": "fail inside the solver",
    NOT_FINITE: "become infinite or NaN",
}
"""Texts for the failures of rollouts: names of `diffrax.RESULTS`, and `NOT_FINITE`."""
ADVICE_ON_STEPS = "Where the motion needs so many steps, a larger `max_steps` or tolerance lets rollouts finish"
"""Advice for rollouts that run out of steps; their model may be right."""
MAX_WINDOWS_SEEN = 256
"""Largest number of windows that are rolled out to find failures, evenly from all."""
STEPS_MARGIN = 4
"""Number of steps that a rollout may take, divided by the largest number that a successful rollout has taken."""


class Solves(NamedTuple):
    """Statistics of the rollouts of windows.

    `steps`: largest number of integration steps of a successful rollout. `failures`: number of failed rollouts by
    reason, a name of `diffrax.RESULTS` or `NOT_FINITE`.
    """

    steps: int
    failures: dict[str, int]


def solves_of(params: PyTree, static: PyTree, windows: Windows, members: int | None = None) -> Solves:
    """Roll out some windows with the model of `params` and `static`, or with each member of an ensemble."""
    weights, _ = weights_and_states(params)
    steps, failures = _solves(weights, static, windows, members)
    return Solves(int(steps), _counted(failures))


def failures_of(model: AbstractMotionModel, ts: Array, y0s: Array) -> dict[str, int]:
    """Number of failed rollouts by reason. `ts`: times `(start, time)`. `y0s`: initial states `(start, 2 dof)`."""
    return _counted(_outcomes(model, ts, y0s)[1])


def in_words(failures: dict[str, int], max_steps: int) -> str:
    """Number of failed rollouts and the reasons, as text. `max_steps` is the limit of the model."""

    def reason(name: str, count: int) -> str:
        verb, rest = FAILURES[name].format(max_steps=max_steps).split(" ", 1)
        verb = verb if count > 1 else "has" if verb == "have" else f"{verb}s"
        return f"{count} {verb} {rest} ({name})"

    said = ", ".join(reason(*failure) for failure in failures.items())
    return f"{said}. {ADVICE_ON_STEPS}" if STEPS_EXHAUSTED in failures else said


def _counted(failures: Array) -> dict[str, int]:
    each = jnp.sum(failures.reshape(-1, failures.shape[-1]), axis=0)
    return {name: int(count) for name, count in zip(FAILURES, each, strict=True) if count}


@eqx.filter_jit
def _outcomes(model: Any, ts: Array, y0s: Array) -> tuple[Array, Array]:
    return jax.vmap(lambda t, y0: _outcome(model, t, y0))(ts, y0s)


def _outcome(model: Any, ts: Array, y0: Array) -> tuple[Array, Array]:
    """Number of steps of a rollout, zero if it fails; and for each of `FAILURES` whether it fails for this reason."""
    solution = model.solve(ts, y0)
    finite, found = jnp.all(jnp.isfinite(solution.ys)), solution.result
    succeeded = found == diffrax.RESULTS.successful
    steps = jnp.where(finite & succeeded, solution.stats["num_steps"], 0)
    failed = [found == getattr(diffrax.RESULTS, name) for name in FAILURES if name != NOT_FINITE]
    return steps, jnp.stack([*failed, succeeded & ~finite])


@eqx.filter_jit
def _solves(weights: PyTree, static: PyTree, windows: Windows, members: int | None) -> tuple[Array, Array]:
    batch = windows.gather(windows.evenly(MAX_WINDOWS_SEEN))

    def of_one(weights, static):
        model = eqx.combine(weights, static)

        def of_window(window):
            return _outcome(driven(conditioned(model, window), window), window.ts, window.ys[0])

        return jax.vmap(of_window)(batch)

    steps, failures = of_one(weights, static) if members is None else eqx.filter_vmap(of_one)(weights, static)
    return jnp.max(steps), failures


def steps_to_allow(params: PyTree, static: PyTree, windows: Windows, members: int | None) -> int | None:
    """The limit of integration steps of a rollout during training; `None` if the number of steps is fixed.

    The limit is `STEPS_MARGIN` times the number that successful rollouts need, and at most the limit of the model. It
    is rounded up to a power of two, since each new value is compiled again.
    """
    if not _chooses_steps(static):
        return None
    most, steps = static.integration.max_steps, solves_of(params, static, windows, members).steps
    return min(most, 1 << math.ceil(math.log2(STEPS_MARGIN * steps))) if steps else most


def reasons(params: PyTree, static: PyTree, windows: Windows, members: int | None) -> str:
    """A sentence on why rollouts fail; empty if none fails."""
    if not isinstance(static, AbstractMotionModel):
        return ""
    seen, failures = (
        min(MAX_WINDOWS_SEEN, len(windows)) * (members or 1),
        solves_of(params, static, windows, members).failures,
    )
    if not failures:
        return ""
    return f"In {seen} rollouts of the present model, {in_words(failures, static.integration.max_steps)}. "


def _chooses_steps(model: Any) -> bool:
    if not isinstance(model, AbstractMotionModel):
        return False
    integration = model.integration
    per_sample = integration.stepsize_controller is None and isinstance(integration.solver, AbstractVariationalSolver)
    return not per_sample and not isinstance(integration.stepsize_controller, StepsPerSample)


def with_max_steps(model: Any, max_steps: int | None) -> Any:
    """The model with another limit of integration steps; unchanged for `None`."""
    if max_steps is None:
        return model
    return eqx.tree_at(lambda m: m.integration, model, replace(model.integration, max_steps=max_steps))

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
from ..trajectories import Windows
from .loss import driven
from .step import weights_and_states

STEPS_EXHAUSTED = "max_steps_reached"
NOT_FINITE = "not finite"
"""Failure of a rollout that has succeeded, as far as its solver can tell, and is not finite."""
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
"""How a rollout may fail: names of `diffrax.RESULTS`, and `NOT_FINITE`; with what they mean."""
ADVICE_ON_STEPS = "Where the motion needs so many steps, a larger `max_steps` or tolerance lets rollouts finish"
"""For rollouts that end for lack of steps: their model need not be wrong."""
MAX_WINDOWS_SEEN = 256
"""Most windows that are rolled out, evenly from all of them."""
STEPS_MARGIN = 4
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
    return Solves(int(steps), _counted(failures))


def failures_of(model: AbstractMotionModel, ts: Array, y0s: Array) -> dict[str, int]:
    """The number of rollouts that fail, by reason; times `(start, time)` and initial states `(start, 2 dof)`."""
    return _counted(_outcomes(model, ts, y0s)[1])


def in_words(failures: dict[str, int], max_steps: int) -> str:
    """How many rollouts fail, and why; `max_steps` is the limit of their model."""

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
    """Steps of a rollout that succeeds, zero for others; and for each of `FAILURES` whether it fails so."""
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
            return _outcome(driven(model, window), window.ts, window.ys[0])

        return jax.vmap(of_window)(batch)

    steps, failures = of_one(weights, static) if members is None else eqx.filter_vmap(of_one)(weights, static)
    return jnp.max(steps), failures


def steps_to_allow(params: PyTree, static: PyTree, windows: Windows, members: int | None) -> int | None:
    """How many steps a rollout may take: `STEPS_MARGIN` times what those that succeed need, rounded up to a power of
    two, so that few values are compiled for, and at most what the model says; `None` where it is known how many it
    takes.
    """
    if not _chooses_steps(static):
        return None
    most, steps = static.integration.max_steps, solves_of(params, static, windows, members).steps
    return min(most, 1 << math.ceil(math.log2(STEPS_MARGIN * steps))) if steps else most


def reasons(params: PyTree, static: PyTree, windows: Windows, members: int | None) -> str:
    """Sentences that say why rollouts fail, if any do."""
    if not isinstance(static, AbstractMotionModel):
        return ""
    seen, failures = (
        min(MAX_WINDOWS_SEEN, len(windows)) * (members or 1),
        solves_of(params, static, windows, members).failures,
    )
    if not failures:
        return ""
    return f"Of {seen} rollouts of the model as it is now, {in_words(failures, static.integration.max_steps)}. "


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

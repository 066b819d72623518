"""Refine the coefficients of the formulas that were found by rollouts, and choose the best formula."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..discovery import Formula, FoundLagrangian, damping_force
from ..integrators import StepsPerSample
from ..mechanics import AbstractForce
from ..models import NeuralLagrangian
from ..training import StartError, polish
from .formulas import Attempt
from .learning import Plan, loss_for
from .pieces import Parts

POLISH_STEPS, POLISH_WINDOWS = 40, 64
"""Iterations of a refinement, and the number of windows whose error it minimises."""
CLEAR_RATIO = 1.1
"""Factor by which the error must fall for a formula with more terms to be chosen."""
CERTAIN_GAP = 2.0
"""Fewer terms are not tried if the residual of the formula grows by this factor with one term less."""
ESTIMATED_VELOCITY_WEIGHT = 1e-2
"""Weight of velocities that were estimated from the positions: they hold no information of their own."""


class Evidence(NamedTuple):
    """Data for refinement: estimated states, observed positions, and the plan of the windows."""

    estimated: Parts
    observed: Parts
    plan: Plan
    recorded_velocities: bool
    periodic: tuple[int, ...] = ()


class Refined(NamedTuple):
    """A formula, and the damping beside it, as a `model` of motion; `where` it was found, and its loss.

    The scale is that of a squared velocity with the coefficient one half. `refined`: whether there was time to refine.
    """

    where: str
    model: NeuralLagrangian
    loss: float
    refined: bool = True

    @property
    def formula(self) -> Formula:
        """The Lagrangian, without the damping."""
        assert isinstance(self.model.network, Formula)
        return self.model.network

    def __str__(self) -> str:
        lines = [f"L = {self.formula}"]
        if self.model.force is not None:
            D = np.array2string(damping_matrix(self.model, jnp.zeros(self.formula.dof)), precision=5, separator=", ")
            lines.append(f"beside the force -D v, D = {' '.join(D.split())}")
        how = "coefficients refined by rollouts" if self.refined else "not refined: the time given was up"
        lines.append(f"found in {self.where}, {how}; scale, constant and dF/dt are free")
        return "\n".join(lines)


def best_formula(
    attempts: Sequence[Attempt], network: Any, evidence: Evidence, is_over: Callable[[], bool] = lambda: False
) -> Refined | None:
    """The formula with the fewest terms whose loss is near the least, or `None` if there is none.

    Where the residual does not say clearly how many terms there are, those that matter least are left out in turn.
    Where the time `is_over` no other is refined; if none was, the first is taken as it was found.
    """
    distinct = {attempt.support: attempt for attempt in reversed(attempts) if attempt.support}
    candidates: list[Refined] = []
    as_found: list[Refined] = []
    for attempt in distinct.values():
        found = attempt.found
        assert found is not None
        assert found.formula is not None
        model = NeuralLagrangian(found.formula, force=_force_beside(found, network, evidence))
        if is_over():
            as_found.append(Refined(attempt.where, _at_scale(model), np.nan, refined=False))
            continue
        candidates.append(_refined(attempt.where, model, evidence))
        if found.gap < CERTAIN_GAP:
            candidates += _with_fewer_terms(candidates[-1], evidence, is_over)
    sound = [one for one in candidates if np.isfinite(one.loss)]
    if not sound:
        return next(iter(as_found), None)
    least = min(one.loss for one in sound)
    return min((one for one in sound if one.loss <= CLEAR_RATIO * least), key=lambda one: len(one.formula.support))


def damping_matrix(model: Any, q: Array) -> Float[np.ndarray, "dof dof"]:
    r"""$D = -\partial Q / \partial v$ at rest."""
    return np.asarray(-jax.jacfwd(lambda v: model.force(0.0, q, v))(jnp.zeros_like(q)))


def _force_beside(found: FoundLagrangian, network: Any, evidence: Evidence) -> AbstractForce | None:
    """What was found with a formula of data; with one of the network, its damping at the scale of the formula."""
    if found.scale is None or found.formula is None or network.force is None:
        return found.force
    motion = evidence.estimated.train
    q = jnp.asarray(motion.ys[motion.mask].mean(axis=0)[: motion.dof])
    return damping_force(damping_matrix(network, q) / found.scale, found.formula.coefficients.dtype)


def _with_fewer_terms(one: Refined, evidence: Evidence, is_over: Callable[[], bool]) -> Iterator[Refined]:
    """Without the term that matters least, and so on, as long as the loss does not grow clearly."""
    motion = evidence.estimated.train
    q, v = (jnp.asarray(part) for part in np.split(motion.ys[motion.mask], 2, axis=1))
    least = one.loss
    while len(one.formula.support) > 1 and not is_over():
        terms = one.formula.library
        values = np.asarray(jax.jit(jax.vmap(terms, (None, 0, 0)))(0.0, q, v))
        sizes = values.std(axis=0) * np.abs(np.asarray(one.formula.coefficients))
        sizes[_pivot(one.formula)] = np.inf
        kept = np.delete(np.arange(len(terms)), np.argmin(sizes))
        shorter = Formula(terms.select(kept.tolist()), one.formula.coefficients[kept])
        one = _refined(one.where, eqx.tree_at(lambda m: m.network, one.model, shorter), evidence)
        if not one.loss <= CLEAR_RATIO * least:
            return
        least = min(least, one.loss)
        yield one


def _refined(where: str, model: NeuralLagrangian, evidence: Evidence) -> Refined:
    plan, motion = evidence.plan, evidence.observed.train
    velocity = 1.0 if evidence.recorded_velocities else ESTIMATED_VELOCITY_WEIGHT
    loss = loss_for(motion, evidence.periodic, velocity=velocity)
    try:
        polished = polish(
            model,
            motion,
            loss=loss,
            steps=POLISH_STEPS,
            horizon=plan.horizons[-1],
            stride=plan.stride,
            windows=POLISH_WINDOWS,
            states=evidence.estimated.train.ys,
            stepsize_controller=StepsPerSample(plan.substeps),
        )
    except StartError:  # rollouts fail
        return Refined(where, model, np.inf)
    return Refined(where, _at_scale(polished.model), float(polished.loss[-1]))


def _at_scale(model: NeuralLagrangian) -> NeuralLagrangian:
    """The same motion with one half for the coefficient of a squared velocity."""
    assert isinstance(model.network, Formula)
    factor = 0.5 / model.network.coefficients[_pivot(model.network)]
    found, errors = model.network, model.network.standard_errors
    errors = None if errors is None else [abs(float(factor)) * error for error in errors]
    scaled = Formula(found.library, found.coefficients * factor, errors)
    model = eqx.tree_at(lambda m: m.network, model, scaled)
    if model.force is None:
        return model
    return eqx.tree_at(lambda m: m.force.factor, model, replace_fn=lambda C: C * jnp.sqrt(factor))


def _pivot(formula: Formula) -> int:
    """The first squared velocity among the terms, else the first that has a velocity."""
    velocities = formula.library.symbols[1]
    squares = [k for k, term in enumerate(formula.library.terms) if any(term == ((name, 2),) for name in velocities)]
    kinetic = [k for k, term in enumerate(formula.library.terms) if any(name in velocities for name, _ in term)]
    return (squares or kinetic)[0]

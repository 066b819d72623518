"""All candidates of an identification in one comparison: families of known form, the formula found, the network."""

from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax

from ..integrators import RK4, StepsPerSample
from ..models import NeuralLagrangian
from .contest import Candidate, Contest
from .fitted_families import fitted_families, ranked
from .judging import better_than_baselines, rollout_errors
from .known_families import families_for
from .measure import Measure
from .preparation import Task
from .refinement import RefinedFormula
from .starts import starts_of
from .trial import Trial
from .user_family import Family

FORMULA, NETWORK = "formula of the search", "network"
"""Names of the candidates that are no families."""
NOTHING = Contest((), ())
"""The comparison of a recording whose pieces are too short for it."""


def compared_candidates(
    task: Task,
    network: Any,
    formula: RefinedFormula | None,
    users: Sequence[Family] = (),
    is_over: Callable[[], bool] = lambda: False,
) -> Contest:
    """Fit the families that may describe the recording, and compare all candidates on the validation set.

    **Arguments:**

    - `network`: the trained network, a model of motion in SI units. `formula`: the formula of the search, if any.
    - `users`: candidates of the user.
    - `is_over`: no further fit begins once it returns true.
    """
    trial = Trial.of(task)
    if trial is None:
        return NOTHING
    motion = task.parts.train
    mean = motion.ys[motion.mask].mean(axis=0)[: motion.dof]
    families = families_for(task.columns)
    families += [one.on(task.columns, trial.units, mean) for one in users]
    candidates, refused, noise = fitted_families(families, task, trial, is_over)
    if families and not candidates and is_over():
        return Contest((), tuple(refused))
    models = {NETWORK: (network, None)} | ({} if formula is None else {FORMULA: (formula.model, formula)})
    for name, (model, found) in models.items():
        count = _weights(model) if found is None else found.constants_count
        candidates.append(Candidate(name, "", count, trial.misfit(model, noise), found=found))
    contest = ranked(candidates, refused, task, trial)
    return contest._replace(candidates=tuple(_sound(one, task) for one in contest.candidates))


def _weights(model: Any) -> int:
    return sum(leaf.size for leaf in jax.tree.leaves(eqx.filter(model, eqx.is_inexact_array)))


def _sound(one: Candidate, task: Task) -> Candidate:
    """A candidate whose formula predicts no better than the baselines has none."""
    if one.found is None or one.name == FORMULA:
        return one
    steps = StepsPerSample(2 * task.plan.substeps)
    model = NeuralLagrangian(one.found.model.network, RK4(), force=one.found.model.force, stepsize_controller=steps)
    starts, measure = starts_of(task.parts.validation, task.plan.stride), Measure.of(task.parts.train, task.columns)
    errors, _ = rollout_errors({"one": model}, starts, task.columns, measure)
    return one if better_than_baselines(errors, "one") else one._replace(found=None)

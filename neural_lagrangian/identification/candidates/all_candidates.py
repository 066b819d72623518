"""All candidates of an identification in one comparison: families of known form, the formula found, networks."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import numpy as np

from ..families import Family, FormulaFamily, families_for
from ..folders import formula_as_json, formula_of_json
from ..formulas import RefinedFormula
from ..preparation import Task
from ..prior import Prior
from .contest import FORMULA, NULL, Candidate, Contest
from .fitted_families import Fitted, check_names, fitted_families, ranked, with_formula
from .trial import Trial

NOTHING = Contest((), ())
"""The comparison of a recording whose pieces are too short for it."""


class Known(NamedTuple):
    """The families of known form, fitted to a task.

    `fitted`: their fits. `cut_short`: whether the time limit left no time for any. `explains`: the best family, if no
    other candidate can be much better. `has_formula`: whether `fitted` has the terms of the formula of the search too.
    """

    trial: Trial
    fitted: Fitted
    cut_short: bool
    explains: Candidate | None
    has_formula: bool = False


def known_candidates(
    task: Task, users: Sequence[Family] = (), is_over: Callable[[], bool] = lambda: False
) -> Known | None:
    """Fit the families that may describe the recording; `None` if its pieces are too short.

    **Arguments:**

    - `users`: candidates of the user.
    - `is_over`: no further fit begins once it returns true.
    """
    trial = Trial.of(task)
    if trial is None:
        return None
    mean = _mean(task)
    families = families_for(task.columns) + [one.on(task.columns, trial.units, mean) for one in users]
    check_names(families)
    fitted = fitted_families(families, trial, is_over)
    explains = explaining(fitted.candidates, task, trial)
    if explains is not None:
        candidates = [explains if one.fit is explains.fit else one for one in fitted.candidates]
        fitted = fitted._replace(candidates=candidates)
    return Known(trial, fitted, bool(families) and not fitted.candidates and is_over(), explains)


def explaining(candidates: list[Candidate], task: Task, trial: Trial) -> Candidate | None:
    """The best family with its formula, if it leaves nothing but the noise of the recording, and predicts better than
    the baselines.
    """
    best = next(iter(Contest.of(candidates, []).candidates), None)
    if best is None or best.fit is None or not (best.fit.family.is_formula and best.leaves_noise):
        return None
    best = with_formula(best, task, trial.units)
    return None if best.found is None else best


def prior_of(task: Task, known: Known | None) -> Prior | None:
    """The best system of known form, if it predicts better than the baselines, and leaves more than noise."""
    if known is None or known.explains is not None:
        return None
    contest = Contest.of(known.fitted.candidates, [])
    one = next((one for one in contest.candidates if one.fit is not None and one.fit.family.is_formula), None)
    found = None if one is None else with_formula(one, task, known.trial.units).found
    if found is None:
        return None
    as_read_back = formula_of_json(task.columns, formula_as_json(found))  # so that a file of the network fits
    return Prior(as_read_back, task.scaling)


def candidate_of(
    name: str,
    model: Any,
    noise: np.ndarray,
    trial: Trial,
    found: RefinedFormula | None = None,
    *,
    is_network: bool = False,
    is_mechanical: bool = True,
) -> Candidate:
    """A model of motion in SI units as a candidate, in units of `noise`. `found`: what it is as a formula."""
    misfit, rest, held = trial.misfit(model, noise)
    count = _weights(model) if found is None else found.constants_count
    facts = {"found": found, "rest": rest, "rest_error": trial.rest_error, "held": held}
    return Candidate(name, count, misfit, **facts, is_network=is_network, is_mechanical=is_mechanical)


def compared_candidates(
    task: Task,
    known: Known | None,
    models: Mapping[str, Any],
    formula: RefinedFormula | None,
    is_over: Callable[[], bool] = lambda: False,
) -> Contest:
    """Compare all candidates on the validation set.

    The terms of the formula are a family too: they are fitted with each kind of friction at each joint. The formula as
    it was refined is a candidate if there was no time for this, if it fails, or if its damping couples joints.

    **Arguments:**

    - `known`: the fitted families. `models`: networks by name, models of motion in SI units. `formula`: the formula of
      the search, if any.
    - `is_over`: no further fit begins once it returns true.
    """
    if known is None:
        return NOTHING
    trial = known.trial
    if known.cut_short:
        return Contest((), tuple(known.fitted.refused))
    fitted = (known if formula is None else with_formula_terms(task, known, formula, is_over)).fitted
    candidates = list(fitted.candidates)
    for name, model in models.items():
        has_lagrangian = name != NULL
        one = candidate_of(name, model, fitted.noise, trial, is_network=has_lagrangian, is_mechanical=has_lagrangian)
        candidates.append(one)
    if formula is not None and (formula.couples_joints or not any(one.name == FORMULA for one in candidates)):
        candidates.append(candidate_of(FORMULA, formula.model, fitted.noise, trial, formula))
    return ranked(candidates, fitted.refused, task, trial)


def with_formula_terms(task: Task, known: Known, formula: RefinedFormula, is_over: Callable[[], bool]) -> Known:
    """The known families with the terms of a formula as one more, if there is time."""
    if known.has_formula or is_over():
        return known
    family = FormulaFamily.of(FORMULA, formula.formula, task.columns, known.trial.units, _mean(task))
    also = fitted_families([family], known.trial, is_over, known.fitted.fits)
    fitted = also._replace(refused=[*known.fitted.refused, *also.refused])
    return known._replace(fitted=fitted, has_formula=True)


def _mean(task: Task) -> np.ndarray:
    """The mean coordinates of the training set."""
    motion = task.parts.train
    return motion.ys[motion.mask].mean(axis=0)[: motion.dof]


def _weights(model: Any) -> int:
    return sum(leaf.size for leaf in jax.tree.leaves(eqx.filter(model, eqx.is_inexact_array)))

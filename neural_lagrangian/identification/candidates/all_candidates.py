"""All candidates of an identification in one comparison: families of known form, the formula found, networks."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import numpy as np

from ..families import Family, families_for
from ..formulas import Attempt, RefinedFormula
from ..preparation import Task
from .contest import FORMULA, NULL, Candidate, Contest
from .fitted_families import fitted_families, ranked, with_formula
from .rest import MAX_EXPLAINED
from .trial import Trial

NOTHING = Contest((), ())
"""The comparison of a recording whose pieces are too short for it."""


class Known(NamedTuple):
    """The families of known form, fitted to a task.

    `candidates`: the fitted ones. `refused`: why others could not be fitted. `noise`: residuals of the best one, in
    whose units all errors are measured. `cut_short`: whether the time limit left no time for any. `explains`: the best
    family, if no other candidate can be much better.
    """

    trial: Trial
    candidates: tuple[Candidate, ...]
    refused: tuple[Attempt, ...]
    noise: np.ndarray
    cut_short: bool
    explains: Candidate | None


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
    motion = task.parts.train
    mean = motion.ys[motion.mask].mean(axis=0)[: motion.dof]
    families = families_for(task.columns) + [one.on(task.columns, trial.units, mean) for one in users]
    candidates, refused, noise = fitted_families(families, task, trial, is_over)
    cut_short = bool(families) and not candidates and is_over()
    explains = explaining(candidates, task, trial)
    if explains is not None:
        candidates = [explains if one.fit is explains.fit else one for one in candidates]
    return Known(trial, tuple(candidates), tuple(refused), noise, cut_short, explains)


def explaining(candidates: list[Candidate], task: Task, trial: Trial) -> Candidate | None:
    """The best family with its formula, if it leaves nothing but the noise of the recording, on the training set and
    on the validation set, and predicts better than the baselines.
    """
    best = next(iter(Contest.of(candidates, []).candidates), None)
    if best is None or best.fit is None or not best.fit.family.is_formula:
        return None
    fitted = trial.rest(best.fit.residuals, best.fit.noise, trial.fitted)
    if not (fitted <= MAX_EXPLAINED and best.leaves_noise):
        return None
    best = with_formula(best, task, trial.units)
    return None if best.found is None else best


def compared_candidates(
    task: Task, known: Known | None, models: Mapping[str, Any], formula: RefinedFormula | None
) -> Contest:
    """Compare all candidates on the validation set.

    **Arguments:**

    - `known`: the fitted families. `models`: networks by name, models of motion in SI units. `formula`: the formula of
      the search, if any.
    """
    if known is None:
        return NOTHING
    if known.cut_short:
        return Contest((), known.refused)
    candidates = list(known.candidates)
    compared = {name: (model, None) for name, model in models.items()}
    compared |= {} if formula is None else {FORMULA: (formula.model, formula)}
    for name, (model, found) in compared.items():
        count = _weights(model) if found is None else found.constants_count
        misfit, rest = known.trial.misfit(model, known.noise)
        facts = {"found": found, "rest": rest, "rest_error": known.trial.rest_error, "is_mechanical": name != NULL}
        candidates.append(Candidate(name, count, misfit, **facts))
    return ranked(candidates, list(known.refused), task, known.trial)


def _weights(model: Any) -> int:
    return sum(leaf.size for leaf in jax.tree.leaves(eqx.filter(model, eqx.is_inexact_array)))

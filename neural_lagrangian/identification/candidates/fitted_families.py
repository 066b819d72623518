"""Families of known form as candidates: each is started, fitted by rollouts, and compared in each kind of friction."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ...models import NeuralLagrangian
from ..choices import NETWORK
from ..families import (
    AbstractFamily,
    Expansion,
    FamilyFit,
    FitWindows,
    InSI,
    Units,
    fit_family,
    forces_of,
    held_out,
    information,
    labels_of_forces,
    simplified,
    with_each_friction,
)
from ..formulas import TIME_IS_UP, Attempt, Constant, RefinedFormula, symbols_for
from ..judging import better_than_baselines, rollout_errors
from ..preparation import Task
from ..recordings import Columns, Measure, starts_of
from .contest import FORMULA, NULL, Candidate, Contest, best_family, distinct
from .cross_validation import cross_validated, errors_of_windows
from .trial import Trial, width_of

MAX_LOG_NOISE = np.log(3.0)
"""A family whose residuals are larger by more than this, in the mean over channels, is tried with one friction only."""


class Fitted(NamedTuple):
    """Fitted families.

    `candidates`: each family with each kind of friction. `refused`: why others could not be fitted. `noise`: residuals
    of the best one, in whose units all errors are measured. `fits`: of each family, by the name of its friction.
    """

    candidates: list[Candidate]
    refused: list[Attempt]
    noise: np.ndarray
    fits: list[dict[str, FamilyFit]]

    @property
    def best(self) -> FamilyFit:
        """The fit with the least residuals."""
        every = [fit for kinds in self.fits for fit in kinds.values()]
        return min(every, key=lambda fit: (_log_noise(fit), float(fit.squares.sum())))


def fitted_families(
    families: list[AbstractFamily],
    trial: Trial,
    is_over: Callable[[], bool],
    before: Sequence[dict[str, FamilyFit]] = (),
) -> Fitted:
    """Fit each family with each kind of friction. `before`: other fits to the same trial, for one comparison of all."""
    fits: list[dict[str, FamilyFit]] = list(before)
    refused: list[Attempt] = []
    least = min((_log_noise(fit) for kinds in before for fit in kinds.values()), default=np.inf)
    simple: list[FamilyFit] = []
    for family in families:
        if is_over():
            refused.append(Attempt(family.name, None, TIME_IS_UP))
            continue
        grown = _grown(family, trial)
        if grown is None:
            refused.append(Attempt(family.name, None, "the motion does not determine its constants"))
            continue
        noise = _log_noise(grown)
        if noise > least + MAX_LOG_NOISE:
            fits.append({"linear and dry friction": grown})
            continue
        least = min(least, noise)
        kinds = with_each_friction(grown, trial.fitted, is_over)
        if not kinds:
            continue
        criteria = {name: information(fit, grown) for name, fit in kinds.items()}
        likely = min(criteria, key=lambda name: criteria[name])
        kinds[likely] = simplified(kinds[likely], trial.fitted, is_over)
        simple.append(kinds[likely])
        fits.append(kinds)
    if not fits:
        return Fitted([], refused, trial.noise, [])
    reference = Fitted([], refused, trial.noise, fits).best
    held = trial.held.padded(len(trial.fitted.ts))
    candidates = distinct([_candidate(fit, reference, trial, held) for kinds in fits for fit in kinds.values()])
    candidates = cross_validated(candidates, reference.noise, trial.fitted, held, is_over)
    best = best_family(sorted(candidates, key=lambda one: one.misfit))[0]
    if best.fit is not None and not any(best.fit is fit for fit in simple):
        candidates += _simpler(best.fit, candidates, reference, trial, held, is_over)
    return Fitted(candidates, refused, reference.noise, fits)


def check_names(families: list[AbstractFamily]) -> None:
    """A name tells a candidate from all others, so the families of the user have names of their own."""
    known = {NETWORK, FORMULA, NULL}
    for family in families:
        if family.name in known:
            raise ValueError(
                f"`candidates` has a `Family` named {family.name!r}, which is the name of another candidate; "
                "expected a name of its own: give it another `name`"
            )
        known.add(family.name)


def _grown(family: AbstractFamily, trial: Trial) -> FamilyFit | None:
    """A fit of all constants; `None` if the motion does not determine them, or if rollouts fail."""
    matrix = np.asarray(family.matrix, np.float64)
    pieces = trial.pieces(matrix)
    rates = np.concatenate([v @ family.joints.T for _, _, v, _ in pieces])
    family = eqx.tree_at(lambda one: one.width, family, jnp.asarray(width_of(rates), jnp.result_type(float)))
    start = family.start(pieces)
    if start is None:
        return None
    fit = fit_family(trial.fitted, family, start, trial.noise)
    return fit if fit.is_sound else None


def _log_noise(fit: FamilyFit) -> float:
    """Mean logarithm of the residuals of the channels."""
    return float(np.mean(np.log(fit.noise[np.isfinite(fit.noise)])))


def _candidate(fit: FamilyFit, reference: FamilyFit, trial: Trial, held: FitWindows) -> Candidate:
    """A fit as a candidate, measured in units of the noise of `reference`."""
    there = held_out(fit._replace(noise=reference.noise), held)
    errors = held.mean_squares(there.squares, there.noise)
    rest = trial.rest((fit.residuals, fit.noise, trial.fitted), (there.residuals, there.noise, held))
    criterion = information(fit, reference) - information(reference, reference)
    facts = {"fit": fit, "rest": rest, "rest_error": trial.rest_error, "held": errors, "controls": trial.controls}
    return Candidate(fit.family.name, int(fit.free.sum()), float(errors.mean()), criterion, **facts)


def _simpler(
    best: FamilyFit,
    others: list[Candidate],
    reference: FamilyFit,
    trial: Trial,
    held: FitWindows,
    is_over: Callable[[], bool],
) -> list[Candidate]:
    """A candidate without the constants that the motion does not show, cross-validated if the `others` are; none if it
    shows all.
    """
    fit = simplified(best, trial.fitted, is_over)
    simpler = _candidate(fit, reference, trial, held)
    if any(one.title == simpler.title for one in others):
        return []
    if any(one.errors is not None for one in others):
        fit = fit._replace(noise=reference.noise)
        simpler = simpler._replace(errors=errors_of_windows(fit, trial.fitted, held))
    return [simpler]


def ranked(candidates: list[Candidate], refused: list[Attempt], task: Task, trial: Trial) -> Contest:
    """The comparison of candidates. The best family of known form gets its formula, and so do the `Family`s of the
    user. A better one whose formula predicts no better than the baselines has none.
    """
    contest = Contest.of(candidates, refused)
    tried: set[str] = set()
    is_known, rows = False, []
    for one in contest.candidates:
        if one.fit is not None and one.name not in tried and not (is_known and one.fit.family.is_formula):
            tried.add(one.name)
            one = with_formula(one, task, trial.units, anyway=is_known)
        is_known = is_known or (one.fit is not None and one.found is not None and one.found.is_formula)
        rows.append(one)
    return contest._replace(candidates=tuple(rows))


def with_formula(one: Candidate, task: Task, units: Units, *, anyway: bool = False) -> Candidate:
    """A fitted family with its formula, if that predicts the validation set better than the baselines, or `anyway`."""
    if one.fit is None or one.found is not None or not np.isfinite(one.misfit):
        return one
    found = found_of(one, one.fit, task.columns, units)
    return one._replace(found=found) if anyway or _predicts(found, task) else one


def found_of(one: Candidate, fit: FamilyFit, columns: Columns, units: Units) -> RefinedFormula:
    """The member of a family as a formula with its friction and its constants, in SI units."""
    family, dtype = fit.family.shared, jnp.result_type(float)
    x = jnp.asarray(fit.x, dtype)
    library, angles = family.library(symbols_for(columns)), columns.periodic

    def errors(of: Callable[[jax.Array], jax.Array]) -> np.ndarray:
        J, values = (np.asarray(part, np.float64) for part in jax.jit(lambda x: (jax.jacfwd(of)(x), of(x)))(x))
        found = np.sqrt(np.maximum(np.einsum("ik,kl,il->i", J, fit.covariance, J), 0.0))
        return np.where(found > np.finfo(dtype).eps * np.abs(values), found, 0.0)  # a fixed constant has rounding only

    def constants(x: jax.Array) -> jax.Array:
        forces = forces_of(family, x, units)
        friction = forces.friction
        parts = (family.constants(x, units), friction.linear, friction.dry, friction.drag, forces.gain.ravel())
        return jnp.concatenate(parts)

    labels = [*family.labels, *labels_of_forces(family, columns.controls)]
    values = np.asarray(constants(x), np.float64)
    named = [
        Constant(*label, value, error)
        for label, value, error in zip(labels, values.tolist(), errors(constants).tolist(), strict=True)
        if value != 0 or error > 0
    ]
    joints = family.joints @ np.asarray(family.matrix, np.float64)
    force = forces_of(family, x, units).force(joints)
    if library is None:
        model = NeuralLagrangian.from_lagrangian(InSI(family, x, units, angles), dof=columns.dof, force=force)
        return RefinedFormula(one.name, model, one.misfit, constants=tuple(named))
    expansion = Expansion.of(library)

    def coefficients(x: jax.Array) -> jax.Array:
        return expansion.coefficients(family, x, units, angles)

    formula = expansion.formula(np.asarray(jax.jit(coefficients)(x), np.float64), errors(coefficients))
    return RefinedFormula(one.name, NeuralLagrangian(formula, force=force), one.misfit, constants=tuple(named))


def _predicts(found: RefinedFormula, task: Task) -> bool:
    """Whether a formula predicts the validation set better than the baselines."""
    starts, measure = starts_of(task.parts.validation, task.plan.stride), Measure.of(task.parts.train, task.columns)
    errors, _ = rollout_errors({"one": found.model}, starts, task.columns, measure)
    return better_than_baselines(errors, "one")

"""Selects the terms of a library that explain the accelerations, with or without linear damping."""

from typing import NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from ..numerics import natural_scales, root_mean_square
from .balance import Balance
from .elimination import SparseFit, by_information
from .equations import Scales
from .force_entries import Candidates
from .library import Library
from .observations import Observations

MIN_GAP = 1.03
"""Least growth factor of the residual without one term, for a clear support."""
MIN_DAMPED_SHARE = 0.1
"""Least share of the residual sum of squares that damping must explain to be accepted."""


class Fitted(NamedTuple):
    """Selected terms and force entries.

    - `balance`, `step`: the problem, and its fit. `errors`: errors of acceleration relative to typical accelerations.
    - `gap`: factor by which the residual would grow with one term fewer.
    """

    balance: Balance
    step: SparseFit
    gap: float
    errors: np.ndarray

    @property
    def residual(self) -> float:
        return float(np.sqrt(np.mean(self.errors**2)))


def fit_terms(observed: Observations, library: Library, tolerance: float) -> Fitted:
    """Selects terms; adds linear damping if it explains enough of the residual."""
    candidates = observed.candidates
    entries = candidates.first_damping - candidates.terms
    complexity = np.concatenate([library.complexity[list(observed.independent.kept)], np.ones(entries)])
    balance, scales = observed.balance, observed.scales
    step, gap = _search(balance, scales, complexity, tolerance)
    damped = _damped(observed, step, gap, complexity, tolerance)
    if damped is not None:
        balance, step, gap = damped
    return Fitted(balance, step, gap, balance.residual(step) / scales.acceleration)


@threadpool_limits.wrap(limits=1, user_api="blas")  # threads slow down thousands of small products
@np.errstate(over="ignore", invalid="ignore")  # overflow marks a combination as unusable
def _search(balance: Balance, scales: Scales, complexity: np.ndarray, tolerance: float) -> tuple[SparseFit, float]:
    """The selected terms, and the factor by which the residual would grow with one term fewer."""
    full = balance.fit(range(len(complexity)), None)
    noise = root_mean_square(balance.residual(full))
    noise = np.where(np.isfinite(noise), np.minimum(noise, scales.acceleration), scales.acceleration)
    weighted = balance.weighted(np.sqrt(noise**2 + (tolerance * scales.acceleration) ** 2))
    floor = balance.rows * float(np.mean((tolerance * scales.acceleration / weighted.sigma) ** 2))
    step = by_information(weighted, len(complexity), complexity, 1e-9 * balance.rows, floor)
    order = np.argsort(step.support)
    support = [step.support[k] for k in order]
    step = weighted.fit(support, step.coefficients[order])  # a full fit from the solution of the search
    less = [fit.rss for fit in weighted.fits_without_one(step)]
    return step, float(np.sqrt((min(less, default=np.inf) + floor) / (step.rss + floor)))


def _damped(
    observed: Observations, step: SparseFit, gap: float, complexity: np.ndarray, tolerance: float
) -> tuple[Balance, SparseFit, float] | None:
    """The formula with linear damping, if damping explains enough of the residual; else `None`.

    A force that feeds in energy is accepted only if it explains as much with the mass held fixed. If all coefficients
    are free, a large mass can balance such a force and so hide noise: on circular motion of one frequency,
    accelerations are proportional to velocities of the other axis.
    """
    damped, scales = observed.damped, observed.scales
    entries = range(observed.candidates.first_damping, len(damped.kinetic))
    errors = damped.residual(step)
    if not np.isfinite(errors).all():
        return None
    spread = np.sqrt(np.mean(errors**2, axis=0) + (tolerance * scales.acceleration) ** 2)
    weighted = damped.weighted(spread)
    without = weighted.fit(step.support, step.coefficients)

    def explains(gained: float) -> bool:
        return gained > MIN_DAMPED_SHARE * without.rss and gained > tolerance**2 * damped.rows

    start = np.concatenate([step.coefficients, np.zeros(len(entries))])
    if not explains(without.rss - weighted.fit([*step.support, *entries], start).rss):
        return None
    found, found_gap = _search(damped, scales, np.concatenate([complexity, np.ones(len(entries))]), tolerance)
    matrix = damping_of(damped, found, observed.candidates)
    believed = gap < MIN_GAP or matrix is None or is_passive(matrix) or explains(weighted.gain(without, entries))
    return (damped, found, found_gap) if believed and np.isfinite(found.rss) else None


def is_passive(damping: np.ndarray) -> bool:
    """Whether a damping matrix never feeds in energy: it is positive semi-definite, up to a relative 1e-3."""
    d = natural_scales(damping[None])
    return bool(np.linalg.eigvalsh(damping * np.outer(d, d))[0] >= -1e-3)


def damping_of(balance: Balance, step: SparseFit, candidates: Candidates) -> np.ndarray | None:
    """The damping matrix of a fit; `None` if it has no entry."""
    matrix = np.zeros((candidates.dof, candidates.dof))
    chosen = [(k, c) for k, c in zip(step.support, step.coefficients, strict=True) if k >= candidates.first_damping]
    for (i, j), (k, c) in zip(candidates.entries(step.support).damping, chosen, strict=True):
        matrix[i, j] = matrix[j, i] = c / balance.size[k]
    return matrix if chosen else None

"""Selects the terms of a library that explain the accelerations, with or without linear damping."""

from typing import NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from ..numerics import natural_scales
from .balance import Balance, damping_columns
from .elimination import SparseFit, by_information
from .equations import Scales
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
    entries = library.dof * observed.controls.shape[1]
    complexity = np.concatenate([library.complexity[list(observed.independent.kept)], np.ones(entries)])
    balance, scales = observed.balance, observed.scales
    step, gap = _search(balance, scales, complexity, tolerance)
    damped = _damped(balance, step, gap, observed.rates, scales, complexity, tolerance)
    if damped is not None:
        balance, step, gap = damped
    return Fitted(balance, step, gap, balance.residual(step) / scales.acceleration)


@threadpool_limits.wrap(limits=1, user_api="blas")  # threads slow down thousands of small products
@np.errstate(over="ignore", invalid="ignore")  # overflow marks a combination as unusable
def _search(balance: Balance, scales: Scales, complexity: np.ndarray, tolerance: float) -> tuple[SparseFit, float]:
    """The selected terms, and the factor by which the residual would grow with one term fewer."""
    full = balance.fit(range(len(complexity)), None)
    noise = np.sqrt(np.mean(balance.residual(full) ** 2, axis=0))
    noise = np.where(np.isfinite(noise), np.minimum(noise, scales.acceleration), scales.acceleration)
    weighted = balance.weighted(np.sqrt(noise**2 + (tolerance * scales.acceleration) ** 2))
    floor = balance.rows * float(np.mean((tolerance * scales.acceleration / weighted.sigma) ** 2))
    step = by_information(weighted, len(complexity), complexity, 1e-9 * balance.rows, floor)
    order = np.argsort(step.support)
    support = [step.support[k] for k in order]
    step = weighted.fit(support, step.coefficients[order])  # a full fit from the solution of the search
    less = [weighted.fit(*step.without(i)).rss for i in range(len(step.support)) if step.covariance[i, i] > 0]
    return step, float(np.sqrt((min(less, default=np.inf) + floor) / (step.rss + floor)))


def _damped(
    balance: Balance,
    step: SparseFit,
    gap: float,
    rates: np.ndarray,
    scales: Scales,
    complexity: np.ndarray,
    tolerance: float,
) -> tuple[Balance, SparseFit, float] | None:
    """The formula with linear damping, if damping explains enough of the residual; else `None`.

    A force that feeds in energy is accepted only if it explains as much with the mass held fixed. If all coefficients
    are free, a large mass can balance such a force and so hide noise: on circular motion of one frequency,
    accelerations are proportional to velocities of the other axis.
    """
    damped = balance.with_forces(damping_columns(rates), scales)
    first = len(complexity)
    entries = range(first, len(damped.kinetic))
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
    matrix = damping_of(damped, found, first)
    believed = gap < MIN_GAP or matrix is None or is_passive(matrix) or explains(weighted.gain(without, entries))
    return (damped, found, found_gap) if believed and np.isfinite(found.rss) else None


def is_passive(damping: np.ndarray) -> bool:
    """Whether a damping matrix never feeds in energy: it is positive semi-definite, up to a relative 1e-3."""
    d = natural_scales(damping[None])
    return bool(np.linalg.eigvalsh(damping * np.outer(d, d))[0] >= -1e-3)


def damping_of(balance: Balance, step: SparseFit, first: int) -> np.ndarray | None:
    """The damping matrix from its lower-triangle entries, which begin at index `first`; `None` without any."""
    dof = balance.b.shape[2]
    matrix, lower = np.zeros((dof, dof)), list(zip(*np.tril_indices(dof), strict=True))
    entries = [(k - first, c / balance.size[k]) for k, c in zip(step.support, step.coefficients, strict=True)]
    entries = [(k, value) for k, value in entries if k >= 0]
    for k, value in entries:
        i, j = lower[k]
        matrix[i, j] = matrix[j, i] = value
    return matrix if entries else None

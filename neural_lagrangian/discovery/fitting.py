"""Which terms of a library explain accelerations, and whether linear damping acts beside them."""

from typing import NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from ..numerics import natural_scales
from .balance import Balance, damping_columns
from .elimination import Step, by_information
from .equations import Scales
from .library import Library
from .observations import Observations

CLEAR = 1.03
"""By what factor one term less must change the residual, if a formula is to have a clear support."""
DAMPED = 0.1
"""Damping is looked for where it explains at least this share of the sum of squares that a Lagrangian leaves."""


class Fitted(NamedTuple):
    """The terms and entries chosen, their errors of acceleration over what is usual, and what they leave."""

    balance: Balance
    step: Step
    gap: float
    errors: np.ndarray

    @property
    def residual(self) -> float:
        return float(np.sqrt(np.mean(self.errors**2)))


def fit_terms(observed: Observations, library: Library, tolerance: float) -> Fitted:
    """The terms chosen, with linear damping beside them where that explains what they leave."""
    entries = library.dof * observed.controls.shape[1]
    complexity = np.concatenate([library.complexity[list(observed.independent.kept)], np.ones(entries)])
    balance, scales = observed.balance, observed.scales
    step, gap = _search(balance, scales, complexity, tolerance)
    damped = _damped(balance, step, gap, observed.rates, scales, complexity, tolerance)
    if damped is not None:
        balance, step, gap = damped
    return Fitted(balance, step, gap, balance.residual(step) / scales.acceleration)


@threadpool_limits.wrap(limits=1, user_api="blas")  # thousands of small products: threads wait for each other
@np.errstate(over="ignore", invalid="ignore")  # a combination whose numbers are too large is none
def _search(balance: Balance, scales: Scales, complexity: np.ndarray, tolerance: float) -> tuple[Step, float]:
    """The terms chosen, and by what factor the residual would grow with one less."""
    full = balance.fit(range(len(complexity)), None)
    noise = np.sqrt(np.mean(balance.residual(full) ** 2, axis=0))
    noise = np.where(np.isfinite(noise), np.minimum(noise, scales.acceleration), scales.acceleration)
    weighted = balance.weighted(np.sqrt(noise**2 + (tolerance * scales.acceleration) ** 2))
    floor = balance.rows * float(np.mean((tolerance * scales.acceleration / weighted.sigma) ** 2))
    step = by_information(weighted, len(complexity), complexity, 1e-9 * balance.rows, floor)
    order = np.argsort(step.support)
    support = [step.support[k] for k in order]
    step = weighted.fit(support, step.coefficients[order])  # quadratic: as far as rounding goes
    less = [weighted.fit(*step.without(i)).rss for i in range(len(step.support)) if step.covariance[i, i] > 0]
    return step, float(np.sqrt((min(less, default=np.inf) + floor) / (step.rss + floor)))


def _damped(
    balance: Balance,
    step: Step,
    gap: float,
    rates: np.ndarray,
    scales: Scales,
    complexity: np.ndarray,
    tolerance: float,
) -> tuple[Balance, Step, float] | None:
    """The formula with linear damping beside it, where that explains what is left; `None` where it does not.

    A force that feeds energy in is believed if it explains as much beside the mass as it was found. With all free, a
    large mass that balances it can hide noise: on circles of one frequency velocities turn into accelerations.
    """
    damped = balance.beside(damping_columns(rates), scales)
    first = len(complexity)
    entries = range(first, len(damped.kinetic))
    errors = damped.residual(step)
    if not np.isfinite(errors).all():
        return None
    spread = np.sqrt(np.mean(errors**2, axis=0) + (tolerance * scales.acceleration) ** 2)
    weighted = damped.weighted(spread)
    without = weighted.fit(step.support, step.coefficients)

    def explains(gained: float) -> bool:
        return gained > DAMPED * without.rss and gained > tolerance**2 * damped.rows

    start = np.concatenate([step.coefficients, np.zeros(len(entries))])
    if not explains(without.rss - weighted.fit([*step.support, *entries], start).rss):
        return None
    found, found_gap = _search(damped, scales, np.concatenate([complexity, np.ones(len(entries))]), tolerance)
    matrix = damping_of(damped, found, first)
    believed = gap < CLEAR or matrix is None or is_passive(matrix) or explains(weighted.gain(without, entries))
    return (damped, found, found_gap) if believed and np.isfinite(found.rss) else None


def is_passive(damping: np.ndarray) -> bool:
    """Whether it feeds energy into no motion."""
    d = natural_scales(damping[None])
    return bool(np.linalg.eigvalsh(damping * np.outer(d, d))[0] >= -1e-3)


def damping_of(balance: Balance, step: Step, first: int) -> np.ndarray | None:
    """The damping matrix from entries of its lower triangle, which begin at `first`; `None` if there are none."""
    dof = balance.b.shape[2]
    matrix, lower = np.zeros((dof, dof)), list(zip(*np.tril_indices(dof), strict=True))
    entries = [(k - first, c / balance.size[k]) for k, c in zip(step.support, step.coefficients, strict=True)]
    entries = [(k, value) for k, value in entries if k >= 0]
    for k, value in entries:
        i, j = lower[k]
        matrix[i, j] = matrix[j, i] = value
    return matrix if entries else None

"""What there is to be said for a formula of noisy motion: coefficients refined by rollouts, and motion left out."""

from typing import NamedTuple

import numpy as np

from .library import Library
from .rollout_fit import FAILED, Beside, RolloutFit, WindowedMotion, fit_rollouts

INDEPENDENT = 0.1
"""Correlation of residuals below which each counts by itself for the standard errors; else whole windows count."""
FEW_WINDOWS = 20
"""Fewer windows do not tell by their scatter what standard errors are."""
HELD_OUT = 4
"""Every so many-th window is left out, and predicted."""
LARGEST_MISFIT = 1.3
"""Errors of predictions on motion left out, over the noise, beyond which a formula is not that of the motion."""
FAILS = 2.0
"""A term is needed without which the sum of squares is larger by this factor, whatever its standard error."""
UNSEEN, TOUCHES = 1e-14, 1e-3
"""Eigenvalue, over the largest, of a change of the coefficients that the motion does not show; what share of it makes
the standard error of a coefficient infinite.
"""
LEAST_NOISE = 1e-4
"""Noise, of the size of each channel, that is taken to be there anyway: errors of integration are no less."""


class Refined(NamedTuple):
    """Coefficients after refinement: those `kept`, their values and standard errors, zero for the others.

    `score`: sum of squares over the noise, and what each coefficient costs: the least is best. `misfit`: errors of
    prediction on motion left out, over the noise. `clearest`, `least`: the smallest ratio of a coefficient to its
    standard error among the terms kept, and what it should be. `halves`: the coefficients of either half of the motion.
    """

    c: np.ndarray
    errors: np.ndarray
    kept: np.ndarray
    misfit: float
    clearest: float
    least: float
    score: float
    halves: tuple[np.ndarray, np.ndarray]
    fit: RolloutFit
    noise: np.ndarray


def refined(
    library: Library,
    beside: Beside,
    motion: WindowedMotion,
    c: np.ndarray,
    pivots: list[int],
    noise: np.ndarray,
    offered: int,
) -> Refined:
    """Coefficients refined on all windows, those left out that are not significant, and judged on windows left out.

    **Arguments:**

    - `c`: of the terms of the library, and of the forces beside; those of the `pivots` stay.
    - `noise`: of each channel; infinite for one that is left out. `offered`: how many terms there were to choose from.
    """
    count = len(motion.ts)
    free = np.ones(len(c))
    free[pivots] = 0
    every = np.ones(count)
    fit = fit_rollouts(library, beside, motion, c, free, noise, every)
    rows = int(np.isfinite(noise).sum() * count * motion.ts.shape[1])
    least = float(np.sqrt(np.log(rows) + 2 * np.log(max(offered, 2))))
    while True:
        errors = _standard_errors(fit, free, noise)
        ratio = np.where(free > 0, np.abs(fit.c) / np.where(errors > 0, errors, 1), np.inf)
        if not np.isfinite(errors).all() or ratio.min() >= least:
            break
        fewer = np.where(np.arange(len(c)) == np.argmin(ratio), 0.0, free)
        simpler = fit_rollouts(library, beside, motion, np.where(fewer == free, fit.c, 0.0), fewer, noise, every)
        if not np.sum(simpler.residuals**2) < FAILS * np.sum(fit.residuals**2):
            break
        free, fit = fewer, simpler
    train = (np.arange(count) % HELD_OUT != HELD_OUT - 1).astype(float)
    misfit = np.inf
    if 0 < train.sum() < count:
        trained = fit_rollouts(library, beside, motion, fit.c, free, noise, train)
        left_out = fit_rollouts(library, beside, motion, trained.c, np.zeros(len(c)), noise, 1 - train)
        misfit = _misfit(left_out, noise, int(count - train.sum()), motion)
    kept = (free > 0) | np.isin(np.arange(len(c)), pivots)
    second = (np.arange(count) % 2).astype(float)
    one, two = (fit_rollouts(library, beside, motion, fit.c, free, noise, half).c for half in (1 - second, second))
    value = float(np.sum(fit.residuals**2)) + kept.sum() * least**2
    value = value if np.isfinite(value) and not (fit.residuals == FAILED).any() else np.inf
    return Refined(fit.c, errors, kept, misfit, float(ratio.min()), least, value, (one, two), fit, noise)


def _misfit(fit: RolloutFit, noise: np.ndarray, windows: int, motion: WindowedMotion) -> float:
    """Root mean square of residuals over the noise, each window less what its initial state takes."""
    numbers = windows * (np.isfinite(noise).sum() * motion.ts.shape[1] - len(noise))
    return float(np.sqrt(np.sum(fit.residuals**2) / max(numbers, 1)))


def _follows(residuals: np.ndarray) -> float:
    """Correlation from one sample to the next; initial states that were fitted make it a little less."""
    square = np.sum(residuals**2)
    return float(np.sum(residuals[:, 1:] * residuals[:, :-1]) / square) if square > 0 else 0.0


def _standard_errors(fit: RolloutFit, free: np.ndarray, noise: np.ndarray) -> np.ndarray:
    r"""Of $H^{-1} S H^{-1}$, $H = \sum_w J_w^\top J_w$: with independent residuals S is the sum over channels of
    $\hat\sigma^2 J^\top J$; else that of $s_w s_w^\top$, $s_w = J_w^\top r_w$.
    """
    chosen = np.flatnonzero(free)
    errors = np.zeros(len(free))
    if not len(chosen):
        return errors
    J, r = fit.J[:, :, chosen], fit.residuals
    windows, samples, channels = r.shape
    H = np.einsum("wnk,wnl->kl", J, J)
    if not np.isfinite(H).all() or not np.isfinite(r).all():
        errors[chosen] = np.inf
        return errors
    size, axes = np.linalg.eigh(H)
    seen = size > UNSEEN * size[-1]
    inverse = (axes[:, seen] / size[seen]) @ axes[:, seen].T
    if _follows(r[..., np.isfinite(noise)]) < INDEPENDENT or windows < FEW_WINDOWS:
        taken = (windows * channels + len(chosen)) / np.isfinite(noise).sum()
        variance = np.sum(r**2, axis=(0, 1)) / max(windows * samples - taken, 1)
        by_channel = J.reshape(windows, samples, channels, -1)
        S = np.einsum("c,wtck,wtcl->kl", variance, by_channel, by_channel)
    else:
        scores = np.einsum("wnk,wn->wk", J, r.reshape(windows, -1))
        S = scores.T @ scores * windows / max(windows - len(chosen), 1)
    errors[chosen] = np.sqrt(np.maximum(np.diag(inverse @ S @ inverse), 0)) * np.abs(fit.c[chosen])
    errors[chosen[(np.abs(axes[:, ~seen]) > TOUCHES).any(axis=1)]] = np.inf
    return errors

"""What there is to be said for a formula of noisy motion: coefficients refined by rollouts, and motion left out."""

from typing import NamedTuple

import numpy as np
from scipy.stats import chi2

from .library import Library
from .residual_spectrum import (
    FEWEST_SAMPLES,
    LOOKS,
    SETTLED,
    SLOW,
    cosines,
    is_smoothed_noise,
    level,
    spectrum,
)
from .rollout_fit import FAILED, Beside, RolloutFit, WindowedMotion, fit_rollouts

INDEPENDENT = 0.1
"""Correlation of residuals from sample to sample below which each counts by itself; else their spectrum counts."""
HELD_OUT = 4
"""Every so many-th window is left out, and predicted."""
LARGEST_MISFIT, CHANCE = 1.3, 0.999
"""Errors of predictions on motion left out, over the noise, beyond which a formula is not that of the motion; more is
allowed where few numbers are predicted: what noise alone exceeds by chance only so seldom.
"""
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

    `score`: sum of squares over the noise, and what each coefficient costs: the least is best. `misfit`, `allowed`:
    errors of prediction on motion left out, over the noise, and the largest that they may be. `clearest`, `least`: the
    smallest ratio of a coefficient to its standard error among the terms kept, and what it should be. `halves`: the
    coefficients of either half of the motion.
    """

    c: np.ndarray
    errors: np.ndarray
    kept: np.ndarray
    misfit: float
    allowed: float
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
    misfit, allowed = np.inf, LARGEST_MISFIT
    if 0 < train.sum() < count:
        trained = fit_rollouts(library, beside, motion, fit.c, free, noise, train)
        left_out = fit_rollouts(library, beside, motion, trained.c, np.zeros(len(c)), noise, 1 - train)
        misfit, allowed = _misfit(left_out, noise, int(count - train.sum()))
    kept = (free > 0) | np.isin(np.arange(len(c)), pivots)
    second = (np.arange(count) % 2).astype(float)
    one, two = (fit_rollouts(library, beside, motion, fit.c, free, noise, half).c for half in (1 - second, second))
    value = float(np.sum(fit.residuals**2)) + kept.sum() * least**2
    value = value if np.isfinite(value) and not (fit.residuals == FAILED).any() else np.inf
    return Refined(fit.c, errors, kept, misfit, allowed, float(ratio.min()), least, value, (one, two), fit, noise)


def noise_before_smoothing(
    library: Library, beside: Beside, motion: WindowedMotion, c: np.ndarray, free: np.ndarray, noise: np.ndarray
) -> np.ndarray | None:
    """The noise that positions had before they were smoothed, by what a formula leaves of them alone; infinite for the
    velocities, which were smoothed from the same positions. `None` where the residuals are not smoothed noise.
    """
    dof = len(noise) // 2
    if motion.ts.shape[1] < FEWEST_SAMPLES or not np.isfinite(noise[:dof]).all():
        return None
    positions = np.concatenate([noise[:dof], np.full(dof, np.inf)])
    residuals = np.zeros(0)
    for look in range(LOOKS):
        fit = fit_rollouts(library, beside, motion, c, free, positions, np.ones(len(motion.ts)))
        residuals = fit.residuals[..., :dof]
        ratio = level(residuals)
        if not (np.isfinite(ratio).all() and (ratio > 0).all()):
            return None
        if look and np.abs(np.log(ratio)).max() < SETTLED:
            break
        positions[:dof] *= ratio
    return positions if is_smoothed_noise(residuals) else None


def _misfit(fit: RolloutFit, noise: np.ndarray, windows: int) -> tuple[float, float]:
    """Root mean square of residuals over the noise, each window less what its initial state takes, and the largest that
    is allowed: of samples if these are independent, else of the slow cosines, in which a wrong formula shows.
    """
    left = fit.residuals[..., np.isfinite(noise)]
    if follow(left) >= INDEPENDENT:
        left = cosines(left)[:, : SLOW[1]]
    numbers = max(windows * (left.shape[1] * left.shape[2] - len(noise)), 1)
    allowed = max(LARGEST_MISFIT, float(np.sqrt(chi2.ppf(CHANCE, numbers) / numbers)))
    return float(np.sqrt(np.sum(left**2) / numbers)), allowed


def follow(residuals: np.ndarray) -> float:
    """Correlation from one sample to the next; initial states that were fitted make it a little less."""
    square = np.sum(residuals**2)
    return float(np.sum(residuals[:, 1:] * residuals[:, :-1]) / square) if square > 0 else 0.0


def _standard_errors(fit: RolloutFit, free: np.ndarray, noise: np.ndarray) -> np.ndarray:
    r"""Of $H^{-1} S H^{-1}$, $H = \sum_w J_w^\top J_w$ and $S = \sum_w J_w^\top \Gamma J_w$ with the covariance
    $\Gamma$ of the residuals of a window: of each channel $\hat\sigma^2$ if they are independent, else as their
    spectrum tells, $S = \sum_w \hat J_w^\top P \hat J_w$ with derivatives by cosines.
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
    by_channel = J.reshape(windows, samples, channels * len(chosen))
    if follow(r[..., np.isfinite(noise)]) < INDEPENDENT:
        taken = (windows * channels + len(chosen)) / np.isfinite(noise).sum()
        P = np.ones((samples, 1)) * np.sum(r**2, axis=(0, 1)) / max(windows * samples - taken, 1)
    else:
        by_channel, P = cosines(by_channel), spectrum(r)
    by_channel = by_channel.reshape(windows, samples, channels, -1)
    S = np.einsum("tc,wtck,wtcl->kl", P, by_channel, by_channel, optimize=True)
    errors[chosen] = np.sqrt(np.maximum(np.diag(inverse @ S @ inverse), 0)) * np.abs(fit.c[chosen])
    errors[chosen[(np.abs(axes[:, ~seen]) > TOUCHES).any(axis=1)]] = np.inf
    return errors

"""Evidence for a formula of noisy motion: coefficients refined by rollouts, and the error on held-out motion."""

from typing import NamedTuple

import numpy as np
from scipy.stats import chi2

from .force_entries import ForceEntries
from .library import Library
from .residual_spectrum import (
    MAX_NOISE_ESTIMATES,
    MIN_SPECTRUM_SAMPLES,
    NOISE_TOLERANCE,
    SLOW_COSINES,
    cosines,
    is_smoothed_noise,
    lag_one,
    level,
    spectrum,
)
from .rollout_fit import FAILED_RESIDUAL, RolloutFit, WindowedMotion, fit_rollouts

MAX_CORRELATION_INDEPENDENT = 0.1
"""Autocorrelation of residuals at lag one below which samples count as independent.

Above it the spectrum of the residuals gives the standard errors.
"""
HELD_OUT_EVERY = 4
"""Every fourth window is held out."""
MAX_MISFIT, MISFIT_QUANTILE = 1.3, 0.999
"""Largest held-out error, relative to the noise, of an accepted formula.

With few held-out numbers the limit is larger: the quantile `MISFIT_QUANTILE` of the error that noise alone causes.
"""
NEEDED_GROWTH = 2.0
"""A term is kept, whatever its standard error, if the sum of squares grows by this factor without it."""
MIN_EIGENVALUE, MIN_UNSEEN_SHARE = 1e-14, 1e-3
"""Relative eigenvalue below which a direction of the coefficients is undetermined, and the component along such a
direction that makes the standard error of a coefficient infinite.
"""
MIN_NOISE = 1e-4
"""Least noise, relative to the size of each channel: errors of the integration are about as large."""


class Refined(NamedTuple):
    """Coefficients refined by rollouts, and the evidence for them.

    - `c`, `errors`: coefficients and standard errors, zero for removed terms. `kept`: which coefficients remain.
    - `misfit`, `allowed`: held-out error relative to the noise, and its upper limit.
    - `clearest`, `least`: smallest ratio of a coefficient to its standard error, and its lower limit.
    - `score`: sum of squares over the noise plus a cost for each coefficient; lower is better.
    - `halves`: coefficients fitted to each half of the windows.
    - `fit`: the final fit. `noise`: standard deviation of each channel.
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
    entries: ForceEntries,
    motion: WindowedMotion,
    c: np.ndarray,
    pivots: list[int],
    noise: np.ndarray,
    offered: int,
) -> Refined:
    """Refines coefficients on all windows, removes insignificant ones, and validates on held-out windows.

    The terms were chosen on all windows. For the validation only the coefficients are fitted without the held-out
    windows. So the held-out error tests whether these terms suffice, not whether each of them is needed: the criterion
    of the search, the standard errors and the best rival test that. The choice of the terms makes the held-out error
    smaller than on new motion, but hardly. The best of K false terms lowers the sum of squares of all windows by about
    2 log K times the noise, and the limit allows an excess of 0.7 times the noise for each held-out number.

    **Arguments:**

    - `c`: coefficients of the terms, then of the force entries. Those at the `pivots` stay fixed.
    - `noise`: standard deviation of each channel; infinite for a channel that is not used.
    - `offered`: number of candidate terms.
    """
    count = len(motion.ts)
    free = np.ones(len(c))
    free[pivots] = 0
    every = np.ones(count)
    fit = fit_rollouts(library, entries, motion, c, free, noise, every)
    rows = int(np.isfinite(noise).sum() * count * motion.ts.shape[1])
    least = float(np.sqrt(np.log(rows) + 2 * np.log(max(offered, 2))))
    while True:
        errors = _standard_errors(fit, free, noise)
        ratio = np.where(free > 0, np.abs(fit.c) / np.where(errors > 0, errors, 1), np.inf)
        if not np.isfinite(errors).all() or ratio.min() >= least:
            break
        fewer = np.where(np.arange(len(c)) == np.argmin(ratio), 0.0, free)
        simpler = fit_rollouts(library, entries, motion, np.where(fewer == free, fit.c, 0.0), fewer, noise, every)
        if not np.sum(simpler.residuals**2) < NEEDED_GROWTH * np.sum(fit.residuals**2):
            break
        free, fit = fewer, simpler
    train = (np.arange(count) % HELD_OUT_EVERY != HELD_OUT_EVERY - 1).astype(float)
    misfit, allowed = np.inf, MAX_MISFIT
    if 0 < train.sum() < count:
        trained = fit_rollouts(library, entries, motion, fit.c, free, noise, train)
        left_out = fit_rollouts(library, entries, motion, trained.c, np.zeros(len(c)), noise, 1 - train)
        misfit, allowed = _misfit(left_out, noise, int(count - train.sum()))
    kept = (free > 0) | np.isin(np.arange(len(c)), pivots)
    second = (np.arange(count) % 2).astype(float)
    one, two = (fit_rollouts(library, entries, motion, fit.c, free, noise, half).c for half in (1 - second, second))
    value = float(np.sum(fit.residuals**2)) + kept.sum() * least**2
    value = value if np.isfinite(value) and not (fit.residuals == FAILED_RESIDUAL).any() else np.inf
    return Refined(fit.c, errors, kept, misfit, allowed, float(ratio.min()), least, value, (one, two), fit, noise)


def noise_before_smoothing(
    library: Library, entries: ForceEntries, motion: WindowedMotion, c: np.ndarray, free: np.ndarray, noise: np.ndarray
) -> np.ndarray | None:
    """Estimates the noise of positions before they were smoothed, from the residuals of a formula.

    **Returns:** the noise of the positions, with infinity for the velocities, which were derived from the same
    positions. `None` if the residuals are not smoothed noise.
    """
    dof = len(noise) // 2
    if motion.ts.shape[1] < MIN_SPECTRUM_SAMPLES or not np.isfinite(noise[:dof]).all():
        return None
    positions = np.concatenate([noise[:dof], np.full(dof, np.inf)])
    residuals = np.zeros(0)
    for look in range(MAX_NOISE_ESTIMATES):
        fit = fit_rollouts(library, entries, motion, c, free, positions, np.ones(len(motion.ts)))
        residuals = fit.residuals[..., :dof]
        ratio = level(residuals)
        if not (np.isfinite(ratio).all() and (ratio > 0).all()):
            return None
        if look and np.abs(np.log(ratio)).max() < NOISE_TOLERANCE:
            break
        positions[:dof] *= ratio
    return positions if is_smoothed_noise(residuals) else None


def _misfit(fit: RolloutFit, noise: np.ndarray, windows: int) -> tuple[float, float]:
    """Root mean square residual relative to the noise, and its upper limit.

    The degrees of freedom of the fitted initial states are subtracted. Correlated residuals are compared in the slow
    cosines only, where a wrong formula shows.
    """
    left = fit.residuals[..., np.isfinite(noise)]
    if autocorrelation(left) >= MAX_CORRELATION_INDEPENDENT:
        left = cosines(left)[:, : SLOW_COSINES[1]]
    numbers = max(windows * (left.shape[1] * left.shape[2] - len(noise)), 1)
    return float(np.sqrt(np.sum(left**2) / numbers)), allowed_misfit(numbers)


def allowed_misfit(numbers: int) -> float:
    """Largest root mean square of `numbers` independent residuals, relative to the noise, that counts as noise."""
    return max(MAX_MISFIT, float(np.sqrt(chi2.ppf(MISFIT_QUANTILE, max(numbers, 1)) / max(numbers, 1))))


def autocorrelation(residuals: np.ndarray) -> float:
    """Autocorrelation at lag one. Fitted initial states reduce it a little."""
    products, squares = map(np.sum, lag_one(residuals))
    return float(products / squares) if squares > 0 else 0.0


def _standard_errors(fit: RolloutFit, free: np.ndarray, noise: np.ndarray) -> np.ndarray:
    r"""Standard errors from the sandwich covariance $H^{-1} S H^{-1}$.

    $H = \sum_w J_w^\top J_w$ and $S = \sum_w J_w^\top \Gamma J_w$, where $\Gamma$ is the covariance of the residuals of
    a window. For independent residuals it is $\hat\sigma^2$ of each channel. For correlated residuals it comes from
    their spectrum: $S = \sum_w \hat J_w^\top P \hat J_w$, with the derivatives transformed to cosines.
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
    seen = size > MIN_EIGENVALUE * size[-1]
    inverse = (axes[:, seen] / size[seen]) @ axes[:, seen].T
    by_channel = J.reshape(windows, samples, channels * len(chosen))
    if autocorrelation(r[..., np.isfinite(noise)]) < MAX_CORRELATION_INDEPENDENT:
        taken = (windows * channels + len(chosen)) / np.isfinite(noise).sum()
        P = np.ones((samples, 1)) * np.sum(r**2, axis=(0, 1)) / max(windows * samples - taken, 1)
    else:
        by_channel, P = cosines(by_channel), spectrum(r)
    by_channel = by_channel.reshape(windows, samples, channels, -1)
    S = np.einsum("tc,wtck,wtcl->kl", P, by_channel, by_channel, optimize=True)
    errors[chosen] = np.sqrt(np.maximum(np.diag(inverse @ S @ inverse), 0)) * np.abs(fit.c[chosen])
    errors[chosen[(np.abs(axes[:, ~seen]) > MIN_UNSEEN_SHARE).any(axis=1)]] = np.inf
    return errors

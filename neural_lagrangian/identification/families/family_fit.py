"""Fit the constants of a family by rollouts with estimated initial states, over growing windows."""

from collections.abc import Callable
from math import comb
from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike

from ...discovery import descend, lag_one, projected_jacobian
from ...integrators import RK4, Integration, StepsPerSample
from ...mechanics import EulerLagrangeTerm, SampledControl
from .family import AbstractFamily
from .fit_windows import FitWindows
from .friction import FRICTIONS, WORDS

GROWTH = (0.2, 0.5, 1.0)
"""Length of the windows of each stage, as a share of the last."""
MAX_STEPS = 15
"""Most Levenberg-Marquardt steps of a stage."""
REWEIGHTED = 2
"""Number of times that the noise of each channel is taken from the residuals."""
FAILED_RESIDUAL = 1e4
"""Residual of a failed rollout, and the largest one that counts, in standard deviations of the noise."""
MIN_NOISE = 1e-5
"""Least noise of a channel, as a share of its size: the rollouts are not more accurate."""
MIN_SIGNIFICANCE = 2.0
"""A constant that may be zero is left out below this many standard errors, if the criterion agrees."""
CHANCE = 3.0
"""Largest autocorrelation of white noise, in standard errors."""
MAX_CORRELATION = 0.98
"""Largest autocorrelation of residuals at lag one that is believed."""
PRIOR_WEIGHT, TOLERANCE, MIN_PIVOT = 1e-6, 1e-7, 1e-12
"""Of the least squares: weight of the start, length of the last step, and what keeps an unused window regular."""


class FamilyFit(NamedTuple):
    """Fitted constants.

    `x`: the unknowns. `free`: one for a fitted one, zero for a fixed one. `noise`: standard deviation of each channel,
    infinite if it is not used. `shifts`: of the initial states. `residuals`: shape `(window, row, channel)`, in units
    of the noise. `jacobian`: of the residuals, without what the initial states can explain. `used`: number of
    residuals.
    """

    family: AbstractFamily
    x: np.ndarray
    free: np.ndarray
    noise: np.ndarray
    shifts: np.ndarray
    residuals: np.ndarray
    jacobian: np.ndarray
    used: int

    @property
    def is_sound(self) -> bool:
        """Whether all rollouts and their derivatives are finite."""
        return bool(np.isfinite(self.residuals).all() and np.isfinite(self.jacobian).all())

    @property
    def squares(self) -> np.ndarray:
        """Sum of squared residuals of each window."""
        return np.sum(self.residuals**2, axis=(1, 2))

    @property
    def covariance(self) -> np.ndarray:
        r"""Covariance of the unknowns.

        With the Jacobian $J_w$ and the residuals $r_w$ of window $w$, of which there are $W$, it is
        $(\sum_w J_w^\top J_w)^{-1} \sigma^2$ for white noise. Residuals of a model that is not exact are correlated
        within a window. Standard errors are then at least those of the jackknife over the windows:

        $$\frac{W - 1}{W} \sum_w d_w d_w^\top, \quad d_w = \Big(\sum_{v \ne w} J_v^\top J_v\Big)^{-1} J_w^\top r_w,$$

        where $d_w$ is how far the fit moves, to first order, if window $w$ is left out. (Bell and McCaffrey 2002)
        """
        at = np.flatnonzero(self.free)
        J = self.jacobian[..., at]
        A = np.einsum("wrk,wrl->wkl", J, J)
        G = np.linalg.pinv(A.sum(axis=0), hermitian=True)
        white = G * max(self.squares.sum() / max(self.used - len(at) - self.shifts.size, 1), 1.0)
        windows = int(np.any(J != 0, axis=(1, 2)).sum())
        covariance = np.zeros((len(self.x), len(self.x)))
        covariance[np.ix_(at, at)] = white
        if windows > 1 and self.correlation > CHANCE / np.sqrt(max(self.used, 1)):
            scores = np.einsum("wrk,wr->wk", J, self.residuals.reshape(len(J), -1))
            moved = np.einsum("wkl,wl->wk", np.linalg.pinv(A.sum(axis=0) - A, hermitian=True), scores)
            scattered = (windows - 1) / windows * np.sum(moved**2, axis=0)
            known = np.maximum(np.diagonal(white), np.finfo(float).tiny)  # zero in a direction without any information
            growth = np.sqrt(np.maximum(scattered / known, 1.0))
            covariance[np.ix_(at, at)] *= np.outer(growth, growth)
        return covariance

    @property
    def correlation(self) -> float:
        """Autocorrelation of the residuals at lag one."""
        products, squares = map(np.sum, lag_one(self.residuals))
        return float(products / max(squares, 1e-300))


def fit_family(motion: FitWindows, family: AbstractFamily, start: np.ndarray, noise: np.ndarray) -> FamilyFit:
    """Fit all constants, with linear and dry friction, over growing windows.

    **Arguments:**

    - `start`: where the fit begins.
    - `noise`: estimated standard deviation of each channel; infinite for one that is not used. The residuals of the
      fit give a better estimate.
    """
    free = np.ones(len(start))
    free[family.slices.drag] = 0.0
    fit = FamilyFit(family, start, free, noise, np.zeros_like(motion.y0s), *_nothing(motion, len(start)), 0)
    for share in GROWTH:
        fit = _descended(fit, motion, share)
    for _ in range(REWEIGHTED):
        fit = _descended(_reweighted(fit, motion), motion)
    return fit


def with_each_friction(fit: FamilyFit, motion: FitWindows, is_over: Callable[[], bool]) -> dict[str, FamilyFit]:
    """The fit with each kind of friction, by the name of the friction. No other begins once `is_over()` is true."""
    at, found = fit.family.slices, {}
    for name, kinds in FRICTIONS.items():
        if found and is_over():
            break
        fixed = [i for kind in WORDS if kind not in kinds for i in np.r_[getattr(at, kind)]]
        one = _fixed(_released(fit, kinds), np.array(fixed, int), 0.0)
        found[name] = _without_negative_friction(_descended(one, motion), motion)
    return {name: one for name, one in found.items() if one.is_sound}


def simplified(fit: FamilyFit, motion: FitWindows, is_over: Callable[[], bool]) -> FamilyFit:
    """Leave out what the motion does not show: the offsets, then constants that may be zero, the weakest first."""
    at = fit.family.slices
    if fit.free[at.offset].any() and not is_over():
        value = np.round(fit.x[at.offset] / (np.pi / 2)) * (np.pi / 2)
        simpler = _without_negative_friction(_descended(_fixed(fit, np.r_[at.offset], value), motion), motion)
        fit = fit if explains_more(fit, simpler) else simpler
    for _ in range(MAX_STEPS):
        optional = np.array([i for i in (*fit.family.optional, *at.gains(len(fit.x))) if fit.free[i]], int)
        ratio = np.abs(fit.x[optional]) / np.sqrt(np.maximum(np.diagonal(fit.covariance)[optional], 1e-300))
        if is_over() or not (ratio < MIN_SIGNIFICANCE).any():
            break
        weakest = optional[[np.argmin(ratio)]]
        simpler = _without_negative_friction(_descended(_fixed(fit, weakest, 0.0), motion), motion)
        if explains_more(fit, simpler):
            break
        fit = simpler
    return fit


def with_linear_friction(fit: FamilyFit) -> FamilyFit:
    """The fit with linear friction that may take any sign, to be fitted again."""
    return _released(fit, ("linear",))


def _nothing(motion: FitWindows, unknowns: int) -> tuple[np.ndarray, np.ndarray]:
    windows, rows, channels = motion.ys.shape
    return np.zeros(motion.ys.shape), np.zeros((windows, rows * channels, unknowns))


def refitted(fit: FamilyFit, motion: FitWindows) -> FamilyFit:
    """The same constants, fitted to other windows, from those of the fit."""
    return _descended(fit, motion)


def held_out(fit: FamilyFit, motion: FitWindows) -> FamilyFit:
    """The fit on other windows, whose initial states are estimated, and nothing else."""
    shifts = np.zeros_like(motion.y0s)
    return _descended(fit._replace(free=np.zeros_like(fit.free), shifts=shifts), motion)


def information(fit: FamilyFit, best: FamilyFit) -> float:
    r"""Extended information criterion of Chen and Chen (2008), with the noise and the correlation of the residuals of
    `best`: that of Schwarz (1978), and $2 \ln \binom{p}{k}$ for $k$ of $p$ constants that may be left out, since some
    of many seem significant by chance.

    Residuals of a model that is not exact are correlated (autocorrelation at lag one), so they count as fewer.
    """
    each, variance = _counted(best)
    used = np.isfinite(best.noise)
    ratio = np.where(used, np.where(used, fit.noise, 1.0) / np.where(used, best.noise, 1.0), 1.0)
    squares = float(np.sum((fit.residuals * ratio) ** 2)) / (each * variance)
    at = fit.family.slices
    optional = fit.free[np.r_[fit.family.optional, at.gains(len(fit.x)), np.r_[at.offset]].astype(int)]
    choices = np.log(comb(len(optional), int(optional.sum())))
    return squares + float(fit.free.sum() * np.log(max(best.used / each, 2)) + 2 * choices)


def _counted(fit: FamilyFit) -> tuple[float, float]:
    """How many residuals count as one, and their variance, which is at least that of the noise."""
    correlation = np.clip(fit.correlation, 0.0, MAX_CORRELATION)
    return float((1 + correlation) / (1 - correlation)), float(max(fit.squares.sum() / max(fit.used, 1), 1.0))


def _fixed(fit: FamilyFit, indices: np.ndarray, value: np.ndarray | float) -> FamilyFit:
    x, free = fit.x.copy(), fit.free.copy()
    x[indices], free[indices] = value, 0.0
    return fit._replace(x=x, free=free)


def _released(fit: FamilyFit, kinds: tuple[str, ...]) -> FamilyFit:
    free = fit.free.copy()
    for kind in kinds:
        free[getattr(fit.family.slices, kind)] = 1.0
    return fit._replace(free=free)


def _without_negative_friction(fit: FamilyFit, motion: FitWindows) -> FamilyFit:
    """Friction that would feed in energy is none."""
    friction = fit.family.slices.of_friction
    while (wrong := friction[fit.x[friction] < 0]).size:
        fit = _descended(_fixed(fit, wrong, 0.0), motion)
    return fit


def explains_more(fit: FamilyFit, simpler: FamilyFit) -> bool:
    """Whether the motion shows the constants that `simpler` lacks."""
    return not simpler.is_sound or bool(information(fit, fit) < information(simpler, fit))


def _reweighted(fit: FamilyFit, motion: FitWindows) -> FamilyFit:
    """The noise of each channel from the residuals of the fit."""
    used = np.isfinite(fit.noise)
    rows = motion.counts.sum()
    rms = np.sqrt(np.sum(fit.residuals**2, axis=(0, 1)) / max(rows, 1)) * np.where(used, fit.noise, 1.0)
    return fit._replace(noise=np.where(used, np.maximum(rms, MIN_NOISE * motion.size), np.inf))


def _descended(fit: FamilyFit, motion: FitWindows, share: float = 1.0) -> FamilyFit:
    """Minimise the residuals of the first rows of each window, from the constants and states of a fit."""
    rows = max(3, round(share * motion.ys.shape[1]))
    counts = motion.counts * (np.arange(motion.ys.shape[1]) < rows)[None]
    dtype = jnp.result_type(float)
    weight = np.where(np.isfinite(fit.noise), 1 / fit.noise, 0.0)
    parts = (motion.ts, motion.us, motion.ys, motion.y0s, counts, motion.size, weight, fit.x, fit.free, fit.shifts)
    found = _minimized(fit.family.shared, *(jnp.asarray(part, dtype) for part in parts), substeps=motion.substeps)
    x, shifts, r, J = (np.asarray(part, np.float64) for part in found)
    count = int(counts.sum() * np.isfinite(fit.noise).sum())
    return fit._replace(x=x, shifts=shifts, residuals=r.reshape(motion.ys.shape), jacobian=J, used=count)


def residual_of(
    family: AbstractFamily, size: Array, weight: Array, substeps: int
) -> Callable[[Array, Array, tuple[Array, Array, Array, Array]], Array]:
    """The residuals of a window, callable of the unknowns, the shift of the initial state, and `ts, us, ys, y0`.

    They have the shape `(row, channel)`, are multiplied by `weight`, and do not exceed `FAILED_RESIDUAL`.
    """
    integration = Integration(RK4(), stepsize_controller=StepsPerSample(substeps))
    inverse = jnp.linalg.inv(family.matrix)

    def turned(ys: Array, by: Array) -> Array:
        return (ys.reshape(-1, len(by)) @ by.T).reshape(ys.shape)

    def residual(x: Array, shift: Array, window: tuple[Array, Array, Array, Array]) -> Array:
        ts, us, ys, y0 = window
        body, control = family.body(x), SampledControl(ts, us)

        def acceleration(t: ArrayLike, q: Array, v: Array) -> Array:
            return body.acceleration(q, v, control(t) if us.shape[1] else us[0])

        term = EulerLagrangeTerm(body.lagrangian, solved=acceleration)
        rows = integration.rollout(term, ts, turned(y0 + size * shift, family.matrix))
        relative = (turned(rows, inverse) - ys) * weight[None]
        return jnp.where(jnp.abs(relative) < FAILED_RESIDUAL, relative, FAILED_RESIDUAL)

    return residual


@eqx.filter_jit
def _minimized(
    family: AbstractFamily,
    ts: Array,
    us: Array,
    ys: Array,
    y0s: Array,
    counts: Array,
    size: Array,
    weight: Array,
    base: Array,
    free: Array,
    shifts: Array,
    substeps: int,
) -> tuple[Array, Array, Array, Array]:
    """Unknowns, shifts, residuals and their Jacobian. One program serves every set of constants of a family."""
    relative = residual_of(family, size, weight, substeps)

    def residual(x: Array, shift: Array, run: tuple[Array, ...]) -> Array:
        ts, us, ys, y0, counts = run
        return jnp.where(counts[:, None] > 0, relative(base + free * x, shift, (ts, us, ys, y0)), 0).reshape(-1)

    options = {"weight": PRIOR_WEIGHT, "tolerance": TOLERANCE, "max_steps": MAX_STEPS}
    end = descend(residual, jnp.zeros_like(base), shifts, (ts, us, ys, y0s, counts), **options)
    return base + free * end.x, end.ys, end.at.r, projected_jacobian(end.at, pivot=MIN_PIVOT)

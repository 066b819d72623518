"""Fit the constants of a rigid chain by rollouts with estimated initial states, over growing windows."""

from collections.abc import Callable
from itertools import combinations, pairwise
from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from ..discovery import descend, lag_one, projected_jacobian
from ..integrators import RK4, Integration, StepsPerSample
from ..mechanics import EulerLagrangeTerm
from .chain_start import Start
from .chain_windows import ChainWindows
from .rigid_chain import Frame, RigidChain

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
MAX_CORRELATION = 0.98
"""Largest autocorrelation of residuals at lag one that is believed."""
PRIOR_WEIGHT, TOLERANCE, MIN_PIVOT = 1e-6, 1e-7, 1e-12
"""Of the least squares: weight of the start, length of the last step, and what keeps an unused window regular."""


class Unknowns(NamedTuple):
    r"""Slices of the vector of unknowns of a chain of n bodies. All are of order one in natural units of time.

    `inertia`: $\log I_{ii}$, without the first. `coupling`: $I_{ij} / \sqrt{I_{ii} I_{jj}}$. `weight`, `linear`,
    `dry`: divided by $I_{ii}$. `offset`: in radians.
    """

    inertia: slice
    coupling: slice
    weight: slice
    offset: slice
    linear: slice
    dry: slice

    @staticmethod
    def of(bodies: int) -> "Unknowns":
        """The slices."""
        ends = np.cumsum([0, bodies - 1, bodies * (bodies - 1) // 2, *[bodies] * 4]).tolist()
        return Unknowns(*(slice(a, b) for a, b in pairwise(ends)))


def chain_of(x: Array, width: Array) -> RigidChain:
    """The chain of a vector of unknowns, with $I_{11} = 1$, in natural units of time."""
    n = len(width)
    at = Unknowns.of(n)
    own = jnp.exp(jnp.concatenate([jnp.zeros_like(x[:1]), x[at.inertia]]))
    root = jnp.sqrt(own)
    coupling = jnp.eye(n, dtype=x.dtype)
    for k, (i, j) in enumerate(combinations(range(n), 2)):
        coupling = coupling.at[i, j].set(x[at.coupling][k]).at[j, i].set(x[at.coupling][k])
    inertia = coupling * root[:, None] * root[None]
    return RigidChain(inertia, x[at.weight] * own, x[at.offset], x[at.linear] * own, x[at.dry] * own, width)


def unknowns_of(start: Start) -> np.ndarray:
    """The vector of unknowns of estimated constants."""
    own = np.diagonal(start.inertia)
    coupling = [start.inertia[i, j] / np.sqrt(own[i] * own[j]) for i, j in combinations(range(len(own)), 2)]
    friction = (start.linear / own, start.dry / own)
    return np.concatenate([np.log(own[1:] / own[0]), coupling, start.weight / own, start.offset, *friction])


class ChainFit(NamedTuple):
    """Fitted constants.

    `x`: the unknowns. `free`: one for a fitted one, zero for a fixed one. `width`: of the dry friction. `noise`:
    standard deviation of each channel, infinite if it is not used. `shifts`: of the initial states. `residuals`: shape
    `(window, row, channel)`, in units of the noise. `jacobian`: of the residuals. `used`: number of residuals.
    """

    frame: Frame
    x: np.ndarray
    free: np.ndarray
    width: np.ndarray
    noise: np.ndarray
    shifts: np.ndarray
    residuals: np.ndarray
    jacobian: np.ndarray
    used: int

    @property
    def squares(self) -> np.ndarray:
        """Sum of squared residuals of each window."""
        return np.sum(self.residuals**2, axis=(1, 2))

    @property
    def covariance(self) -> np.ndarray:
        """Covariance of the unknowns. Residuals of a model that is not exact are correlated within a window, so the
        scatter of the gradients of the windows counts if it is larger than that of white noise.
        """
        at = np.flatnonzero(self.free)
        J = self.jacobian[..., at]
        G = np.linalg.pinv(np.einsum("wrk,wrl->kl", J, J), hermitian=True)
        white = G * self.squares.sum() / max(self.used - len(at) - self.shifts.size, 1)
        windows = len(J)
        covariance = np.zeros((len(self.x), len(self.x)))
        covariance[np.ix_(at, at)] = white
        if windows > len(at) + 1:
            scores = np.einsum("wrk,wr->wk", J, self.residuals.reshape(windows, -1))
            scattered = G @ (scores.T @ scores) @ G * windows / (windows - len(at))
            growth = np.sqrt(np.maximum(np.diagonal(scattered) / np.diagonal(white), 1.0))
            covariance[np.ix_(at, at)] *= np.outer(growth, growth)
        return covariance


def fit_chain(
    motion: ChainWindows, frame: Frame, start: Start, width: np.ndarray, noise: np.ndarray, is_over: Callable[[], bool]
) -> ChainFit:
    """Fit all constants over growing windows, then leave out what the motion does not show.

    **Arguments:**

    - `start`: where the fit begins. `width`: of the dry friction, in natural units.
    - `noise`: estimated standard deviation of each channel; infinite for one that is not used. The residuals of the
      fit give a better estimate.
    - `is_over`: no further step begins once it returns true.
    """
    x = unknowns_of(start)
    fit = ChainFit(frame, x, np.ones(len(x)), width, noise, np.zeros_like(motion.y0s), *_nothing(motion, len(x)), 0)
    for share in GROWTH:
        fit = _descended(fit, motion, share)
    for _ in range(REWEIGHTED):
        fit = _descended(_reweighted(fit, motion), motion)
    fit = _without_negative_friction(fit, motion)
    at = Unknowns.of(len(width))
    for group in (at.dry, at.linear, at.offset):
        if is_over() or not fit.free[group].any():
            continue
        value = np.round(fit.x[group] / (np.pi / 2)) * (np.pi / 2) if group == at.offset else 0.0
        simpler = _descended(_fixed(fit, np.r_[group], value), motion)
        if not _explains_more(fit, simpler):
            fit = simpler
    return fit


def _nothing(motion: ChainWindows, unknowns: int) -> tuple[np.ndarray, np.ndarray]:
    windows, rows, channels = motion.ys.shape
    return np.zeros(motion.ys.shape), np.zeros((windows, rows * channels, unknowns))


def misfit(fit: ChainFit, motion: ChainWindows) -> float:
    """Mean square residual on other windows, whose initial states are estimated, and nothing else."""
    shifts = np.zeros_like(motion.y0s)
    held = _descended(fit._replace(free=np.zeros_like(fit.free), shifts=shifts), motion)
    return float(held.squares.sum() / max(held.used, 1))


def _fixed(fit: ChainFit, indices: np.ndarray, value: np.ndarray | float) -> ChainFit:
    x, free = fit.x.copy(), fit.free.copy()
    x[indices], free[indices] = value, 0.0
    return fit._replace(x=x, free=free)


def _without_negative_friction(fit: ChainFit, motion: ChainWindows) -> ChainFit:
    """Friction that would feed in energy is none."""
    at = Unknowns.of(len(fit.width))
    friction = np.r_[at.linear, at.dry]
    while (wrong := friction[fit.x[friction] < 0]).size:
        fit = _descended(_fixed(fit, wrong, 0.0), motion)
    return fit


def _explains_more(fit: ChainFit, simpler: ChainFit) -> bool:
    """Whether the motion shows the constants that `simpler` lacks, by the information criterion of Schwarz (1978).

    Residuals of a model that is not exact are correlated (autocorrelation at lag one), so they count as fewer.
    """
    products, squares = map(np.sum, lag_one(fit.residuals))
    correlation = np.clip(products / max(squares, 1e-300), 0.0, MAX_CORRELATION)
    each = (1 + correlation) / (1 - correlation)  # residuals that count as one
    removed, variance = fit.free.sum() - simpler.free.sum(), squares / max(fit.used, 1)
    gained = simpler.squares.sum() - fit.squares.sum()
    return bool(gained > removed * np.log(max(fit.used / each, 2)) * each * variance)


def _reweighted(fit: ChainFit, motion: ChainWindows) -> ChainFit:
    """The noise of each channel from the residuals of the fit."""
    used = np.isfinite(fit.noise)
    rows = motion.counts.sum()
    rms = np.sqrt(np.sum(fit.residuals**2, axis=(0, 1)) / max(rows, 1)) * np.where(used, fit.noise, 1.0)
    return fit._replace(noise=np.where(used, np.maximum(rms, MIN_NOISE * motion.size), np.inf))


def _descended(fit: ChainFit, motion: ChainWindows, share: float = 1.0) -> ChainFit:
    """Minimise the residuals of the first rows of each window, from the constants and states of a fit."""
    rows = max(3, round(share * motion.ys.shape[1]))
    counts = motion.counts * (np.arange(motion.ys.shape[1]) < rows)[None]
    dtype = jnp.result_type(float)
    weight = np.where(np.isfinite(fit.noise), 1 / fit.noise, 0.0)
    matrix = fit.frame.matrix.astype(float)
    parts = (motion.ts, motion.ys, motion.y0s, counts, motion.size, weight, matrix, np.linalg.inv(matrix))
    parts = (*parts, fit.width, fit.x, fit.free, fit.shifts)
    found = _minimized(*(jnp.asarray(part, dtype) for part in parts), substeps=motion.substeps)
    x, shifts, r, J = (np.asarray(part, np.float64) for part in found)
    count = int(counts.sum() * np.isfinite(fit.noise).sum())
    return fit._replace(x=x, shifts=shifts, residuals=r.reshape(motion.ys.shape), jacobian=J, used=count)


@eqx.filter_jit
def _minimized(
    ts: Array,
    ys: Array,
    y0s: Array,
    counts: Array,
    size: Array,
    weight: Array,
    matrix: Array,
    inverse: Array,
    width: Array,
    base: Array,
    free: Array,
    shifts: Array,
    substeps: int,
) -> tuple[Array, Array, Array, Array]:
    """Unknowns, shifts, residuals and their Jacobian. One program serves every frame and every set of constants."""
    integration = Integration(RK4(), stepsize_controller=StepsPerSample(substeps))

    def turned(ys: Array, by: Array) -> Array:
        return (ys.reshape(-1, len(by)) @ by.T).reshape(ys.shape)

    def residual(x: Array, shift: Array, run: tuple[Array, ...]) -> Array:
        ts, ys, y0, counts = run
        chain = chain_of(base + free * x, width)
        term = EulerLagrangeTerm(chain.lagrangian, solved=chain.acceleration)
        rows = integration.rollout(term, ts, turned(y0 + size * shift, matrix))
        relative = (turned(rows, inverse) - ys) * weight[None]
        relative = jnp.where(jnp.abs(relative) < FAILED_RESIDUAL, relative, FAILED_RESIDUAL)
        return jnp.where(counts[:, None] > 0, relative, 0).reshape(-1)

    options = {"weight": PRIOR_WEIGHT, "tolerance": TOLERANCE, "max_steps": MAX_STEPS}
    end = descend(residual, jnp.zeros_like(base), shifts, (ts, ys, y0s, counts), **options)
    return base + free * end.x, end.ys, end.at.r, projected_jacobian(end.at, pivot=MIN_PIVOT)

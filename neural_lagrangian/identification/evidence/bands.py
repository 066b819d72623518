"""Bands of prediction, from the covariance of the constants and of the initial states, and their measured coverage."""

from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from ...discovery import descend, linearized
from ..candidates import Trial
from ..families import MAX_STEPS, PRIOR_WEIGHT, TOLERANCE, AbstractFamily, FamilyFit, FitWindows, residual_of
from ..preparation import Task

LEVEL, HALF_WIDTH = 0.9, 1.645
"""Share of the samples in a band, and half its width in standard deviations."""
SEEN_SHARE = 0.3
"""Share of a window from which its initial state is estimated. The rest is predicted."""
MIN_VARIANCE = 1e-12
"""Least variance of a residual in units of the noise, to divide by."""


class Bands(NamedTuple):
    """Predictions with bands on held-out windows, in SI units.

    `ts`: shape `(window, row)`. `recorded`, `predicted`, `half`: coordinates, and half the width of the band, shape
    `(window, row, dof)`. `sizes`: natural unit of each coordinate. `seen`: number of first rows that gave the initial
    states. `coverage`: share of the predicted samples in the band. `factor`: of the widths, from the validation set.
    """

    ts: np.ndarray
    recorded: np.ndarray
    predicted: np.ndarray
    half: np.ndarray
    sizes: np.ndarray
    seen: int
    coverage: float
    factor: float

    def __str__(self) -> str:
        return (
            f"{self.coverage:.0%} of the held-out samples are in the {LEVEL:.0%} band of the prediction (from the "
            f"covariance of the constants and of the initial states; widths times {self.factor:.2g}, from the "
            "validation set)"
        )


def bands_of(fit: FamilyFit, task: Task, trial: Trial) -> Bands:
    r"""Predict the held-out pieces with bands. The validation set gives a factor of their width.

    $$\sigma^2 = J_x \Sigma J_x^\top + J_y \Sigma_y J_y^\top + \sigma_\text{noise}^2$$

    with the covariance $\Sigma$ of the constants and $\Sigma_y$ of the initial state.
    """
    parts = (task.parts.held_out, task.observed.held_out)
    estimated, observed = (trial.units.motion(part, task.columns.periodic) for part in parts)
    test = trial.plan.windows(estimated, observed, trial.plan.spread(estimated, len(trial.fitted.ts)), trial.held.size)
    count = max(len(test.ts), len(trial.held.ts))  # one program serves both
    seen = max(3, round(SEEN_SHARE * test.ys.shape[1]))
    deviations = [_deviations(fit, one.padded(count), seen, len(one.ts)) for one in (trial.held, test)]
    (missed, half), (test_missed, test_half) = deviations
    factor = max(1.0, float(np.quantile(np.abs(missed / half)[:, seen:], LEVEL)))
    dof, scale = test.ys.shape[2] // 2, trial.scaling.q_scale
    coverage = float(np.mean(np.abs(test_missed)[:, seen:] <= factor * test_half[:, seen:]))
    recorded = test.ys[..., :dof] * scale
    predicted = recorded + test_missed * fit.noise[:dof] * scale
    width = factor * test_half * fit.noise[:dof] * scale
    return Bands(test.ts * trial.units.time, recorded, predicted, width, scale, seen, coverage, factor)


def _deviations(fit: FamilyFit, motion: FitWindows, seen: int, windows: int) -> tuple[np.ndarray, np.ndarray]:
    """Residuals of coordinates in units of the noise, and half the widths of the bands, `(window, row, dof)`."""
    dtype = jnp.result_type(float)
    weight = np.where(np.isfinite(fit.noise), 1 / fit.noise, 0.0)
    parts = (motion.ts, motion.us, motion.ys, motion.y0s, motion.size, weight, fit.x)
    found = _linearized(
        fit.family.shared, *(jnp.asarray(part, dtype) for part in parts), seen=seen, substeps=motion.substeps
    )
    r, A, B, B_seen = (np.asarray(part, np.float64)[:windows] for part in found)
    of_states = np.linalg.pinv(np.einsum("wri,wrj->wij", B_seen, B_seen), hermitian=True)
    variance = np.einsum("wri,ij,wrj->wr", A, fit.covariance, A) + np.einsum("wri,wij,wrj->wr", B, of_states, B) + 1.0
    shape = (windows, *motion.ys.shape[1:])
    dof = shape[2] // 2
    half = HALF_WIDTH * np.sqrt(np.maximum(variance, MIN_VARIANCE)).reshape(shape)
    return r.reshape(shape)[..., :dof], half[..., :dof]


@eqx.filter_jit
def _linearized(
    family: AbstractFamily,
    ts: Array,
    us: Array,
    ys: Array,
    y0s: Array,
    size: Array,
    weight: Array,
    x: Array,
    seen: int,
    substeps: int,
) -> tuple[Array, Array, Array, Array]:
    """Residuals of whole windows whose states are fitted to the first rows, and their derivatives."""
    relative, start = residual_of(family, size, weight, substeps), x

    def residual(x: Array, shift: Array, run: tuple[Array, Array, Array, Array]) -> Array:
        return relative(x, shift, run).reshape(-1)

    def first(x: Array, shift: Array, run: tuple[Array, Array, Array, Array]) -> Array:
        ts, us, ys, y0 = run
        return residual(start + 0 * x[0], shift, (ts[:seen], us[:seen], ys[:seen], y0))

    options = {"weight": PRIOR_WEIGHT, "tolerance": TOLERANCE, "max_steps": MAX_STEPS}
    runs = (ts, us, ys, y0s)
    end = descend(first, jnp.zeros(1, x.dtype), jnp.zeros_like(y0s), runs, **options)
    whole = linearized(residual, x, end.ys, runs)
    return whole.r, whole.A, whole.B, end.at.B

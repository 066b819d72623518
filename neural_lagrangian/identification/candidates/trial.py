"""Windows of the training and validation sets, and the noise, with which all candidates are fitted and compared."""

from typing import Any, NamedTuple

import diffrax
import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from ...discovery import descend, noise_of
from ...integrators import RK4, Integration, StepsPerSample
from ...models import driven_by
from ...trajectories import Scaling, Trajectories, spread
from ..families import (
    FAILED_RESIDUAL,
    MAX_ROWS,
    MAX_STEPS,
    MIN_ROWS,
    PRIOR_WEIGHT,
    TOLERANCE,
    FitWindows,
    Pieces,
    Units,
    WindowPlan,
)
from ..preparation import Task
from ..recordings import thinned
from .rest import noise_level, rest_of

WIDTH_SHARE = 0.03
"""Speed below which dry friction falls to zero, as a share of the root mean square of the joint rate."""
FIRST_NOISE = (1e-4, 0.03)
"""Least noise of positions and of velocities at the start of a fit, as a share of their size. Recorded velocities are
often filtered, so they count little until the fit to the positions has shown how good they are.
"""


class Trial(NamedTuple):
    """Motion in natural units, with one unit for all lengths.

    `estimate`: the training set with estimated states. `fitted`, `held`: windows of the training and validation sets.
    `noise`: of each channel, infinite for velocities that were not recorded, at the start of a fit. `level`: noise of
    the recorded coordinates, in whose units errors are given. `controls`: names of the controls.
    """

    units: Units
    scaling: Scaling
    estimate: Trajectories
    plan: WindowPlan
    fitted: FitWindows
    held: FitWindows
    noise: np.ndarray
    level: np.ndarray
    controls: tuple[str, ...] = ()

    @staticmethod
    def of(task: Task) -> "Trial | None":
        """The windows of a task; `None` if its pieces are too short."""
        angles, dof = task.columns.periodic, task.columns.dof
        lengths = [task.scaling.q_scale[i] for i in range(dof) if i not in angles]
        length = float(np.exp(np.mean(np.log(lengths)))) if lengths else 1.0
        units = Units(float(task.scaling.t_scale), length, task.architecture.controls)
        estimate, observed = (
            [units.motion(part, angles) for part in (parts.train, parts.validation)]
            for parts in (task.parts, task.observed)
        )
        plan = WindowPlan.of(*estimate)
        if plan.rows < MIN_ROWS:
            return None
        size = np.array(spread(estimate[0], angles), np.float64)
        size[list(angles)] = np.minimum(size[list(angles)], 1.0)
        size = np.where(size > 0, size, 1.0)
        windows = plan.windows(estimate[0], observed[0], plan.spread(estimate[0], max(1, MAX_ROWS // plan.rows)), size)
        held = plan.windows(estimate[1], observed[1], plan.spread(estimate[1], len(windows.ts)), size)
        noise = _noise(observed[0], size, recorded_velocities=bool(task.columns.velocities))
        level = noise_level(observed[0], FIRST_NOISE[0] * size[: observed[0].dof])
        scaling = units.scaling(angles, dof)
        return Trial(units, scaling, estimate[0], plan, windows, held, noise, level, task.columns.controls)

    @property
    def rest_error(self) -> float:
        """Two standard errors of the errors on the validation set, in units of the noise: it has so many rows."""
        return float(np.sqrt(2 / max(self.held.counts.sum(), 1)))

    @property
    def width(self) -> np.ndarray:
        """Rate of each coordinate below which dry friction falls to zero."""
        rates = self.estimate.ys[self.estimate.mask][:, self.estimate.dof :]
        return width_of(rates)

    def pieces(self, matrix: np.ndarray) -> Pieces:
        """Times, coordinates and rates of the training set, turned by a matrix, and controls."""
        every, motion = slice(None, None, self.plan.stride), thinned(self.estimate, self.plan.stride)
        us = np.zeros((*motion.ts.shape, 0)) if motion.controls is None else motion.controls
        found = []
        for i, (t, y) in enumerate(motion):
            q, v = np.split(y[every], 2, axis=1)
            found.append((np.asarray(t[every], np.float64), q @ matrix.T, v @ matrix.T, us[i, : len(t)][every]))
        return found

    def misfit(self, model: Any, noise: np.ndarray) -> tuple[float, float, np.ndarray | None]:
        """Mean square residual of any model in SI units on the validation set, in units of `noise`; `rest`, the errors
        of the coordinates in units of the noise of the recording; and the mean square residual of each window.

        The initial states are estimated, and nothing else. If rollouts fail, the first two are infinite.
        """
        residuals = self._residuals(model, noise, self.held)
        windows = self.held.mean_squares(np.sum(residuals**2, axis=(1, 2)), noise)
        if not windows.mean() < FAILED_RESIDUAL:
            return np.inf, np.inf, None
        groups = [self._residuals(model, noise, group) for group in self.fitted.groups(len(self.held.ts))]
        fitted = np.concatenate(groups)[: len(self.fitted.ts)]
        rest = self.rest((fitted, noise, self.fitted), (residuals, noise, self.held))
        return float(windows.mean()), rest, windows

    def _residuals(self, model: Any, noise: np.ndarray, windows: FitWindows) -> np.ndarray:
        """Residuals of a model in SI units, in units of `noise`, shape `(window, row, channel)`."""
        dtype = jnp.result_type(float)
        sizes = np.concatenate([self.scaling.q_scale, self.scaling.q_scale / self.units.time])
        weight = np.where(np.isfinite(noise), 1 / noise, 0.0)
        us = windows.us * np.array(self.units.controls)
        parts = (windows.ts * self.units.time, us, windows.ys, windows.y0s, windows.size, weight, sizes)
        found = _residuals(model, *(jnp.asarray(part, dtype) for part in parts), substeps=windows.substeps)
        return np.asarray(found, np.float64).reshape(windows.ys.shape)

    def rest(self, *parts: tuple[np.ndarray, np.ndarray, FitWindows]) -> float:
        """Errors of the coordinates in units of the noise of the recording, the largest of some parts.

        **Arguments:** for each part its residuals, the noise in whose units they are, and its windows.
        """
        dof = len(self.level)
        of_coordinates = [(residuals[..., :dof] * noise[:dof], windows) for residuals, noise, windows in parts]
        return max(rest_of(residuals, windows.counts, self.level) for residuals, windows in of_coordinates)


def width_of(rates: np.ndarray) -> np.ndarray:
    """Rate of each joint below which dry friction falls to zero."""
    width = WIDTH_SHARE * np.sqrt(np.mean(rates**2, axis=0))
    return np.where(width > 0, width, WIDTH_SHARE)


def _noise(observed: Trajectories, size: np.ndarray, *, recorded_velocities: bool) -> np.ndarray:
    """Estimated noise of each channel; infinite for velocities that were not recorded."""
    pieces = [(np.asarray(t, np.float64), np.asarray(y, np.float64)) for t, y in observed]
    noise, _ = noise_of(pieces, np.full(observed.dof, 2 * np.pi))
    noise = np.maximum(noise, np.repeat(FIRST_NOISE, observed.dof) * size)
    if not recorded_velocities:
        noise[observed.dof :] = np.inf
    return noise


@eqx.filter_jit
def _residuals(
    model: Any, ts: Array, us: Array, ys: Array, y0s: Array, size: Array, weight: Array, sizes: Array, substeps: int
) -> Array:
    """Residuals of rollouts in SI units, whose initial states are fitted; shape `(window, row)`."""
    integration = Integration(RK4(), stepsize_controller=StepsPerSample(substeps))

    def residual(x: Array, shift: Array, run: tuple[Array, ...]) -> Array:
        ts, us, ys, y0 = run
        term = diffrax.ODETerm(driven_by(model, ts, us if us.shape[1] else None).vector_field)
        rows = integration.rollout(term, ts, sizes * (y0 + size * shift)) / sizes[None]
        relative = ((rows - ys) * weight[None]).reshape(-1)
        return jnp.where(jnp.abs(relative) < FAILED_RESIDUAL, relative, FAILED_RESIDUAL) + 0 * x[0]

    options = {"weight": PRIOR_WEIGHT, "tolerance": TOLERANCE, "max_steps": MAX_STEPS}
    nothing = jnp.zeros(1, y0s.dtype)  # no shared unknown: the constants of the model stay
    return descend(residual, nothing, jnp.zeros_like(y0s), (ts, us, ys, y0s), **options).at.r

r"""Refines the coefficients of a formula by rollouts (output error), with standard errors.

$$\min_{c,\, y_1, \dots, y_W} \sum_w \sum_{n, k} \left( \frac{y_k(t_n; c, y_w) - \tilde y_{nk}}{\sigma_k} \right)^2$$

The sum runs over windows of the motion, each with its own initial state. Noise in the states does not bias these
coefficients; it does bias a regression on terms evaluated at noisy states.
"""

from collections.abc import Sequence
from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..integrators import RK4, Integration, StepsPerSample
from ..mechanics import EulerLagrangeTerm, SampledControl
from .force_entries import ForceEntries
from .formula import Formula
from .library import Library
from .shared_least_squares import descend, projected_jacobian
from .smoothing import ROUNDING

MAX_SAMPLES, MAX_WINDOWS, MAX_WINDOW_SAMPLES = 6000, 240, 100
"""Most samples and windows in a fit, and most samples of a window: they bound the run time."""
STEPS_PER_PERIOD = 60
"""Runge-Kutta steps per period of the motion."""
MAX_STEPS = 12
"""Most Levenberg-Marquardt steps of a fit."""
SHAPE_MULTIPLE = 8
"""Numbers of windows and samples are padded to multiples of this, so that few shapes are compiled."""
FAILED_RESIDUAL, MIN_PIVOT = 1e3, 1e-12
"""Residual of a failed rollout, and the addition that keeps the Jacobian of an unused window regular."""
LEFT_OUT_WEIGHT = 1e-6
"""Weight of an unused channel of size one: negligible in the sum, but its derivatives stay accurate."""


class WindowedMotion(eqx.Module):
    """Windows of recorded motion.

    - `ts`: times. `ys`: recorded states. `us`: controls. `smooth`: smoothed states.
    - `size`: typical size of each channel. `substeps`: integrator steps between two samples.
    """

    ts: Float[Array, "window time"]
    ys: Float[Array, "window time two_dof"]
    us: Float[Array, "window time m"]
    smooth: Float[Array, "window time two_dof"]
    size: Float[Array, " two_dof"]
    substeps: int = eqx.field(static=True)

    def padded(self) -> "WindowedMotion":
        """Pads windows and samples to multiples of `SHAPE_MULTIPLE`, so that compiled functions can be reused.

        Times continue with the last step; all other arrays repeat their last entry.
        """
        rows, columns = (-n % SHAPE_MULTIPLE for n in self.ts.shape)
        steps = self.ts[:, -1:] - self.ts[:, -2:-1]
        ts = jnp.concatenate([self.ts, self.ts[:, -1:] + steps * jnp.arange(1, columns + 1)[None]], axis=1)
        ys, us, smooth = (jnp.pad(x, ((0, 0), (0, columns), (0, 0)), "edge") for x in (self.ys, self.us, self.smooth))
        ts, ys, us, smooth = (jnp.pad(x, ((0, rows), *((0, 0),) * (x.ndim - 1)), "edge") for x in (ts, ys, us, smooth))
        return WindowedMotion(ts, ys, us, smooth, self.size, self.substeps)


class RolloutFit(NamedTuple):
    r"""The result of `fit_rollouts`.

    - `c`: coefficients. `residuals`: divided by the noise, shape `(window, time, 2 dof)`.
    - `J`: Jacobian of the residuals in relative changes of the coefficients, with the effect of the initial states
      projected out, shape `(window, row, coefficient)`.
    - `states`: the fitted motion, shape `(window, time, 2 dof)`. `transitions`: its derivatives in the initial state,
      shape `(window, time, 2 dof, 2 dof)`. Both are valid for the fitted windows only.
    """

    c: np.ndarray
    residuals: np.ndarray
    J: np.ndarray
    states: np.ndarray
    transitions: np.ndarray


def windowed(
    pieces: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]],
    smooth: Sequence[np.ndarray],
    length: int,
    period: float,
    size: np.ndarray,
) -> WindowedMotion | None:
    """Cuts motion into adjacent windows, spread evenly; `None` if all trajectories are shorter than a window.

    **Arguments:**

    - `pieces`: times, states and controls of each trajectory. `smooth`: smoothed states of each.
    - `length`: samples of a window. `period`: period of the motion in seconds. `size`: typical size of each channel.
    """
    length = min(length, MAX_WINDOW_SAMPLES)
    starts = [(i, k) for i, (t, _, _) in enumerate(pieces) for k in range(0, len(t) - length + 1, length)]
    if not starts:
        return None
    most = int(np.clip(MAX_SAMPLES // length, 1, MAX_WINDOWS))
    chosen = [starts[k] for k in np.linspace(0, len(starts) - 1, min(most, len(starts))).astype(int)]
    ts, ys, us = (np.stack([pieces[i][part][k : k + length] for i, k in chosen]) for part in range(3))
    smoothed = np.stack([smooth[i][k : k + length] for i, k in chosen])
    step = float(np.max(np.diff(ts, axis=1)))
    substeps = 1
    if np.isfinite(period):
        substeps = int(np.clip(np.ceil(STEPS_PER_PERIOD * step / period * (1 - ROUNDING)), 1, 32))
    ts, ys, us, smoothed = map(jnp.asarray, (ts, ys, us, smoothed))
    return WindowedMotion(ts, ys, us, smoothed, jnp.asarray(size), substeps)


def fit_rollouts(
    library: Library,
    entries: ForceEntries,
    motion: WindowedMotion,
    c: np.ndarray,
    free: np.ndarray,
    noise: np.ndarray,
    windows: np.ndarray,
) -> RolloutFit:
    """Fits the `free` coefficients to some of the windows; the others stay fixed.

    **Arguments:**

    - `c`: all coefficients: first those of the terms, then of the controls, then of the damping.
    - `free`: one for a free coefficient, zero for a fixed one, shape `(coefficient,)`.
    - `noise`: standard deviation of each channel; infinite for an unused channel.
    - `windows`: one for a window to fit, zero for another, shape `(window,)`.
    """
    weight = np.where(np.isfinite(noise), 1 / noise, LEFT_OUT_WEIGHT / np.asarray(motion.size))
    count, samples, channels = motion.ys.shape
    padded = motion.padded()
    rows, columns = (k - n for k, n in zip(padded.ts.shape, motion.ts.shape, strict=True))
    counts = np.outer(np.pad(np.asarray(windows, np.float64), (0, rows)), np.pad(np.ones(samples), (0, columns)))
    arrays = (np.asarray(x, np.float64) for x in (c, free, weight, counts))
    fit = RolloutFit(*(np.asarray(x) for x in _fit(library, entries, padded, *map(jnp.asarray, arrays))))
    J = fit.J.reshape(*padded.ys.shape, -1)[:count, :samples].reshape(count, samples * channels, -1)
    r, states, transitions = (x[:count, :samples] for x in (fit.residuals, fit.states, fit.transitions))
    return RolloutFit(fit.c, r, J, states, transitions)


@eqx.filter_jit
def _fit(
    library: Library, entries: ForceEntries, motion: WindowedMotion, c: Array, free: Array, weight: Array, counts: Array
) -> tuple[Array, ...]:
    integration = Integration(RK4(), stepsize_controller=StepsPerSample(motion.substeps))

    def coefficients(x: Array) -> Array:
        return c * (1 + free * x)

    def forces(c: Array, control: SampledControl | None):
        _, G, D = entries.split(c, len(library))

        def force(t, q, v):
            Q = jnp.zeros_like(q)
            u = None if control is None else control(t)
            for k, (i, j) in enumerate(entries.controls):
                Q = Q.at[i].add(G[k] * u[j])  # pyright: ignore[reportOptionalSubscript]
            for k, (i, j) in enumerate(entries.damping):
                Q = Q.at[i].add(-D[k] * v[j])
                Q = Q if i == j else Q.at[j].add(-D[k] * v[i])
            return Q

        return force if entries.controls or entries.damping else None

    def residual(x: Array, shift: Array, run: tuple[Array, ...]) -> Array:
        ts, ys, us, y0, counts = run
        values = coefficients(x)
        control = SampledControl(ts, us) if entries.controls else None
        term = EulerLagrangeTerm(Formula(library, values[: len(library)]), forces(values, control))
        relative = (integration.rollout(term, ts, y0 + motion.size * shift) - ys) * weight[None]
        relative = jnp.where(jnp.isfinite(relative), relative, FAILED_RESIDUAL)
        return jnp.where(counts[:, None] > 0, relative, 0).reshape(-1)

    y0s = motion.smooth[:, 0]
    runs = motion.ts, motion.ys, motion.us, y0s, counts
    start = jnp.zeros_like(c), jnp.zeros_like(y0s)
    end = descend(residual, *start, runs, weight=1e-6, tolerance=1e-7, max_steps=MAX_STEPS)
    J = projected_jacobian(end.at, pivot=MIN_PIVOT)
    values = coefficients(end.x)
    J = (
        J * jnp.where(values == 0, 0, values / jnp.where(c == 0, 1, c))[None, None]
    )  # relative to the final coefficients
    shape = motion.ys.shape
    r, B = end.at.r.reshape(shape), end.at.B.reshape(*shape, shape[2])
    size = weight[None, None]
    return values, r, J, motion.ys + r / size, B / (size[..., None] * motion.size[None, None, None])

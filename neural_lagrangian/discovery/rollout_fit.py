r"""Coefficients of a formula made better by rollouts, with the errors that they then have.

$$\min_{c,\, y_1, \dots, y_W} \sum_w \sum_{n, k} \left( \frac{y_k(t_n; c, y_w) - \tilde y_{nk}}{\sigma_k} \right)^2$$

over windows of the motion, each with its own initial state (output error). Noise in the states does not shift
coefficients then, as it does where terms are balanced at noisy states.
"""

from collections.abc import Sequence
from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..integrators import RK4, Integration, StepsPerSample
from ..mechanics import EulerLagrangeTerm, SampledControl
from .formula import Formula
from .library import Library
from .shared_least_squares import descend
from .smoothing import ROUNDING

MOST_SAMPLES, MOST_WINDOWS, WINDOW_SAMPLES = 6000, 240, 100
"""Most samples and windows that are fitted, and most samples of a window."""
STEPS_PER_PERIOD = 60
"""Of the Runge-Kutta method."""
ITERATIONS = 12
SHARED = 8
"""Windows, and samples of a window, are filled up to multiples of this."""
FAILED, TINY = 1e3, 1e-12
"""Residual of a rollout that fails; what keeps a window that does not count from being singular."""
LEFT_OUT = 1e-6
"""Weight of a channel of size one that is left out: nothing to the others, enough for its derivatives."""


class Beside(NamedTuple):
    """Forces beside a formula: entries of the matrix of controls and of the damping matrix that have a coefficient."""

    controls: tuple[tuple[int, int], ...]
    damping: tuple[tuple[int, int], ...]


class WindowedMotion(eqx.Module):
    """Windows of recorded motion: times `(window, time)`, states, controls, and smoothed states."""

    ts: Float[Array, "window time"]
    ys: Float[Array, "window time two_dof"]
    us: Float[Array, "window time m"]
    smooth: Float[Array, "window time two_dof"]
    size: Float[Array, " two_dof"]
    substeps: int = eqx.field(static=True)

    def padded(self) -> "WindowedMotion":
        """With as many windows and samples as are multiples of `SHARED`: what is compiled serves other motion too.

        Times go on by the last step; all else stays as it was last.
        """
        rows, columns = (-n % SHARED for n in self.ts.shape)
        steps = self.ts[:, -1:] - self.ts[:, -2:-1]
        ts = jnp.concatenate([self.ts, self.ts[:, -1:] + steps * jnp.arange(1, columns + 1)[None]], axis=1)
        ys, us, smooth = (jnp.pad(x, ((0, 0), (0, columns), (0, 0)), "edge") for x in (self.ys, self.us, self.smooth))
        ts, ys, us, smooth = (jnp.pad(x, ((0, rows), *((0, 0),) * (x.ndim - 1)), "edge") for x in (ts, ys, us, smooth))
        return WindowedMotion(ts, ys, us, smooth, self.size, self.substeps)


class RolloutFit(NamedTuple):
    r"""Coefficients, residuals over the noise `(window, time, 2 dof)`, their Jacobian in relative changes of the
    coefficients, initial states projected out, `(window, row, coefficient)`, and of windows that count the motion: its
    states `(window, time, 2 dof)`, and their derivatives in the initial ones, `(window, time, 2 dof, 2 dof)`.
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
    """Windows side by side, spread evenly over the motion; `None` if no trajectory is so long.

    **Arguments:**

    - `pieces`: times, states and controls of each trajectory. `smooth`: smoothed states of each.
    - `length`: samples of a window. `period`: of the motion, in seconds. `size`: of each channel.
    """
    length = min(length, WINDOW_SAMPLES)
    starts = [(i, k) for i, (t, _, _) in enumerate(pieces) for k in range(0, len(t) - length + 1, length)]
    if not starts:
        return None
    most = int(np.clip(MOST_SAMPLES // length, 1, MOST_WINDOWS))
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
    beside: Beside,
    motion: WindowedMotion,
    c: np.ndarray,
    free: np.ndarray,
    noise: np.ndarray,
    windows: np.ndarray,
) -> RolloutFit:
    """The coefficients that are `free` fitted to some of the windows, the others held.

    **Arguments:**

    - `c`: all coefficients: of the terms of the library, of the controls and of the damping.
    - `noise`: standard deviation of each channel; infinite for one that is left out.
    - `windows`: which of them count, `(window,)`.
    """
    weight = np.where(np.isfinite(noise), 1 / noise, LEFT_OUT / np.asarray(motion.size))
    count, samples, channels = motion.ys.shape
    padded = motion.padded()
    rows, columns = (k - n for k, n in zip(padded.ts.shape, motion.ts.shape, strict=True))
    counts = np.outer(np.pad(np.asarray(windows, np.float64), (0, rows)), np.pad(np.ones(samples), (0, columns)))
    arrays = (np.asarray(x, np.float64) for x in (c, free, weight, counts))
    fit = RolloutFit(*(np.asarray(x) for x in _fit(library, beside, padded, *map(jnp.asarray, arrays))))
    J = fit.J.reshape(*padded.ys.shape, -1)[:count, :samples].reshape(count, samples * channels, -1)
    r, states, transitions = (x[:count, :samples] for x in (fit.residuals, fit.states, fit.transitions))
    return RolloutFit(fit.c, r, J, states, transitions)


@eqx.filter_jit
def _fit(
    library: Library, beside: Beside, motion: WindowedMotion, c: Array, free: Array, weight: Array, counts: Array
) -> tuple[Array, ...]:
    integration = Integration(RK4(), stepsize_controller=StepsPerSample(motion.substeps))

    def coefficients(x: Array) -> Array:
        return c * (1 + free * x)

    def forces(c: Array, control: SampledControl | None):
        split = len(library) + len(beside.controls)

        def force(t, q, v):
            Q = jnp.zeros_like(q)
            u = None if control is None else control(t)
            for k, (i, j) in enumerate(beside.controls):
                Q = Q.at[i].add(c[len(library) + k] * u[j])  # pyright: ignore[reportOptionalSubscript]
            for k, (i, j) in enumerate(beside.damping):
                Q = Q.at[i].add(-c[split + k] * v[j])
                Q = Q if i == j else Q.at[j].add(-c[split + k] * v[i])
            return Q

        return force if beside.controls or beside.damping else None

    def residual(x: Array, shift: Array, run: tuple[Array, ...]) -> Array:
        ts, ys, us, y0, counts = run
        values = coefficients(x)
        control = SampledControl(ts, us) if beside.controls else None
        term = EulerLagrangeTerm(Formula(library, values[: len(library)]), forces(values, control))
        relative = (integration.rollout(term, ts, y0 + motion.size * shift) - ys) * weight[None]
        relative = jnp.where(jnp.isfinite(relative), relative, FAILED)
        return jnp.where(counts[:, None] > 0, relative, 0).reshape(-1)

    y0s = motion.smooth[:, 0]
    runs = motion.ts, motion.ys, motion.us, y0s, counts
    start = jnp.zeros_like(c), jnp.zeros_like(y0s)
    end = descend(residual, *start, runs, weight=1e-6, tolerance=1e-7, max_steps=ITERATIONS)
    Q, _ = jnp.linalg.qr(end.at.B + TINY * jnp.eye(*end.at.B.shape[1:], dtype=c.dtype)[None])
    J = end.at.A - Q @ (jnp.swapaxes(Q, 1, 2) @ end.at.A)
    values = coefficients(end.x)
    J = J * jnp.where(values == 0, 0, values / jnp.where(c == 0, 1, c))[None, None]  # of changes relative to these
    shape = motion.ys.shape
    r, B = end.at.r.reshape(shape), end.at.B.reshape(*shape, shape[2])
    size = weight[None, None]
    return values, r, J, motion.ys + r / size, B / (size[..., None] * motion.size[None, None, None])

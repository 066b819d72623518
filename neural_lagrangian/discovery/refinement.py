"""Noisy motion: smoothed before terms are looked for, and rolled out to refine their coefficients."""

import equinox as eqx
import numpy as np
from threadpoolctl import threadpool_limits

from ..trajectories import Trajectories
from .balance import Balance
from .elimination import Step, grow
from .evidence import LEAST_NOISE, Refined, refined
from .fitting import Fitted
from .library import Library
from .naming import Named
from .observations import Observations, Samples, channel_scales, periods
from .rollout_fit import WindowedMotion, windowed
from .smoothing import noise_of, smoothed

GROWN = 6
"""Terms that are added to the squares of the velocities, one by one."""


def without_noise(trajectories: Trajectories, tolerance: float) -> tuple[Trajectories, np.ndarray, bool]:
    """The motion with its noise smoothed away, the noise of each channel, and whether it matters."""
    pieces = [(t.astype(np.float64), y.astype(np.float64)) for t, y in trajectories]
    states = np.concatenate([y for _, y in pieces])
    found = periods(trajectories, states)
    noise = noise_of(pieces, found)
    scales = channel_scales(states, found)
    noisy = bool((noise > tolerance * scales).any()) and bool((trajectories.lengths >= 5).all())
    if not noisy:
        return trajectories, noise, False
    smooth = smoothed(pieces, np.maximum(noise, LEAST_NOISE * scales))
    whole = np.array(trajectories.ys, np.float64)
    for i, y in enumerate(smooth):
        whole[i, : len(y)] = y
    return eqx.tree_at(lambda x: x.ys, trajectories, whole), noise, True


def grown_fits(fitted: Fitted, library: Library, observed: Observations, tolerance: float) -> list[Fitted]:
    """Another formula, if there is one, from the squares of all velocities and what explains the most beside them."""
    kept, scales, size = observed.independent.kept, observed.scales, len(fitted.balance.kinetic)
    squares = [((name, 2),) for name in library.symbols[1]]
    start = [i for i, k in enumerate(kept) if library.terms[k] in squares]
    if len(start) < library.dof:
        return []
    errors = fitted.errors * scales.acceleration
    sigma = np.sqrt(np.mean(errors**2, axis=0) + (tolerance * scales.acceleration) ** 2)
    weighted = fitted.balance.weighted(sigma)
    path = _path(weighted, start, size)
    floor = weighted.rows * float(np.mean((tolerance * scales.acceleration / sigma) ** 2))
    best = path[-1]  # more than are meant: what rollouts do not need, they leave out
    if not np.isfinite(best.rss) or set(best.support) == set(fitted.step.support):
        return []
    best = weighted.fit(tuple(sorted(best.support)), None)
    less = [weighted.fit(*best.without(i)).rss for i in range(len(best.support)) if best.covariance[i, i] > 0]
    gap = float(np.sqrt((min(less, default=np.inf) + floor) / (best.rss + floor)))
    return [Fitted(fitted.balance, best, gap, fitted.balance.residual(best) / scales.acceleration)]


@threadpool_limits.wrap(limits=1, user_api="blas")
@np.errstate(over="ignore", invalid="ignore")
def _path(balance: Balance, start: list[int], terms: int) -> list[Step]:
    return grow(balance, start, terms, len(start) + GROWN)


def windows_of(recorded: Trajectories, smooth: Trajectories, length: int) -> WindowedMotion | None:
    """Windows of the recorded motion, with smoothed initial states; `None` where it is shorter than a window."""
    controls = recorded.controls
    us = [
        np.zeros((len(t), 0)) if controls is None else controls[i, : len(t)].astype(float)
        for i, (t, _) in enumerate(recorded)
    ]
    pieces = [(t.astype(float), y.astype(float), u) for (t, y), u in zip(recorded, us, strict=True)]
    states = Samples.of(smooth).states
    found = periods(smooth, states)
    size = channel_scales(states, found)
    return windowed(pieces, [np.asarray(y) for _, y in smooth], length, float(found.min()), size)


def refined_fit(named: Named, motion: WindowedMotion, noise: np.ndarray, offered: int) -> tuple[Named, Refined]:
    """The formula with coefficients refined by rollouts, without terms that these do not need."""
    pivots = [part.pivot for part in named.parts]
    better = refined(named.formula.library, named.forces, motion, named.c, pivots, noise, offered)
    if not (np.isfinite(better.c).all() and np.isfinite(better.misfit)):
        return named, better
    return named.with_coefficients(better.c, better.errors, better.kept), better

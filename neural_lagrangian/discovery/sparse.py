r"""A Lagrangian's formula straight from motion (sparse identification of nonlinear dynamics, for Lagrangians)."""

from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from ..models import NeuralLagrangian
from ..trajectories import Trajectories
from .balance import Windows, pointwise, weak
from .columns import free_states, independent_terms, rank_tolerance, sample_columns
from .determination import coverage
from .elimination import by_information, eliminate
from .equations import Scales
from .formula import Formula
from .found import FoundLagrangian, pivot_of, warn_if_undetermined
from .library import Library

ROWS = 3000
"""Most observations that are used: more cost time and tell little."""
MOTIONS, SAMPLES = 30, 100
"""Trajectories that are predicted, and samples of each."""
SHORTEST = 9
"""Least samples of a window of the weak form."""


def sparse_lagrangian(
    trajectories: Trajectories,
    library: Library,
    *,
    method: Literal["auto", "accelerations", "weak"] = "auto",
    window: int | None = None,
    tolerance: float = 1e-3,
    largest_residual: float = 0.5,
) -> FoundLagrangian:
    r"""The simplest Lagrangian of a library that has the observed motion.

    What is minimised is the error of accelerations, $r = M^{-1} (M a + h)$ (see `Balance`), by Gauss-Newton, over the
    terms that motion can tell apart. Terms are left out one by one, and the extended Bayesian information criterion
    chooses among the formulas. Without accelerations, the weak form takes averages over windows of the motion
    instead, which need no derivative of the data: $[q, v]$ with noise of a few per cent will do.

    The answer is checked on states that the data do not hold: their coordinates and velocities recombined at random.
    Where formulas that agree on the data differ there, as they do for a single orbit, there is no formula.

    **Arguments:**

    - `trajectories`: the motion. `accelerations` are used if they are there.
    - `library`: candidate terms, a kinetic energy among them.
    - `method`: "accelerations", "weak", or "auto": the former where there are accelerations.
    - `window`: samples in a window of the weak form; `None` means half the shortest period of the motion, and
      a quarter of the longest trajectory at most.
    - `tolerance`: errors of acceleration, over their root mean square, that are no noise: of integration, of
      quadrature. Terms that explain no more are not looked for.
    - `largest_residual`: what may be left unexplained of the accelerations; where more is, there is no formula.

    **Returns:** a `FoundLagrangian`, without scale, constant and gauge function: data do not tell them. An
    `UndeterminedWarning` is given where it has no formula, and its `missing` says which data would do. Standard errors
    are those of independent errors of acceleration (in the weak form, of windows).

    **Raises:** `ValueError` for arguments that make no sense, a library without a kinetic energy, or of other degrees
    of freedom than the data; terms that are not finite at the data.
    """
    if method not in ("auto", "accelerations", "weak"):
        raise ValueError(f"`method` is {method!r}; expected 'auto', 'accelerations' or 'weak'")
    if method == "accelerations" and trajectories.accelerations is None:
        raise ValueError("`method` is 'accelerations', but `trajectories` has none")
    if trajectories.dof != library.dof:
        raise ValueError(f"`library` has dof {library.dof}; expected {trajectories.dof}, as `trajectories` has")
    if not 0 < tolerance < 1:
        raise ValueError(f"`tolerance` is {tolerance}; expected a number between 0 and 1")
    pointed = trajectories.accelerations is not None and method != "weak"
    times = np.concatenate([t for t, _ in trajectories])
    states = np.concatenate([y for _, y in trajectories])
    dtype = states.dtype
    if not (np.ptp(states, axis=0) > 0).all():
        still = int(np.argmin(np.ptp(states, axis=0)))
        return warn_if_undetermined(_nothing(library, f"column {still} of the states never changes: let it move"))
    box = np.asarray(free_states(states, max(512, 4 * len(library))), dtype)
    box_columns = sample_columns(library, box, times.mean())

    if pointed:
        a = np.concatenate([a[:n] for a, n in zip(trajectories.accelerations, trajectories.lengths, strict=True)])
        rows = np.linspace(0, len(states) - 1, min(len(states), ROWS)).astype(int)
        scales = Scales.of(states, a)
        independent = independent_terms(library, box_columns, scales, rank_tolerance(dtype))
        kept = np.array(independent.kept, int)
        columns = sample_columns(library.select(kept), states[rows], times[rows])
        balance = pointwise(columns, a[rows].astype(np.float64), scales)
    else:
        length = _window(trajectories, states) if window is None else window
        if length < SHORTEST:
            raise ValueError(f"`window` is {length}; expected at least {SHORTEST} samples")
        long = [(t, y) for t, y in trajectories if len(t) >= length]
        if not long:
            reason = f"no trajectory has the {length} samples of a window: record longer ones"
            return warn_if_undetermined(_nothing(library, reason))
        windows = Windows.of([t.astype(np.float64) for t, _ in long], length, ROWS)
        pieces = zip(windows.trajectory, windows.index, strict=True)
        inside = [np.concatenate(x) for x in zip(*((long[i][0][k], long[i][1][k]) for i, k in pieces), strict=True)]
        scales = _scales(states, windows, long)
        independent = independent_terms(library, box_columns, scales, rank_tolerance(dtype))
        kept = np.array(independent.kept, int)
        columns = sample_columns(library.select(kept), inside[1], inside[0])
        balance = weak(columns, windows, scales)
    if not len(kept) or not np.abs(balance.kinetic).max() > 0:
        raise ValueError("`library` has no term with a mass matrix; expected some quadratic in the velocities")
    terms, complexity = library.select(kept), library.complexity[kept]
    if balance.rows < 2 * len(kept):
        reason = f"{balance.rows} equations for {len(kept)} terms are too few: record more, or offer fewer terms"
        return warn_if_undetermined(_nothing(library, reason, independent))

    full = balance.fit(range(len(kept)), None)
    noise = np.sqrt(np.mean(balance.residual(full.support, full.coefficients) ** 2, axis=0))
    noise = np.where(np.isfinite(noise), np.minimum(noise, scales.acceleration), scales.acceleration)
    balance = balance.weighted(np.sqrt(noise**2 + (tolerance * scales.acceleration) ** 2))
    floor = balance.rows * float(np.mean((tolerance * scales.acceleration / balance.sigma) ** 2))
    path = eliminate(balance, len(kept), complexity, 1e-9 * balance.rows)
    best = by_information(path, balance.rows, floor)
    step = balance.fit(path[best].support, path[best].coefficients)  # quadratic: as far as rounding goes
    gap = np.sqrt((path[best + 1].rss + floor) / (step.rss + floor)) if best + 1 < len(path) else np.inf
    support = list(step.support)
    errors = balance.residual(support, step.coefficients)
    residual = float(np.sqrt(np.mean((errors / scales.acceleration) ** 2)))

    pivot = pivot_of(terms.select(support), step.coefficients, balance.kinetic[support])
    c = step.coefficients / (2 * step.coefficients[pivot])
    variance = step.rss / max(balance.rows - len(support), 1)
    spread = np.sqrt(variance * np.diag(balance.covariance(support, c, pivot)))
    formula = Formula(terms.select(support), jnp.asarray(c, dtype), tuple(spread))

    missing = []
    if residual > largest_residual:
        missing.append(
            f"{100 * residual:.2g} % of the accelerations are unexplained: the library lacks a term, a force that no "
            f"Lagrangian holds acts, or the noise is too large"
        )
    known = (states, times) if pointed else _predicted(formula, trajectories)
    told, equivalent = coverage(terms, support, c, states, *known, scales)
    if told < (1e-6 if dtype == np.float64 else 3e-5):
        missing.append(
            f"the data tell some formulas apart by {told:.1g} of what they differ elsewhere, as a single orbit or a "
            f"single energy does: record motions of other energies and phases"
        )
    notes = ()
    if equivalent:
        notes = (f"{equivalent} other combinations of the terms have the same motion; this is the simplest",)
    found = FoundLagrangian(
        None if missing else formula,
        formula,
        None,
        None,
        None,
        residual,
        float(gap),
        tuple(missing),
        notes,
        library,
        independent,
    )
    return warn_if_undetermined(found)


def _predicted(formula: Formula, trajectories: Trajectories) -> tuple[np.ndarray, np.ndarray]:
    """States and times of the formula's own motion from the first states: those of one orbit lie on one, noise or not.

    The states as observed where it fails.
    """
    chosen = list(trajectories)[:MOTIONS]
    ts = np.stack([np.linspace(t[0], t[-1], SAMPLES, dtype=t.dtype) for t, _ in chosen])
    ys = np.asarray(
        _rollouts(NeuralLagrangian(formula), jnp.asarray(ts), jnp.stack([jnp.asarray(y[0]) for _, y in chosen]))
    )
    sound = np.isfinite(ys).all(axis=(1, 2))
    if not sound.any():
        return np.concatenate([y for _, y in chosen]), np.concatenate([t for t, _ in chosen])
    return ys[sound].reshape(-1, ys.shape[2]), ts[sound].reshape(-1)


@eqx.filter_jit
def _rollouts(model: NeuralLagrangian, ts: Array, y0s: Array) -> Array:
    return jax.vmap(lambda ts, y0: model.solve(ts, y0).ys)(ts, y0s)


def _window(trajectories: Trajectories, states: np.ndarray) -> int:
    r"""Samples in half the shortest period, $2 \pi$ spread over speed, of any coordinate; a quarter of all at most."""
    q, v = np.split(states.astype(np.float64), 2, axis=1)
    period = np.min(2 * np.pi * q.std(axis=0) / np.sqrt(np.mean(v**2, axis=0)))
    step = np.median(np.concatenate([np.diff(t) for t, _ in trajectories]))
    longest = int(trajectories.lengths.max())
    return int(np.clip(round(period / 2 / step), SHORTEST, max(longest // 4, SHORTEST)))


def _scales(states: np.ndarray, windows: Windows, trajectories: list) -> Scales:
    """With the accelerations as averages over windows."""
    v = np.stack([trajectories[i][1][k] for i, k in zip(windows.trajectory, windows.index, strict=True)])
    v = np.split(v.astype(np.float64), 2, axis=2)[1]
    return Scales.of(states, -np.einsum("wt,wti->wi", windows.slope, v))


def _nothing(library: Library, reason: str, independent=None) -> FoundLagrangian:
    from .columns import Independent

    told = Independent((), ()) if independent is None else independent
    return FoundLagrangian(None, None, None, None, None, float("nan"), float("nan"), (reason,), (), library, told)

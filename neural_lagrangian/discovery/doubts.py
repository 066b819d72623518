"""Decides whether the data determine the formula that was found."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from ..integrators import RK4, StepsPerSample
from ..models import NeuralLagrangian
from ..trajectories import Trajectories
from .determination import disagreement, distinguishability
from .equations import Scales
from .evidence import HELD_OUT_EVERY
from .fitting import MIN_GAP, Fitted, is_passive
from .found import damping_force
from .library import Library
from .naming import Named
from .observations import Observations, Samples
from .residual_spectrum import lag_one
from .selection import MIN_ODDS, Choice

MAX_PREDICTED_MOTIONS, SAMPLES_PER_MOTION = 30, 100
"""Most trajectories that are predicted from their first state, and samples of each prediction."""
IDENTIFIABILITY_THRESHOLD = 1e-6
"""Two formulas count as equal on the data if their accelerations differ there by less than this fraction of their
difference off the data.
"""
MAX_DISAGREEMENT = 0.2
"""Largest relative difference of the accelerations of two formulas, each fitted to one half of the data."""
MAX_DISAGREEMENT_REFINED = 0.05
"""The same limit for coefficients refined by rollouts."""


def doubts(
    choice: Choice,
    trajectories: Trajectories,
    library: Library,
    observed: Observations,
    uniform: np.ndarray,
    pointed: bool,
    tolerance: float,
    largest_residual: float,
) -> tuple[list[str], list[str]]:
    """Returns the reasons why the formula is not determined, and further notes.

    **Arguments:**

    - `uniform`: which coordinates move uniformly within their noise.
    """
    fitted, named, better, _ = choice
    missing, notes, residual = [], [], fitted.residual
    unexplained = _unexplained(fitted.errors, uniform)
    if uniform.any():
        names = ", ".join(name for name, still in zip(library.symbols[0], uniform, strict=True) if still)
        notes.append(f"moves uniformly within the noise, so its accelerations are noise: {names}")
    samples, scales, kept = Samples.of(trajectories), observed.scales, observed.independent.kept
    damping, _ = named.matrices(named.c)
    if damping is not None and not is_passive(damping):
        missing.append(
            f"the data need a force {(-damping).tolist()} v, which feeds in energy and is no damping: the "
            "library may lack a term"
        )
    if unexplained > largest_residual:
        missing.append(
            f"{100 * unexplained:.2g} % of the accelerations remain unexplained: the library lacks a term, a force "
            f"acts that no Lagrangian describes, or the noise is too large"
        )
    elif pointed and residual > 3 * tolerance and (follows := _follows(fitted.errors, trajectories)) > 0.5:
        notes.append(
            f"the errors are correlated from sample to sample ({follows:.2f}), unlike noise: the library may lack a "
            f"term, or the accelerations were smoothed"
        )
    driven = samples.controls.shape[1] > 0
    orbits, ts = (samples.states, samples.times) if pointed or driven else _predicted(named, trajectories)
    c = np.asarray(named.formula.coefficients)
    share, equivalent = distinguishability(library, kept, named.terms, c, samples.states, orbits, ts, scales)
    if share < IDENTIFIABILITY_THRESHOLD and not driven:
        missing.append(
            f"some formulas agree on the data but not elsewhere (their difference on the data is {share:.1g} of that "
            f"elsewhere), as on a single orbit or at a single energy: record motions with other energies and phases"
        )
    if better is not None:
        missing += _doubts_of_refined(choice, library, samples, scales, compare_halves=not missing)
        if np.isinf(better.noise).any():
            notes.append("the recorded velocities were smoothed: the coefficients are fitted to the positions only")
    elif residual > 3 * tolerance:
        missing += _doubts_of_unrefined(fitted, named, library, samples, scales, compare_halves=not missing)
    more = equivalent - (len(named.parts) - 1)
    if more > 0:
        notes.append(f"{more} further combinations of the terms have the same motion; this is the simplest")
    return missing, notes


def _doubts_of_refined(
    choice: Choice, library: Library, samples: Samples, scales: Scales, *, compare_halves: bool
) -> list[str]:
    """Reasons to doubt refined coefficients; `compare_halves`: whether to compare fits to the halves of the data."""
    better, rival, terms = choice.better, choice.rival, choice.named.terms
    assert better is not None
    if len(better.fit.states) < HELD_OUT_EVERY:
        return [
            f"the motion has {len(better.fit.states)} windows, too few to hold one out: record at least "
            f"{HELD_OUT_EVERY} windows"
        ]
    if not better.misfit <= better.allowed:
        return [
            f"on held-out motion the error is {better.misfit:.3g} times the noise: the library lacks a term, an "
            f"unknown force acts, or the noise hides some terms"
        ]
    if better.clearest < better.least:
        return [
            f"a coefficient is only {better.clearest:.2g} times its standard error: no clear support; record more "
            "motion, or use a smaller library"
        ]
    if rival is not None and rival[0] < 2 * np.log(MIN_ODDS):
        return [
            f"a formula of {', '.join(rival[1])} explains the motion about as well (information criteria differ by "
            f"{rival[0]:.1f}): record more motion, or more varied motion"
        ]
    one, two = (half[better.kept][: len(terms)] for half in better.halves)
    apart = disagreement(library, terms, one, two, samples.states, samples.times, scales) if compare_halves else 0.0
    return [] if apart < MAX_DISAGREEMENT_REFINED else [_halves_differ(apart)]


def _doubts_of_unrefined(
    fitted: Fitted, named: Named, library: Library, samples: Samples, scales: Scales, *, compare_halves: bool
) -> list[str]:
    """Reasons why noise in the accelerations hides the formula; `compare_halves` as for `_doubts_of_refined`."""
    if fitted.gap < MIN_GAP:
        return [
            f"leaving out one more of {len(fitted.step.support)} terms increases the residual by a factor of only "
            f"{fitted.gap:.4f}: no clear support; record more motion, or use a smaller library"
        ]
    apart = _disagreement(fitted, library, named.terms, samples, scales) if compare_halves else 0.0
    return [] if apart < MAX_DISAGREEMENT else [_halves_differ(apart)]


def _halves_differ(apart: float) -> str:
    return (
        f"formulas fitted to the two halves of the data differ by {100 * apart:.2g} % in accelerations, because of "
        f"noise: record more motion, or more varied motion"
    )


def _disagreement(fitted: Fitted, library: Library, terms: list[int], samples: Samples, scales: Scales) -> float:
    """Relative difference in accelerations of the terms fitted to each half of the observations."""
    balance, step = fitted.balance, fitted.step
    count = len(balance.b) // 2
    halves = [balance.part(rows).fit(step.support, step.coefficients) for rows in (slice(count), slice(count, None))]
    if not all(np.isfinite(half.rss) for half in halves):
        return np.inf
    size = balance.size[list(step.support)]
    first, second = ((half.coefficients / size)[: len(terms)] for half in halves)
    return disagreement(library, terms, first, second, samples.states, samples.times, scales)


def _unexplained(errors: np.ndarray, uniform: np.ndarray) -> float:
    """Root mean square of the errors, relative to the accelerations; noise of uniform motion does not count.

    A uniform motion has accelerations of relative size one, all of them noise.
    """
    squares = np.mean(errors**2, axis=0)
    return float(np.sqrt(np.mean(np.where(uniform, np.maximum(squares - 1, 0), squares))))


def _follows(errors: np.ndarray, trajectories: Trajectories) -> float:
    """Autocorrelation of errors at lag one, within trajectories."""
    if int(trajectories.lengths.sum()) != len(errors):
        return 0.0
    pieces = np.split(errors, np.cumsum(trajectories.lengths)[:-1])
    products = sum(lag_one(piece[None])[0].sum() for piece in pieces)
    pairs = errors.size - len(pieces) * errors.shape[1]
    return float(products / pairs / np.mean(errors**2)) if pairs else 0.0


def _predicted(named: Named, trajectories: Trajectories) -> tuple[np.ndarray, np.ndarray]:
    """States and times of rollouts of the formula from the first states; the observed ones if all rollouts fail.

    Rollouts are free of noise, so a single orbit stays a single orbit.
    """
    chosen = list(trajectories)[:MAX_PREDICTED_MOTIONS]
    ts = jnp.stack([jnp.linspace(t[0], t[-1], SAMPLES_PER_MOTION, dtype=jnp.float64) for t, _ in chosen])
    y0s = jnp.stack([jnp.asarray(y[0], jnp.float64) for _, y in chosen])
    damping, _ = named.matrices(named.c)
    force = None if damping is None else damping_force(damping, jnp.float64)
    model = NeuralLagrangian(named.formula, RK4(), force=force, stepsize_controller=StepsPerSample(32))
    ys = np.asarray(_rollouts(model, ts, y0s))
    sound = np.isfinite(ys).all(axis=(1, 2))
    if not sound.any():
        samples = Samples.of(trajectories)
        return samples.states, samples.times
    return ys[sound].reshape(-1, ys.shape[2]), np.asarray(ts)[sound].reshape(-1)


@eqx.filter_jit
def _rollouts(model: NeuralLagrangian, ts: Array, y0s: Array) -> Array:
    return jax.vmap(lambda ts, y0: jnp.asarray(model.solve(ts, y0).ys))(ts, y0s)

"""Whether the data determine the formula found."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from ..integrators import RK4, StepsPerSample
from ..models import NeuralLagrangian
from ..trajectories import Trajectories
from .determination import coverage, disagreement
from .equations import Scales
from .evidence import HELD_OUT
from .fitting import CLEAR, Fitted, is_passive
from .found import damping_force
from .library import Library
from .naming import Named
from .observations import Observations, Samples
from .selection import ODDS, Choice

MOTIONS, SAMPLES = 30, 100
"""Trajectories that are predicted, and samples of each."""
UNTOLD = 1e-6
"""Identifiability threshold: formulas that the data tell apart by less than this fraction of their difference off the
data are not told apart.
"""
DISAGREEMENT = 0.2
"""Formulas of either half of the data may differ by this, root mean square and relative, in their accelerations."""
REFINED_DISAGREEMENT = 0.05
"""The same of coefficients that rollouts have refined."""


def judged(
    choice: Choice,
    trajectories: Trajectories,
    library: Library,
    observed: Observations,
    pointed: bool,
    tolerance: float,
    largest_residual: float,
) -> tuple[list[str], list[str]]:
    """The reasons why the formula is not determined, and further notes."""
    fitted, named, better, _ = choice
    missing, notes, residual = [], [], fitted.residual
    samples, scales, kept = Samples.of(trajectories), observed.scales, observed.independent.kept
    damping, _ = named.matrices(named.c)
    if damping is not None and not is_passive(damping):
        missing.append(f"beside a Lagrangian acts what no damping is, a force of {(-damping).tolist()} v")
    if residual > largest_residual:
        missing.append(
            f"{100 * residual:.2g} % of the accelerations are unexplained: the library lacks a term, a force that no "
            f"Lagrangian holds acts, or the noise is too large"
        )
    elif pointed and residual > 3 * tolerance and (follows := _follows(fitted.errors, trajectories)) > 0.5:
        notes.append(
            f"errors are no noise, they follow the motion (correlation {follows:.2f} from sample to sample): the "
            f"library may lack a term, or the accelerations are smoothed"
        )
    driven = samples.controls.shape[1] > 0
    orbits, ts = (samples.states, samples.times) if pointed or driven else _predicted(named, trajectories)
    c = np.asarray(named.formula.coefficients)
    told, equivalent = coverage(library, kept, named.terms, c, samples.states, orbits, ts, scales)
    if told < UNTOLD and not driven:
        missing.append(
            f"the data tell some formulas apart by {told:.1g} of what they differ elsewhere, as a single orbit or a "
            f"single energy does: record motions of other energies and phases"
        )
    if better is not None:
        missing += _doubts(choice, library, samples, scales, told=not missing)
        if np.isinf(better.noise).any():
            notes.append("velocities were smoothed: the coefficients are those of the positions alone")
    elif residual > 3 * tolerance:
        missing += _unclear(fitted, named, library, samples, scales, told=not missing)
    more = equivalent - (len(named.parts) - 1)
    if more > 0:
        notes.append(f"{more} other combinations of the terms have the same motion; this is the simplest")
    return missing, notes


def _doubts(choice: Choice, library: Library, samples: Samples, scales: Scales, *, told: bool) -> list[str]:
    """Why refined coefficients are no evidence. Halves of the motion are compared only where all else is `told`."""
    better, rival, terms = choice.better, choice.rival, choice.named.terms
    assert better is not None
    if len(better.fit.states) < HELD_OUT:
        return [f"{len(better.fit.states)} windows of the motion leave none to predict: record longer motion, or more"]
    if not better.misfit <= better.allowed:
        return [
            f"on motion left out it errs by {better.misfit:.3g} times the noise: the library lacks a term, a force "
            f"acts that is not looked for, or the noise hides which terms there are"
        ]
    if better.clearest < better.least:
        return [f"a coefficient is {better.clearest:.2g} times its standard error only: no clear support"]
    if rival is not None and rival[0] < 2 * np.log(ODDS):
        return [
            f"a formula of {', '.join(rival[1])} explains the motion as well, or nearly (criteria {rival[0]:.1f} "
            f"apart): record more motion, or motion that differs more"
        ]
    one, two = (half[better.kept][: len(terms)] for half in better.halves)
    apart = disagreement(library, terms, one, two, samples.states, samples.times, scales) if told else 0.0
    return [] if apart < REFINED_DISAGREEMENT else [_told_apart_by_noise(apart)]


def _unclear(
    fitted: Fitted, named: Named, library: Library, samples: Samples, scales: Scales, *, told: bool
) -> list[str]:
    """Why noise in the accelerations hides the formula; `told` as above."""
    if fitted.gap < CLEAR:
        return [
            f"leaving out one more of {len(fitted.step.support)} terms changes the residual by a factor of "
            f"{fitted.gap:.4f} only: no clear support"
        ]
    apart = _disagreement(fitted, library, named.terms, samples, scales) if told else 0.0
    return [] if apart < DISAGREEMENT else [_told_apart_by_noise(apart)]


def _told_apart_by_noise(apart: float) -> str:
    return (
        f"formulas of either half of the data differ by {100 * apart:.2g} % in accelerations: noise tells them apart; "
        f"record more motion, or motion that differs more"
    )


def _disagreement(fitted: Fitted, library: Library, terms: list[int], samples: Samples, scales: Scales) -> float:
    """How far the terms found lead apart if they are fitted to either half of the observations."""
    balance, step = fitted.balance, fitted.step
    count = len(balance.b) // 2
    halves = [balance.part(rows).fit(step.support, step.coefficients) for rows in (slice(count), slice(count, None))]
    if not all(np.isfinite(half.rss) for half in halves):
        return np.inf
    size = balance.size[list(step.support)]
    first, second = ((half.coefficients / size)[: len(terms)] for half in halves)
    return disagreement(library, terms, first, second, samples.states, samples.times, scales)


def _follows(errors: np.ndarray, trajectories: Trajectories) -> float:
    """Correlation of errors from one sample of a trajectory to the next."""
    if int(trajectories.lengths.sum()) != len(errors):
        return 0.0
    pieces = np.split(errors, np.cumsum(trajectories.lengths)[:-1])
    products = np.concatenate([(e[1:] * e[:-1]).ravel() for e in pieces])
    return float(products.mean() / np.mean(errors**2)) if len(products) else 0.0


def _predicted(named: Named, trajectories: Trajectories) -> tuple[np.ndarray, np.ndarray]:
    """States and times of the formula's own motion from the first states: those of one orbit lie on one, noise or not.

    The states as observed where it fails.
    """
    chosen = list(trajectories)[:MOTIONS]
    ts = jnp.stack([jnp.linspace(t[0], t[-1], SAMPLES, dtype=jnp.float64) for t, _ in chosen])
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

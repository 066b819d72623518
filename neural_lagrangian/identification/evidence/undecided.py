"""Friction of another law that the recording neither shows nor excludes."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..candidates import Candidate, Contest, Difference, Trial
from ..families import FamilyFit, forces_of, labels_of_forces

QUANTILE = 1.645
"""Standard errors from a constant to the upper limit that it exceeds with a probability of 5 %."""
MAX_SHARE = 0.25
"""Friction below this share of the power that all friction takes in the recorded motion, or of the power that would
take all energy within the recording, whichever is larger, changes little.
"""
MAX_BEHIND = 2.0
"""A candidate may be right if its errors are larger by at most this many standard errors."""
MIN_LIKELY = 1.0
"""A constant of at least this many standard errors is likely, even if it is not shown."""


class Undecided(NamedTuple):
    """A constant of friction that the best family lacks, and that another fit of this family has.

    `kind`: of the friction. `name`: of the constant. `value`, `error`: estimate and standard error, in SI units.
    """

    kind: str
    name: str
    value: float
    error: float

    @property
    def most(self) -> float:
        """The upper limit."""
        return self.value + QUANTILE * self.error

    @property
    def is_likely(self) -> bool:
        """Whether it is no surprise if the constant is not zero."""
        return self.value >= MIN_LIKELY * self.error

    def __str__(self) -> str:
        return f"{self.name} of {self.value:.2g} ± {self.error:.1g}"


def undecided(best: Candidate, contest: Contest, trial: Trial) -> list[Undecided]:
    """The friction that a candidate may have in addition to its own, or instead, and that would change other motion.

    It is that of the other fits of the same family that predict as well by cross-validation.
    """
    if best.fit is None or best.errors is None:
        return []
    pieces = trial.pieces(np.asarray(best.fit.family.matrix, np.float64))
    _, q, v, _ = map(np.concatenate, zip(*pieces, strict=True))
    length = sum(float(t[-1] - t[0]) for t, *_ in pieces)
    least = MAX_SHARE * max(_lost(best.fit, best.fit.x, v), _kinetic_energy(best.fit, q, v) / length)
    found: dict[str, Undecided] = {}
    for rival in contest.candidates:
        if rival.name != best.name or rival.fit is None or rival.errors is None:  # the last: far behind
            continue
        behind = Difference.of(rival.errors, best.errors)
        if behind.mean <= MAX_BEHIND * behind.error:
            only = np.flatnonzero(rival.fit.free > best.fit.free)
            found = {one.name: one for one in _of(rival.fit, only, trial, v, least)} | found
    return list(found.values())


def _of(fit: FamilyFit, unknowns: np.ndarray, trial: Trial, v: np.ndarray, least: float) -> list[Undecided]:
    """The friction among the unknowns that may take more than the least power, for rates of change `v`."""
    at = fit.family.slices
    names = [name for name, _ in labels_of_forces(fit.family, ())]
    errors = np.sqrt(np.maximum(np.diagonal(fit.covariance), 0.0))
    found = []
    for name, i in zip(names, at.of_friction.tolist(), strict=True):
        none, most = fit.x.copy(), fit.x.copy()
        none[i], most[i] = 0.0, fit.x[i] + QUANTILE * errors[i]
        if i in unknowns and _lost(fit, most, v) - _lost(fit, none, v) > least:
            unit = _in_si(fit, most, trial)[name] / most[i]
            found.append(Undecided(at.kind(i, len(fit.x)), name, float(fit.x[i] * unit), float(errors[i] * unit)))
    return found


def _in_si(fit: FamilyFit, x: np.ndarray, trial: Trial) -> dict[str, float]:
    """The constants of friction in SI units, by name."""
    of = forces_of(fit.family.shared, jnp.asarray(x), trial.units).friction
    values = np.concatenate([of.linear, of.dry, of.drag]).tolist()
    return dict(zip([name for name, _ in labels_of_forces(fit.family, ())], values, strict=True))


def _lost(fit: FamilyFit, x: np.ndarray, v: np.ndarray) -> float:
    """Mean power of the friction with the unknowns `x`, in natural units."""
    rates = v @ fit.family.joints.T
    friction = fit.family.shared.body(jnp.asarray(x)).forces.friction
    return -float(np.mean(np.sum(rates * np.asarray(jax.vmap(friction)(jnp.asarray(rates))), axis=1)))


def _kinetic_energy(fit: FamilyFit, q: np.ndarray, v: np.ndarray) -> float:
    """Mean kinetic energy, in natural units."""
    body = fit.family.shared.body(jnp.asarray(fit.x))
    momenta = jax.vmap(jax.grad(body.lagrangian, argnums=2), (None, 0, 0))(0.0, jnp.asarray(q), jnp.asarray(v))
    return float(jnp.mean(jnp.sum(momenta * v, axis=1)) / 2)

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
    found: dict[str, Undecided] = {}
    for rival in contest.candidates:
        if rival.name != best.name or rival.fit is None or best.fit is None:
            continue
        if rival.errors is None or best.errors is None:  # not cross-validated: far behind
            continue
        behind = Difference.of(rival.errors, best.errors)
        if behind.mean <= MAX_BEHIND * behind.error:
            found = {one.name: one for one in _only_in(rival.fit, best.fit, trial)} | found
    return list(found.values())


def _only_in(rival: FamilyFit, best: FamilyFit, trial: Trial) -> list[Undecided]:
    """The friction that only the rival has, if it matters at its upper limit."""
    at = rival.family.slices
    names = [name for name, _ in labels_of_forces(rival.family, ())]
    errors = np.sqrt(np.maximum(np.diagonal(rival.covariance), 0.0))
    least = MAX_SHARE * max(_lost(best, best.x, trial), _stored(best, trial))
    found = []
    for name, i in zip(names, at.of_friction.tolist(), strict=True):
        if not rival.free[i] or best.free[i]:
            continue
        none, most = rival.x.copy(), rival.x.copy()
        none[i], most[i] = 0.0, rival.x[i] + QUANTILE * errors[i]
        if _lost(rival, most, trial) - _lost(rival, none, trial) > least:
            unit = _in_si(rival, most, trial)[name] / most[i]
            found.append(Undecided(at.kind(i, len(rival.x)), name, float(rival.x[i] * unit), float(errors[i] * unit)))
    return found


def _in_si(fit: FamilyFit, x: np.ndarray, trial: Trial) -> dict[str, float]:
    """The constants of friction in SI units, by name."""
    of = forces_of(fit.family.shared, jnp.asarray(x), trial.units).friction
    values = np.concatenate([of.linear, of.dry, of.drag]).tolist()
    return dict(zip([name for name, _ in labels_of_forces(fit.family, ())], values, strict=True))


def _lost(fit: FamilyFit, x: np.ndarray, trial: Trial) -> float:
    """Mean power of the friction with the unknowns `x` in the recorded motion, in natural units."""
    _, v = _states(fit, trial)
    rates = v @ fit.family.joints.T
    friction = fit.family.shared.body(jnp.asarray(x)).forces.friction
    return -float(np.mean(np.sum(rates * np.asarray(jax.vmap(friction)(jnp.asarray(rates))), axis=1)))


def _stored(fit: FamilyFit, trial: Trial) -> float:
    """Mean kinetic energy over the length of the recording, in natural units."""
    q, v = map(jnp.asarray, _states(fit, trial))
    body = fit.family.shared.body(jnp.asarray(fit.x))
    momenta = jax.vmap(jax.grad(body.lagrangian, argnums=2), (None, 0, 0))(0.0, q, v)
    length = sum(float(t[-1] - t[0]) for t, *_ in trial.pieces(np.eye(trial.estimate.dof)))
    return float(jnp.mean(jnp.sum(momenta * v, axis=1)) / 2 / length)


def _states(fit: FamilyFit, trial: Trial) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates of the family and their rates in the training set, in natural units."""
    pieces = trial.pieces(np.asarray(fit.family.matrix, np.float64))
    return np.concatenate([q for _, q, _, _ in pieces]), np.concatenate([v for _, _, v, _ in pieces])

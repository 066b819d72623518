"""Converts a fit to a named formula, scaled so that a pivot in each part has the coefficient one half."""

from itertools import compress
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from ..numerics import root_mean_square
from .balance import control_columns
from .fitting import Fitted
from .force_entries import ForceEntries
from .formula import Formula
from .found import pivot_of
from .library import Library
from .observations import Observations
from .parts import Part, parts_of

MIN_RELATIVE_NOISE = 1e-3
"""Least error of an acceleration, relative to those of all, when the standard errors weight the coordinates."""


class Named(NamedTuple):
    """A formula with its forces, at the scale of its pivots.

    - `terms`: indices of its terms in the `library`. `forces`: entries of the matrices G and D that have a coefficient.
    - `controls`: number of recorded controls.
    - `c`, `spread`: coefficients and standard errors, relative to the pivot of their part. Those of the terms come
      first, then those of G, then those of D.
    - `unseen`: share of the standard errors that comes from unknown controls between samples.
    - `parts`: sets of coefficients whose common scale is free, with the pivot of each set.
    """

    library: Library
    controls: int
    terms: list[int]
    forces: ForceEntries
    c: np.ndarray
    spread: np.ndarray
    unseen: np.ndarray
    parts: list[Part]

    @property
    def reported(self) -> np.ndarray:
        """Reported standard errors: infinite in all parts but the first, whose scale the pivot fixes."""
        reported = self.spread.copy()
        for part in self.parts[1:]:
            reported[list(part.members)] = np.inf
        return reported

    @property
    def formula(self) -> Formula:
        count = len(self.terms)
        return Formula(self.library.select(self.terms), jnp.asarray(self.c[:count]), tuple(self.reported[:count]))

    @property
    def names(self) -> list[str]:
        """Names of all coefficients."""
        matrices = (("G", self.forces.controls), ("D", self.forces.damping))
        return [
            *self.library.select(self.terms).names,
            *(f"{name}[{i}, {j}]" for name, entries in matrices for i, j in entries),
        ]

    def matrices(self, values: np.ndarray) -> tuple[np.ndarray | None, np.ndarray | None]:
        """The matrices D and G filled with `values`, which are coefficients or standard errors; `None` without them."""
        dof = self.library.dof
        G, D = np.zeros((dof, self.controls)), np.zeros((dof, dof))
        _, of_controls, of_damping = self.forces.split(values, len(self.terms))
        for (i, j), value in zip(self.forces.controls, of_controls, strict=True):
            G[i, j] = value
        for (i, j), value in zip(self.forces.damping, of_damping, strict=True):
            D[i, j] = D[j, i] = value
        return D if self.forces.damping else None, G if self.controls else None

    def with_coefficients(self, c: np.ndarray, spread: np.ndarray, kept: np.ndarray) -> "Named":
        """The same formula with new values and new standard errors from noise; only `kept` coefficients remain."""
        new = np.cumsum(kept) - 1
        of_terms, of_controls, of_damping = self.forces.split(kept, len(self.terms))
        terms = list(compress(self.terms, of_terms))
        forces = ForceEntries(
            tuple(compress(self.forces.controls, of_controls)), tuple(compress(self.forces.damping, of_damping))
        )
        parts = [Part(tuple(int(new[k]) for k in part.members if kept[k]), int(new[part.pivot])) for part in self.parts]
        spread, unseen = np.hypot(spread, self.unseen)[kept], self.unseen[kept]
        return Named(self.library, self.controls, terms, forces, c[kept], spread, unseen, parts)


def named_fit(fitted: Fitted, library: Library, observed: Observations) -> Named:
    """Names the terms of a fit, finds its parts, and scales its coefficients and standard errors."""
    balance, step = fitted.balance, fitted.step
    kept, candidates = observed.independent.kept, observed.candidates
    terms = [kept[k] for k in step.support if k < candidates.terms]
    parts = _parts(fitted, library.select(terms))
    weighted = balance.weighted(balance.sigma * _relative_noise(fitted))
    c, covariance = weighted.scaled(step, parts)
    unseen = _between_samples(fitted, parts, observed)
    spread = np.hypot(np.sqrt(np.mean(fitted.errors**2) * np.diag(covariance)), unseen)
    return Named(library, candidates.controls, terms, candidates.entries(step.support), c, spread, unseen, parts)


def _relative_noise(fitted: Fitted) -> np.ndarray:
    """Errors of each acceleration relative to those of all: coordinates may have different noise."""
    if fitted.balance.response is not None:  # its residuals are relative to the noise already
        return np.ones(fitted.errors.shape[1])
    each = root_mean_square(fitted.errors)
    return np.maximum(each / fitted.residual, MIN_RELATIVE_NOISE) if fitted.residual > 0 else np.ones(len(each))


def _between_samples(fitted: Fitted, parts: list[Part], observed: Observations) -> np.ndarray:
    """Change of the coefficients when controls are linear between samples, instead of smooth curves."""
    step = fitted.step
    if not observed.chords.any():
        return np.zeros(len(step.coefficients))
    smooth, support = observed.damped, list(step.support)
    straight = smooth.moved(observed.candidates.terms, control_columns(observed.chords, observed.rates.shape[1]))
    start = step.coefficients * smooth.size[support] / fitted.balance.size[support]
    one, two = (balance.scaled(balance.fit(step.support, start), parts)[0] for balance in (smooth, straight))
    return np.abs(two - one)


def _parts(fitted: Fitted, terms: Library) -> list[Part]:
    """The parts that do not interact, each with a pivot; the part with the main pivot comes first."""
    step = fitted.step
    kinetic = fitted.balance.kinetic[list(step.support)]
    whole = pivot_of(terms, step.coefficients[: len(terms)], kinetic[: len(terms)])
    squares = {((name, 2),) for name in terms.symbols[1]}
    parts = []
    for members in parts_of(fitted.balance.free_changes(step)):
        of_terms = [k for k in members if k < len(terms)]
        usual = [k for k in of_terms if terms.terms[k] in squares]
        weight = np.abs(step.coefficients * kinetic)[list(members)]
        pivot = whole if whole in members else (usual or [members[int(np.argmax(weight))]])[0]
        parts.append(Part(members, pivot))
    return sorted(parts, key=lambda part: whole not in part.members)

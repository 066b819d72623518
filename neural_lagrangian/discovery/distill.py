r"""From a trained Lagrangian to a formula, by matching what motion tells of it."""

from typing import Literal, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import ArrayLike

from .._types import Lagrangian
from .balance import Balance, pointwise
from .columns import Columns, Independent, independent_terms, sample_columns
from .double_precision import double_precision, in_default_precision
from .elimination import LinearFit, Step, by_gap, eliminate
from .equations import EquationSamples, sample_equations
from .errors import EquationsError
from .formula import Formula
from .found import FoundLagrangian, pivot_of, warn_if_undetermined
from .gauge_part import gauge_part
from .library import Library
from .parts import Part

CLEAR = 1.5
"""A gap below this is no evidence for a formula."""
ROUNDING = 1e-9
"""Relative residual that counts as zero."""


def distill(
    lagrangian: Lagrangian,
    library: Library,
    states: ArrayLike,
    *,
    ts: ArrayLike = 0.0,
    match: Literal["equations", "motion"] = "equations",
    largest_residual: float = 0.05,
) -> FoundLagrangian:
    r"""The sparse formula of a Lagrangian, such as a trained network, up to what motion cannot tell.

    With `match="equations"` it matches $(M, h)$ of the equations of motion $M a + h = 0$, never values of $L$, which
    hold an arbitrary constant and $\dot F$: least squares of $[\ell_i M_{ij} \sigma_j, \ell_i h_i]$ as in
    `compare_lagrangians`. Terms that motion cannot tell apart, total derivatives among them, are dropped, the simplest
    kept. Then the term that matters least is left out and the others are fitted again, down to one (sequentially
    thresholded least squares, where the threshold is found): the residual of the formula chosen grows most with one
    term less. All is computed in double precision.

    A network may hold another Lagrangian than the simplest with the same motion, whose $(M, h)$ have no simple formula.
    (In one dimension there are many: one of the oscillator has its energy as its mass.) With `match="motion"` its
    accelerations alone are matched, as by `sparse_lagrangian`, for the simplest formula with that motion. A network
    trained on motion knows these best too: coefficients come out several times nearer.

    **Arguments:**

    - `lagrangian`: callable `(t, q, v) -> scalar`: `model.lagrangian` of a trained `NeuralLagrangian`.
    - `library`: candidate terms. `match`: "equations" or "motion".
    - `states`: `[q, v]`, shape `(state, 2 dof)`, that fill the region in which the Lagrangian was trained. `ts`: their
      times, shape `(state,)`, or one for all.
    - `largest_residual`: what may be left unexplained; where more is, there is no formula.

    **Returns:** a `FoundLagrangian`, with an `UndeterminedWarning` where it has no formula. Standard errors of its
    coefficients are those of least squares with one independent error for each state; a network's errors are smooth, so
    they are lower bounds. Not for use inside `jit`.

    **Raises:** `EquationsError` for fewer states than terms, a library without a kinetic energy, and terms or a
    Lagrangian that are not finite; `ValueError` for wrong shapes, and for what computes in single precision.
    """
    if match not in ("equations", "motion"):
        raise ValueError(f"`match` is {match!r}; expected 'equations' or 'motion'")
    with double_precision():
        found = _distilled(lagrangian, library, sample_equations(lagrangian, states, ts=ts), match, largest_residual)
    return warn_if_undetermined(in_default_precision(found))


class _Offer(NamedTuple):
    """The linear problem of `distill`: the equations of motion of a Lagrangian, `X`, `(row,)`, are a combination of
    those of a library's terms, the columns of `phi`, `(row, term)`.

    `columns`: those of all terms of the library. `independent`: which terms can be told apart. `terms`: only those
    terms. `kept`: their columns. `kinetic`: what each of them adds to the kinetic energy, `(term,)`.
    """

    columns: Columns
    independent: Independent
    terms: Library
    kept: Columns
    kinetic: np.ndarray
    phi: np.ndarray
    X: np.ndarray


class _Choice(NamedTuple):
    """The terms chosen, the least-squares problem that they solve, and what they leave, relative."""

    problem: LinearFit | Balance
    step: Step
    residual: float
    gap: float


def _distilled(
    lagrangian: Lagrangian, library: Library, target: EquationSamples, match: str, largest_residual: float
) -> FoundLagrangian:
    offer = _offered(library, target)
    choice = _chosen(offer, target, match, largest_residual)
    formula, scale = _formula(offer, choice, len(target.states))
    constant, F, note = gauge_part(lagrangian, formula, scale, library, offer.columns, target)
    missing = _missing(choice, match, largest_residual)
    given = (scale, constant, F, None, choice.residual, choice.gap)
    return FoundLagrangian(
        None if missing else formula, formula, *given, tuple(missing), note, library, offer.independent
    )


def _offered(library: Library, target: EquationSamples) -> _Offer:
    if len(target.states) < len(library):
        raise EquationsError(
            f"`states` has {len(target.states)} rows; expected at least {len(library)}, one for each term of `library`"
        )
    scales = target.scales
    columns = sample_columns(library, target.states, target.ts)
    independent = independent_terms(library, columns, scales)
    indices = list(independent.kept)
    kept = columns.select(indices)
    kinetic = np.einsum("skii,i->k", kept.M, scales.speed**2)
    X = scales.rows(target.M, target.h).reshape(-1)
    phi = np.moveaxis(scales.rows(kept.M, kept.h), 1, 2).reshape(-1, len(indices))
    return _Offer(columns, independent, library.select(indices), kept, kinetic, phi, X)


def _chosen(offer: _Offer, target: EquationSamples, match: str, largest_residual: float) -> _Choice:
    if match == "equations":
        problem, whole = LinearFit(offer.phi, offer.X), 1.0
    else:
        problem = pointwise(offer.kept, target.accelerations, target.scales)
        whole = problem.rows**0.5  # the residual of no formula at all
    rounding = whole * ROUNDING
    with np.errstate(over="ignore", invalid="ignore"):  # a combination whose numbers are too large is none
        path = eliminate(problem, len(offer.terms), offer.terms.complexity, rounding**2, chance=1.0)
    best, gap = by_gap(path, rounding, largest_residual * whole)
    return _Choice(problem, path[best], float(np.sqrt(path[best].rss)) / whole, gap)


def _formula(offer: _Offer, choice: _Choice, states: int) -> tuple[Formula, float]:
    """The formula, one half at its pivot, and the scale of the Lagrangian in it."""
    problem, step, residual, _ = choice
    support = list(step.support)
    terms = offer.terms.select(support)
    pivot = pivot_of(terms, step.coefficients, offer.kinetic[support])
    if isinstance(problem, LinearFit):
        c = step.coefficients / (2 * step.coefficients[pivot])
        scale = float(2 * step.coefficients[pivot])
        # The scale is that of the pivot: errors are those of ratios to it.
        to_ratio = (np.eye(len(c)) - 2 * np.outer(c, np.eye(len(c))[pivot])) / scale
        covariance = to_ratio @ step.covariance @ to_ratio.T * step.rss / states
    else:
        c, covariance = problem.scaled(step, [Part(tuple(range(len(support))), pivot)])
        fitted = offer.phi[:, support] @ c
        scale = float(np.vdot(fitted, offer.X) / np.vdot(fitted, fitted))
        covariance = covariance * residual**2
    spread = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    return Formula(terms, jnp.asarray(c), tuple(spread)), scale


def _missing(choice: _Choice, match: str, largest_residual: float) -> list[str]:
    """Why there is no formula."""
    residual, gap = choice.residual, choice.gap
    if not np.isfinite(residual):
        return ["no combination of the terms has a regular mass matrix: a term is missing from the library"]
    if residual > largest_residual:
        missing = [f"the library explains all but {100 * residual:.2g} %: a term is missing from it"]
        if match == "equations":
            missing.append("or the Lagrangian has a simple motion but is not simple: try match='motion'")
        return missing
    if gap < CLEAR:
        return [f"leaving out one more term changes the residual by a factor of {gap:.2f} only: no clear support"]
    return []

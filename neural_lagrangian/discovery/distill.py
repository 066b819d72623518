r"""Extracts a formula from a trained Lagrangian, by matching its equations of motion or its accelerations."""

from typing import Literal, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import ArrayLike

from .._types import Lagrangian
from .balance import Balance, pointwise
from .double_precision import double_precision, in_default_precision
from .elimination import LinearFit, SparseFit, by_gap, eliminate
from .equations import EquationSamples, sample_equations
from .errors import EquationsError
from .formula import Formula
from .found import FoundLagrangian, pivot_of, warn_if_undetermined
from .gauge_part import gauge_part
from .library import Library
from .parts import Part
from .term_columns import Independent, TermColumns, independent_terms, sample_columns

MIN_GAP_DISTILLED = 1.5
"""Least growth factor of the residual without one term; below it no support stands out from the next smaller one."""
RESIDUAL_ZERO = 1e-9
"""Relative residual that counts as zero: rounding in double precision."""


def distill(
    lagrangian: Lagrangian,
    library: Library,
    states: ArrayLike,
    *,
    ts: ArrayLike = 0.0,
    match: Literal["equations", "motion"] = "equations",
    largest_residual: float = 0.05,
) -> FoundLagrangian:
    r"""Extracts a sparse formula from a Lagrangian, such as a trained network.

    Motion does not determine the overall scale, a constant and a total derivative $\dot F$. So values of $L$ are never
    matched. Two quantities can be matched instead:

    - `match="equations"` matches $(M, h)$ of the equations of motion $M a + h = 0$, by least squares of
      $[\ell_i M_{ij} \sigma_j, \ell_i h_i]$ as in `compare_lagrangians`.
    - `match="motion"` matches accelerations only, as `sparse_lagrangian` does. Use it if the network may hold a
      complicated Lagrangian of a simple motion. (In one dimension there are many; one of the oscillator has its energy
      as its mass.) A network trained on motion knows its accelerations best: their coefficients are several times more
      accurate.

    Linearly dependent terms are dropped first, such as total derivatives; the simplest terms stay. Backward elimination
    then removes the least important term and fits the others again, down to one term. The chosen formula is the one
    whose residual grows most when one more term is removed. All is computed in double precision.

    **Arguments:**

    - `lagrangian`: callable `(t, q, v) -> scalar`: `model.lagrangian` of a trained `NeuralLagrangian`.
    - `library`: candidate terms.
    - `states`: `[q, v]`, shape `(state, 2 dof)`. They should fill the region in which the Lagrangian was trained.
    - `ts`: times of the states, shape `(state,)`, or one number for all.
    - `match`: "equations" or "motion".
    - `largest_residual`: largest relative residual of a formula; above it no formula is returned.

    **Returns:** a `FoundLagrangian`; without a formula an `UndeterminedWarning` is given too. Standard errors assume
    one independent error for each state. The errors of a network are smooth, so these are lower bounds. Not for use
    inside `jit`.

    **Raises:** `EquationsError` if there are fewer states than terms, if the library has no kinetic energy, or if a
    term or the Lagrangian is not finite; `ValueError` for wrong shapes, and for a Lagrangian that always computes in
    single precision.

    **Example:**

    ```python
    >>> import numpy as np, neural_lagrangian as nl
    >>> network = lambda t, q, v: 3 * v @ v - 12 * q @ q + q @ v + 7  # stands for a trained one
    >>> library = nl.discovery.Library.coordinates(1, 2) * nl.discovery.Library.velocities(1, 2)
    >>> states = np.random.default_rng(0).normal(size=(100, 2))
    >>> found = nl.discovery.distill(network, library, states)
    >>> print(found.formula, "| scale:", round(found.scale, 6), "| F:", found.gauge_function)
    0.5 v^2 - 2 q^2 | scale: 6.0 | F: 0.5 q^2
    ```
    """
    if match not in ("equations", "motion"):
        raise ValueError(f"`match` is {match!r}; expected 'equations' or 'motion'")
    with double_precision():
        found = _distilled(lagrangian, library, sample_equations(lagrangian, states, ts=ts), match, largest_residual)
    return warn_if_undetermined(in_default_precision(found))


class _Offer(NamedTuple):
    """The linear least-squares problem `phi @ c = X` of `distill`.

    - `X`: equations of motion of the Lagrangian, shape `(row,)`. `phi`: those of the terms, shape `(row, term)`.
    - `columns`: columns of the whole library. `independent`: its linearly independent terms.
    - `terms`, `kept`: these terms, and their columns. `kinetic`: their contributions to the kinetic energy, `(term,)`.
    """

    columns: TermColumns
    independent: Independent
    terms: Library
    kept: TermColumns
    kinetic: np.ndarray
    phi: np.ndarray
    X: np.ndarray


class _Choice(NamedTuple):
    """The chosen terms, their least-squares problem, the relative residual, and its growth with one term fewer."""

    problem: LinearFit | Balance
    step: SparseFit
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
            "; give more states, or a smaller library"
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
        whole = problem.rows**0.5  # the residual without any formula
    rounding = whole * RESIDUAL_ZERO
    with np.errstate(over="ignore", invalid="ignore"):  # overflow marks a combination as unusable
        path = eliminate(problem, len(offer.terms), offer.terms.complexity, rounding**2, chance=1.0)
    best, gap = by_gap(path, rounding, largest_residual * whole)
    return _Choice(problem, path[best], float(np.sqrt(path[best].rss)) / whole, gap)


def _formula(offer: _Offer, choice: _Choice, states: int) -> tuple[Formula, float]:
    """The formula, with one half at its pivot, and the scale of the Lagrangian relative to it."""
    problem, step, residual, _ = choice
    support = list(step.support)
    terms = offer.terms.select(support)
    pivot = pivot_of(terms, step.coefficients, offer.kinetic[support])
    if isinstance(problem, LinearFit):
        c = step.coefficients / (2 * step.coefficients[pivot])
        scale = float(2 * step.coefficients[pivot])
        # The pivot sets the scale, so the errors are those of ratios to the pivot.
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
    """The reasons why no formula is returned; empty if there is one."""
    residual, gap = choice.residual, choice.gap
    if not np.isfinite(residual):
        return ["no combination of the terms has a regular mass matrix; add terms to the library"]
    if residual > largest_residual:
        missing = [f"{100 * residual:.2g} % remains unexplained: a term is missing from the library"]
        if match == "equations":
            missing.append("or the Lagrangian is complicated although its motion is simple: try match='motion'")
        return missing
    if gap < MIN_GAP_DISTILLED:
        return [
            f"one term fewer increases the residual by a factor of only {gap:.2f}: no clear support; use a smaller "
            "library, or more states"
        ]
    return []

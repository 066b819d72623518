r"""From a trained Lagrangian to a formula, by matching what motion tells of it."""

from typing import Literal

import jax.numpy as jnp
import numpy as np
from jaxtyping import ArrayLike

from .._types import Lagrangian
from .balance import pointwise
from .columns import independent_terms, rank_tolerance, sample_columns
from .elimination import LinearFit, by_gap, eliminate
from .equations import sample_equations
from .formula import Formula
from .found import FoundLagrangian, pivot_of, warn_if_undetermined
from .gauge_part import gauge_part
from .library import Library
from .parts import Part

CLEAR = 1.5
"""A gap below this is no evidence for a formula."""


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
    thresholded least squares, where the threshold is found): the formula is where the residual grows by the
    largest factor next.

    A network may hold another Lagrangian than the simplest with the same motion. (In one dimension there are
    many: of an oscillator also one whose mass is the energy.) Its $(M, h)$ then have no simple formula. With
    `match="motion"` its accelerations alone are matched, as by `sparse_lagrangian`, for the simplest formula with
    that motion. Of a network trained on motion these are also what is known best: coefficients come out several times
    nearer.

    **Arguments:**

    - `lagrangian`: callable `(t, q, v) -> scalar`: `model.lagrangian` of a trained `NeuralLagrangian`.
    - `library`: candidate terms.
    - `states`: `[q, v]`, shape `(state, 2 dof)`, that fill the region in which the Lagrangian was trained.
    - `ts`: times of the states, shape `(state,)`, or one for all.
    - `match`: "equations" or "motion".
    - `largest_residual`: what may be left unexplained; where more is, there is no formula.

    **Returns:** a `FoundLagrangian`; an `UndeterminedWarning` is given where it has no formula. Standard errors of
    its coefficients are those of least squares with one independent error for each state; a network's errors are
    smooth, so they are lower bounds. Not for use inside `jit`.

    **Raises:** `ValueError` for wrong shapes, fewer states than terms, a library without a kinetic energy, terms or a
    Lagrangian that are not finite.
    """
    if match not in ("equations", "motion"):
        raise ValueError(f"`match` is {match!r}; expected 'equations' or 'motion'")
    target = sample_equations(lagrangian, states, ts=ts)
    dtype = np.dtype(jnp.asarray(states).dtype)
    tolerance = rank_tolerance(dtype)
    if len(target.states) < len(library):
        raise ValueError(
            f"`states` has {len(target.states)} rows; expected at least {len(library)}, one for each term of `library`"
        )
    scales = target.scales
    columns = sample_columns(library, jnp.asarray(target.states, dtype), jnp.asarray(target.ts, dtype))
    independent = independent_terms(library, columns, scales, tolerance)
    kept = list(independent.kept)
    terms, complexity, columns_kept = library.select(kept), library.complexity[kept], columns.select(kept)
    kinetic = np.einsum("skii,i->k", columns_kept.M, scales.speed**2)
    X = scales.rows(target.M, target.h).reshape(-1)
    phi = np.moveaxis(scales.rows(columns_kept.M, columns_kept.h), 1, 2).reshape(-1, len(kept))
    problem = LinearFit(phi, X) if match == "equations" else pointwise(columns_kept, target.accelerations, scales)
    whole = 1.0 if match == "equations" else problem.rows**0.5  # the residual of no formula at all
    rounding = whole * (1e-9 if dtype == np.float64 else 1e-4)
    with np.errstate(over="ignore", invalid="ignore"):  # a combination whose numbers are too large is none
        path = eliminate(problem, len(kept), complexity, rounding**2, chance=1.0)
    best, gap = by_gap(path, rounding, largest_residual * whole)
    step, residual = path[best], float(np.sqrt(path[best].rss)) / whole
    support = list(step.support)
    pivot = pivot_of(terms.select(support), step.coefficients, kinetic[support])
    if isinstance(problem, LinearFit):
        c = step.coefficients / (2 * step.coefficients[pivot])
        scale = float(2 * step.coefficients[pivot])
        # The scale is that of the pivot: errors are those of ratios to it.
        to_ratio = (np.eye(len(c)) - 2 * np.outer(c, np.eye(len(c))[pivot])) / scale
        covariance = to_ratio @ step.covariance @ to_ratio.T * step.rss / len(target.states)
    else:
        c, covariance = problem.scaled(step, [Part(tuple(range(len(support))), pivot)])
        fitted = phi[:, support] @ c
        scale = float(np.vdot(fitted, X) / np.vdot(fitted, fitted))
        covariance = covariance * residual**2
    spread = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    formula = Formula(terms.select(support), jnp.asarray(c, dtype), tuple(spread))
    constant, F, note = gauge_part(lagrangian, formula, scale, library, columns, target)
    missing = []
    if not np.isfinite(residual):
        missing.append("no combination of the terms has a regular mass matrix: a term is missing from the library")
    elif residual > largest_residual:
        missing.append(f"the library explains all but {100 * residual:.2g} %: a term is missing from it")
        if match == "equations":
            missing.append("or the Lagrangian has a simple motion but is not simple: try match='motion'")
    elif gap < CLEAR:
        missing.append(
            f"leaving out one more term changes the residual by a factor of {gap:.2f} only: no clear support"
        )
    answer = None if missing else formula
    given = (scale, constant, F, None)
    return warn_if_undetermined(
        FoundLagrangian(answer, formula, *given, residual, gap, tuple(missing), note, library, independent)
    )

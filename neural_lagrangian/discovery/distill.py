r"""From a trained Lagrangian to a formula, by matching what motion tells of it."""

from typing import Literal

import jax.numpy as jnp
import numpy as np
from jaxtyping import ArrayLike

from .._types import Lagrangian
from .balance import Balance, pointwise
from .columns import independent_terms, rank_tolerance, sample_columns
from .elimination import LinearFit, Step, by_gap, eliminate
from .equations import sample_equations
from .formula import Formula
from .found import FoundLagrangian, pivot_of, warn_if_undetermined
from .gauge_part import gauge_part
from .library import Library

CLEAR = 1.5
"""A gap below this is no evidence for a formula."""


def distill(
    lagrangian: Lagrangian,
    library: Library,
    states: ArrayLike,
    *,
    ts: ArrayLike = 0.0,
    match: Literal["equations", "motion"] = "equations",
    largest_residual: float = 0.2,
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
    that motion.

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
    kept = np.array(independent.kept, int)
    kinetic = np.einsum("skii,i->k", columns.M, scales.speed**2) / len(columns.M)
    if not len(kept) or not np.abs(kinetic[kept]).max() > 0:
        raise ValueError("`library` has no term with a mass matrix; expected some quadratic in the velocities")
    terms, complexity = library.select(kept), library.complexity[kept]
    rounding = 1e-9 if dtype == np.float64 else 1e-4
    flat = np.moveaxis(scales.rows(columns.M, columns.h)[:, kept], 1, 2).reshape(-1, len(kept))
    X = scales.rows(target.M, target.h).reshape(-1)
    if match == "motion":
        balance = pointwise(columns.select(kept), target.accelerations, scales)
        path = eliminate(balance, len(kept), complexity, rounding**2 * balance.rows)
        best, gap = by_gap(path, rounding * balance.rows**0.5, largest_residual * balance.rows**0.5)
        step, residual = path[best], float(np.sqrt(path[best].rss / balance.rows))
        support = np.array(step.support)
        c, spread = _scaled(balance, step, pivot_of(terms.select(support), step.coefficients, kinetic[kept][support]))
        spread = spread * residual
        scale = float(np.vdot(flat[:, support] @ c, X) / np.vdot(flat[:, support] @ c, flat[:, support] @ c))
    else:
        path = eliminate(LinearFit(flat, X), len(kept), complexity, rounding**2)
        best, gap = by_gap(path, rounding, largest_residual)
        step, residual = path[best], float(np.sqrt(path[best].rss))
        support = np.array(step.support)
        p = pivot_of(terms.select(support), step.coefficients, kinetic[kept][support])
        scale = float(2 * step.coefficients[p])
        c = step.coefficients / scale
        others = np.arange(len(c)) != p
        error = step.rss / max(len(target.states) - len(c), 1) * np.diag(step.covariance)
        spread = np.where(others, np.sqrt(error) / abs(scale), 0.0)
    chosen = terms.select(support)
    formula = Formula(chosen, jnp.asarray(c, dtype), tuple(spread))
    constant, F, note = gauge_part(lagrangian, formula, scale, library, target)
    missing = []
    if residual > largest_residual:
        missing.append(f"the library explains all but {100 * residual:.2g} %: a term is missing from it")
        if match == "equations":
            missing.append("or the Lagrangian has a simple motion but is not simple: try match='motion'")
    elif gap < CLEAR:
        missing.append(
            f"leaving out one more term changes the residual by a factor of {gap:.2f} only: no clear support"
        )
    found = FoundLagrangian(
        None if missing else formula,
        formula,
        scale,
        constant,
        F,
        residual,
        gap,
        tuple(missing),
        note,
        library,
        independent,
    )
    return warn_if_undetermined(found)


def _scaled(balance: Balance, step: Step, pivot: int) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients with one half at the pivot, and their standard errors for unit errors of acceleration."""
    c = step.coefficients / (2 * step.coefficients[pivot])
    return c, np.sqrt(np.diag(balance.covariance(step.support, c, pivot)))

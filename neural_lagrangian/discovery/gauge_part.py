r"""The constant and the gauge function $F(t, q)$ by which a Lagrangian differs from its formula."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from .._types import Lagrangian
from .elimination import LinearFit, eliminate
from .equations import EquationSamples
from .formula import Formula
from .found import GaugeFunction
from .library import Library
from .term_columns import TermColumns, sample_columns

NEGLIGIBLE_MOMENTUM = 1e-2
"""Relative size of the momentum at rest that may stay unexplained; more of it gets a term in $F$."""


def gauge_part(
    lagrangian: Lagrangian,
    formula: Formula,
    scale: float,
    library: Library,
    columns: TermColumns,
    samples: EquationSamples,
) -> tuple[float, GaugeFunction, tuple[str, ...]]:
    r"""The constant and $F$ in the difference $D = L - \alpha L_f$ between a Lagrangian and its formula.

    $F$ follows from $\partial F / \partial q = \partial D / \partial v$ at rest. It is a sparse combination of squares
    of coordinates and of the library's terms without velocities. If $F$ explains the momentum at rest in part only, a
    note tells how much. Call it inside `double_precision`.
    """
    ts, states = jnp.asarray(samples.ts), jnp.asarray(samples.states)
    still = (np.abs(columns.p).max(axis=(0, 2)) == 0) & (np.abs(columns.slope).max(axis=(0, 2)) > 0)
    squares = Library.coordinates(library.dof, 2, names=library.symbols[0]).select(
        range(1, (library.dof + 1) * (library.dof + 2) // 2)
    )
    offered = (library.select(np.flatnonzero(still).tolist()) if still.any() else squares) + squares
    gradients = sample_columns(offered, states, ts).slope
    p, values = map(np.asarray, _momentum_and_value(lagrangian, formula, jnp.asarray(scale), ts, states))
    length, speed = samples.scales.length, samples.scales.speed
    X = np.moveaxis(gradients * length, 1, 2).reshape(-1, len(offered))
    y = (p * length).reshape(-1)
    moving = length * np.einsum("sij,j->si", samples.M, speed)
    allowed = NEGLIGIBLE_MOMENTUM * np.sqrt(np.sum(moving**2) + np.sum(y**2))

    terms, coefficients, left = offered.select([0]), np.zeros(1), np.linalg.norm(y)
    if left > allowed:
        path = eliminate(LinearFit(X, y), len(offered), offered.complexity, 1e-12, chance=0.01)
        enough = [s for s in path if s.rss * np.sum(y**2) <= path[0].rss * np.sum(y**2) + allowed**2]
        step = enough[-1]
        terms, coefficients = offered.select(step.support), step.coefficients
        left = step.rss**0.5 * np.linalg.norm(y)
    note = ()
    if left > 2 * allowed:
        note = (f"F explains {100 * (1 - left / np.linalg.norm(y)):.0f} % of the momentum at rest",)
    return float(values.mean()), GaugeFunction(Formula(terms, jnp.asarray(coefficients))), note


@eqx.filter_jit
def _momentum_and_value(
    lagrangian: Lagrangian, formula: Formula, scale: Array, ts: Array, states: Array
) -> tuple[Array, Array]:
    def difference(t, q, v):
        return lagrangian(t, q, v) - scale * formula(t, q, v)

    def one(t, y):
        q, v = jnp.split(y, 2)
        rest = jnp.zeros_like(v)
        return jax.grad(difference, 2)(t, q, rest), difference(t, q, rest)

    return jax.vmap(one)(ts, states)

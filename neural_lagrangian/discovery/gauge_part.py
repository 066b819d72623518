r"""What a formula leaves of a Lagrangian that motion does not see: a constant and $\frac{d}{dt} F(t, q)$."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from .._types import Lagrangian
from .columns import Columns, sample_columns
from .elimination import LinearFit, eliminate
from .equations import EquationSamples
from .formula import Formula
from .found import GaugeFunction
from .library import Library

NEGLIGIBLE = 1e-2
"""Part of the momentum at rest, and of the momentum $M u$ of the motion, that is not worth a term."""


def gauge_part(
    lagrangian: Lagrangian,
    formula: Formula,
    scale: float,
    library: Library,
    columns: Columns,
    samples: EquationSamples,
) -> tuple[float, GaugeFunction, tuple[str, ...]]:
    r"""The constant and $F$ of what the formula leaves, $D = L - \alpha L_f$: at rest, $\partial F / \partial q$ is
    $\partial D / \partial v$.

    $F$ is a sparse combination of the library's terms without velocities, and of squares of coordinates. A note says
    what part of the momentum at rest it does not explain, if that matters. To be called inside `double_precision`.
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
    allowed = NEGLIGIBLE * np.sqrt(np.sum(moving**2) + np.sum(y**2))

    terms, coefficients, left = offered.select([0]), np.zeros(1), np.linalg.norm(y)
    if left > allowed:
        path = eliminate(LinearFit(X, y), len(offered), offered.complexity, 1e-12, chance=0.01)
        enough = [s for s in path if s.rss * np.sum(y**2) <= path[0].rss * np.sum(y**2) + allowed**2]
        step = enough[-1]
        terms, coefficients = offered.select(step.support), step.coefficients
        left = step.rss**0.5 * np.linalg.norm(y)
    note = ()
    if left > 2 * allowed:
        note = (f"F holds {100 * (1 - left / np.linalg.norm(y)):.0f} % of the momentum at rest",)
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

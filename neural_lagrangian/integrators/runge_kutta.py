"""The stages of an explicit Runge-Kutta step, with a gradient checkpoint for each."""

from collections.abc import Callable
from typing import Any, TypeGuard

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._types import Scalar, State
from ..numerics import KEEP_STAGES


def is_explicit_runge_kutta(solver: diffrax.AbstractSolver) -> TypeGuard[diffrax.AbstractERK]:
    """Whether a solver has one explicit Butcher tableau."""
    return isinstance(solver, diffrax.AbstractERK) and isinstance(solver.tableau, diffrax.ButcherTableau)


def tableau_of(solver: diffrax.AbstractERK) -> diffrax.ButcherTableau:
    """The Butcher tableau of a solver for which `is_explicit_runge_kutta` holds."""
    assert isinstance(solver.tableau, diffrax.ButcherTableau)
    return solver.tableau


def stage_slopes(
    tableau: diffrax.ButcherTableau,
    stages: int,
    slope: Callable[[Array, Scalar, State], tuple[State, Any]],
    t: Scalar,
    h: Scalar,
    y: State,
) -> tuple[Float[Array, "stage two_dof"], Any]:
    """The slopes $k_i = f(t + c_i h, y_i)$ of the first `stages` stages, and what `slope(i, t_i, y_i)` returns beside
    each, stacked.
    """
    # y_i = y + h sum_j a_ij k_j
    a = np.zeros((stages, stages))
    for i, row in enumerate(tableau.a_lower[: stages - 1]):
        a[i + 1, : i + 1] = row
    c = np.concatenate([[0.0], tableau.c])[:stages]

    @KEEP_STAGES
    def stage(k, node):
        i, a_i, c_i = node
        k_i, beside = slope(i, t + c_i * h, y + a_i @ (h * k))
        return k.at[i].set(k_i), beside

    nodes = (jnp.arange(stages), jnp.asarray(a, y.dtype), jnp.asarray(c, y.dtype))
    return jax.lax.scan(stage, jnp.zeros((stages, *y.shape), y.dtype), nodes)

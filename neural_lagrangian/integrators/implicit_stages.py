"""The tolerance of implicit stages."""

from typing import Any

import diffrax
import equinox as eqx
import jax.numpy as jnp
import optimistix as optx
from jaxtyping import DTypeLike

from .adaptive_steps import AdaptiveSteps

MIN_TOLERANCE_EPSILONS = 1e3
"""Smallest tolerance of the equation of a stage, in units of the machine epsilon. Its residual has rounding errors, and
more than one of them.
"""


def with_attainable_tolerance(solver: diffrax.AbstractSolver, steps: Any, dtype: DTypeLike) -> diffrax.AbstractSolver:
    """An implicit solver that finds its stages to the tolerance of `AdaptiveSteps`, or to what the precision allows.

    Any other solver, also one whose root finder has a tolerance of its own, is returned unchanged.
    """
    if not isinstance(solver, diffrax.AbstractImplicitSolver) or not isinstance(steps, AdaptiveSteps):
        return solver
    finder: Any = solver.root_finder
    if not isinstance(finder, diffrax.VeryChord) or eqx.is_inexact_array_like(finder.rtol):
        return solver
    tolerance = max(steps.rtol, MIN_TOLERANCE_EPSILONS * float(jnp.finfo(dtype).eps))
    attainable = diffrax.VeryChord(
        tolerance, steps.atol, optx.rms_norm, kappa=finder.kappa, linear_solver=finder.linear_solver
    )
    return eqx.tree_at(lambda s: s.root_finder, solver, attainable)

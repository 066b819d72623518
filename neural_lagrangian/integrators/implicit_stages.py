"""The root finder of implicit Runge-Kutta stages, with a tolerance that does not depend on units."""

from typing import Any

import diffrax
import equinox as eqx
import jax.numpy as jnp
import optimistix as optx
from jaxtyping import Array

from .adaptive_steps import AdaptiveSteps

MIN_TOLERANCE_EPSILONS = 1e3
"""Smallest tolerance of a stage, in units of the machine epsilon: a residual near zero has rounding errors too."""


class StageState(eqx.Module):
    """What `diffrax.VeryChord` keeps, and the size of each component."""

    inner: Any
    size: Array


class StageChord(diffrax.VeryChord):
    r"""`diffrax.VeryChord` that measures each component $k_i$ of a stage by its own size in the step,

    $$s_i = |k_i| + \sum_j |J_{ij} - \delta_{ij}| |k_j|,$$

    with J the Jacobian of the equation of the stage. The sum is how much $k_i$ changes within the step, so a component
    that passes through zero keeps its size.
    """

    rtol: Any
    atol: Any

    def init(
        self, fn: Any, y: Any, args: Any, options: dict[str, Any], f_struct: Any, aux_struct: Any, tags: Any
    ) -> Any:
        if "init_state" in options:
            return options["init_state"]
        inner = super().init(fn, y, args, options, f_struct, aux_struct, tags)
        jacobian = inner.linear_state[0].as_matrix()
        size = jnp.abs(y) + jnp.abs(jacobian - jnp.eye(len(y), dtype=y.dtype)) @ jnp.abs(y)
        return StageState(inner, size)

    def step(self, fn: Any, y: Any, args: Any, options: dict[str, Any], state: Any, tags: Any) -> tuple[Any, Any, Any]:
        absolute = eqx.tree_at(lambda s: (s.rtol, s.atol), self, (0.0, self.rtol * state.size + self.atol))
        y, inner, aux = diffrax.VeryChord.step(absolute, fn, y, args, options, state.inner, tags)
        return y, StageState(inner, state.size), aux

    def terminate(
        self, fn: Any, y: Any, args: Any, options: dict[str, Any], state: Any, tags: Any
    ) -> tuple[Any, optx.RESULTS]:
        return super().terminate(fn, y, args, options, state.inner, tags)


def with_stages_in_units(solver: diffrax.AbstractSolver, steps: Any, epsilon: float) -> diffrax.AbstractSolver:
    """An implicit solver whose stages have the tolerance of `AdaptiveSteps`. Others are returned as they are."""
    if not isinstance(solver, diffrax.AbstractImplicitSolver) or not isinstance(steps, AdaptiveSteps):
        return solver
    chosen: Any = solver.root_finder
    if not isinstance(chosen, diffrax.VeryChord) or eqx.is_inexact_array_like(chosen.rtol):
        return solver
    tolerance = max(steps.rtol, MIN_TOLERANCE_EPSILONS * epsilon)
    finder = StageChord(tolerance, steps.atol, optx.rms_norm, kappa=chosen.kappa, linear_solver=chosen.linear_solver)
    return eqx.tree_at(lambda s: s.root_finder, solver, finder)

"""Explicit Runge-Kutta steps that keep the slopes of their stages, and what the derivative needs there."""

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar, NamedTuple

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PyTree

from .._types import Flag, Scalar, State
from ..numerics import any_in_batch
from .linearised_field import Kept, LinearisedField
from .runge_kutta import stage_slopes, tableau_of

Stage = tuple[State, Kept]
"""The slope and what the derivative needs, at one stage."""
Stages = tuple[Float[Array, "*step stage two_dof"], Kept]
"""The same of all stages of one step, or of several steps."""


def keeping_step(
    tableau: diffrax.ButcherTableau,
    field: LinearisedField,
    before: tuple[State, Stage],
    t0: Scalar,
    h: Scalar,
    is_first: Flag,
) -> tuple[tuple[State, Stage], Stages]:
    """One step, which returns its stages beside the state and the stage at its end.

    The first stage is that of the step before if the method is first same as last, except in the first step.
    """
    y, last = before

    def stage_at(i, t, y):
        evaluated = partial(field, t, y)
        slope, kept = jax.lax.cond(is_first | (i > 0), evaluated, lambda: last) if tableau.fsal else evaluated()
        return slope, kept

    stages = k, _ = stage_slopes(tableau, len(tableau.c) + 1, stage_at, t0, h, y)
    return (y + jnp.asarray(tableau.b_sol, y.dtype) @ (h * k), jax.tree.map(lambda x: x[-1], stages)), stages


def no_stages(tableau: diffrax.ButcherTableau, field: LinearisedField, t: Scalar, y: State, *axes: int) -> Stages:
    """Zeros of the shape of the stages of a step, after other axes."""
    stage = jax.eval_shape(field, t, y)
    return jax.tree.map(lambda x: jnp.zeros((*axes, len(tableau.c) + 1, *x.shape), x.dtype), stage)


class KeepingState(NamedTuple):
    """State of the solver: the stages of the first accepted steps, the number of accepted steps, and the last stage."""

    stages: Stages
    accepted: Int[Array, ""]
    last: Stage


class KeepingSolver(diffrax.AbstractSolver):
    """An explicit Runge-Kutta solver whose state holds the stages of its first `size` accepted steps.

    The places of steps that are not taken yet hold the stages of the last step, so that they are finite.

    - `field`: the vector field, a function of the time of the motion. `forward`: direction of this time, 1 or -1.
    """

    field: LinearisedField
    solver: diffrax.AbstractERK
    forward: Scalar
    size: int = eqx.field(static=True)
    term_structure: ClassVar[Any] = diffrax.AbstractTerm

    @property
    def interpolation_cls(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
    ) -> Callable[..., diffrax.AbstractLocalInterpolation]:
        return self.solver.interpolation_cls

    def order(self, terms: PyTree) -> int | None:
        return self.solver.order(terms)

    def error_order(self, terms: PyTree) -> Any:
        return self.solver.error_order(terms)

    def func(self, terms: Any, t0: Any, y0: State, args: PyTree) -> State:
        return self.solver.func(terms, t0, y0, args)

    def init(self, terms: PyTree, t0: Any, t1: Any, y0: State, args: PyTree) -> KeepingState:
        stages = no_stages(tableau_of(self.solver), self.field, jnp.asarray(t0), y0, self.size)
        return KeepingState(stages, jnp.zeros((), jnp.int32), jax.tree.map(lambda x: x[0, 0], stages))

    def step(
        self, terms: PyTree, t0: Any, t1: Any, y0: State, args: PyTree, solver_state: KeepingState, made_jump: Any
    ) -> tuple[State, State, dict[str, Array], KeepingState, diffrax.RESULTS]:
        tableau = tableau_of(self.solver)
        stages, count, last = solver_state
        h = self.forward * (t1 - t0)
        is_first = any_in_batch(count == 0)
        (y1, last), new = keeping_step(tableau, self.field, (y0, last), self.forward * t0, h, is_first)
        k, _ = new

        def from_here(all_steps, one):
            later = jnp.arange(self.size, dtype=count.dtype) >= count
            return jnp.where(later.reshape(-1, *(1 for _ in one.shape)), one[None], all_steps)

        state = KeepingState(jax.tree.map(from_here, stages, new), count + 1, last)
        error = jnp.asarray(tableau.b_error, y0.dtype) @ (h * k)
        return y1, error, {"y0": y0, "y1": y1, "k": h * k}, state, diffrax.RESULTS.successful

r"""Explicit Runge-Kutta rollouts whose derivative costs that of the steps that were taken.

The steps are found once, by diffrax. The stages of the first span of steps are kept there: the slopes, and what their
derivatives need. On the way back later spans are taken again, one at a time from the state where it begins; rejected
steps, error estimates and the choice of steps have no part in it. The memory of a gradient is that of two spans, and a
state for each.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PyTree

from .._types import Flag, Scalar, State, Times, Trajectory
from ..numerics import KEEP_STAGES, any_in_batch
from .keeping_solver import KeepingSolver, Stages, keeping_step, no_stages
from .linearised_field import Kept, LinearisedField, VectorField
from .runge_kutta import stage_slopes, tableau_of

Solve = Callable[..., diffrax.Solution]

MIN_SPAN_STEPS, MAX_SPAN_STEPS = 16, 128
"""Steps of a span: a quarter of the samples, within these."""
MAX_KEPT_STEPS = 32
"""Longest span, in steps, whose stages are kept by the solve. Each step of the solve writes to all of them, which costs
more than to take a longer span again."""


class Found(eqx.Module):
    """A solve as it was found: its rows, its accepted steps and what is known between them.

    - `ys`: rows at the save times, infinite where not reached. `step`: that in which each save time lies.
    - `ends`: how long after the start each step ends, from the step number `begin` on. `states`: at every `span`-th of
      them. `count`: of steps. `last`: the end of the last step. `forward`: direction of time, 1 or -1.
    """

    ys: Trajectory
    states: Float[Array, "spans two_dof"]
    step: Int[Array, " time"]
    ends: Float[Array, " step"]
    begin: Int[Array, ""]
    count: Int[Array, ""]
    last: Scalar
    forward: Scalar
    span: int = eqx.field(static=True)

    def inside(self, first: Int[Array, ""]) -> Bool[Array, " time"]:
        """Which save times lie in the span that begins with this step."""
        return (self.step >= first) & (self.step < jnp.minimum(first + self.span, self.count))

    def part(self, first: Int[Array, ""], steps: int) -> "Found":
        """The same with no more ends than those of these steps, and the one before."""
        length = min(steps + 1, len(self.ends))
        begin = jnp.clip(first - 1, self.begin, self.begin + len(self.ends) - length)
        ends = jax.lax.dynamic_slice_in_dim(self.ends, begin - self.begin, length)
        return eqx.tree_at(lambda found: (found.ends, found.begin), self, (ends, begin))

    def bounds(self, first: Int[Array, ""]) -> Float[Array, " span_plus_1"]:
        """The times between which the steps of a span are taken; those beyond the last have no length."""
        number = first + jnp.arange(-1, self.span, dtype=first.dtype)
        ends = self.ends[jnp.clip(number - self.begin, 0, len(self.ends) - 1)]
        return self.forward * jnp.where(number < 0, 0, jnp.where(number < self.count, ends, self.last))


def replayed_rollout(
    term: diffrax.AbstractTerm,
    solver: diffrax.AbstractERK,
    ts: Times,
    y0: State,
    args: PyTree,
    *,
    max_steps: int,
    solve: Solve,
) -> Trajectory:
    """Rows of a solution at `ts`, by explicit Runge-Kutta steps of any length.

    **Arguments:**

    - `ts`: save times, shape `(time,)`, since the start of the motion: the first is 0.
    - `solve`: finds the solution of a term: callable `(term, ts, y0, saveat) -> diffrax.Solution`, with a derivative in
      forward mode.

    **Returns:** shape `(time, 2 dof)`; rows that the solve did not reach are infinite. Differentiable to any order,
    forward and reverse; a row that was not reached has the derivative zero.
    """
    vf = eqx.filter_closure_convert(lambda t, y: term.vf(t, y, args), ts[0], y0)
    return _found(vf, None, ts, y0, max_steps=max_steps, solver=_held(solver), solve=_held(solve))[0].ys


def _held(tree: Any) -> Any:
    """`tree` without a derivative."""
    return jax.tree.map(lambda x: jax.lax.stop_gradient(x) if eqx.is_inexact_array(x) else x, tree)


@eqx.filter_custom_jvp
def _found(
    vf: VectorField,
    keeping: LinearisedField | None,
    ts: Times,
    y0: State,
    *,
    max_steps: int,
    solver: diffrax.AbstractERK,
    solve: Solve,
) -> tuple[Found, Stages | None]:
    """The solve and, if the linearised field is given, the stages of its first span."""
    span, forward = _span(ts, max_steps), _held(jnp.sign(ts[-1]))
    solution = solve(
        diffrax.ODETerm(lambda t, y, _: vf(jnp.asarray(t), y)),
        ts,
        y0,
        diffrax.SaveAt(
            subs=[
                diffrax.SubSaveAt(ts=ts),
                diffrax.SubSaveAt(steps=True, fn=lambda t, y, args: jnp.abs(t)),  # their times alone
                diffrax.SubSaveAt(steps=span),
            ],
            solver_state=keeping is not None,
        ),
        solver=None if keeping is None else KeepingSolver(keeping, solver, forward, span),
    )
    assert solution.ys is not None
    ys, ends, states = solution.ys
    ends, count = _held(ends), solution.stats["num_accepted_steps"]
    step = jnp.searchsorted(ends, jnp.abs(ts))  # beyond the last step are infinities
    count = count.astype(step.dtype)
    last = jnp.where(count > 0, ends[jnp.maximum(count - 1, 0)], 0)
    found = Found(ys, states, step, ends, jnp.zeros_like(count), count, last, forward, span)
    return found, None if keeping is None else solution.solver_state.stages  # pyright: ignore


def _span(ts: Times, max_steps: int) -> int:
    quarter = 2 ** math.ceil(math.log2(max(ts.shape[0] / 4, 1)))
    return min(max(MIN_SPAN_STEPS, quarter), MAX_SPAN_STEPS, max_steps)


@_found.def_jvp
def _(primals, tangents, *, max_steps: int, solver: diffrax.AbstractERK, solve: Solve) -> Any:
    vf, keeping, ts, y0 = primals
    vf_dot, keeping_dot, ts_dot, y0_dot = tangents
    y0_dot = jnp.zeros_like(y0) if y0_dot is None else y0_dot
    field = LinearisedField.of(vf, vf_dot, ts[0], y0)
    again = keeping is None and _span(ts, max_steps) <= MAX_KEPT_STEPS
    found, stages = _found(vf, field if again else keeping, ts, y0, max_steps=max_steps, solver=solver, solve=solve)
    tangent = partial(_tangent_of, found, solver, (field, ts), y0, (field.tangent(vf_dot), ts_dot), y0_dot)
    if keeping is None:
        return (found, None), (tangent(stages), None)
    # Here only if differentiated again: the stages kept are those of the same steps taken again.
    first = partial(_taken_again, found, solver, jnp.zeros_like(found.count))
    _, stages_dot = eqx.filter_jvp(first, (keeping, y0), (keeping_dot, y0_dot))
    return (found, stages), (tangent(None), stages_dot)


def _tangent_of(
    found: Found,
    solver: diffrax.AbstractERK,
    problem: Any,
    y0: State,
    problem_dot: Any,
    y0_dot: State,
    stages: Stages | None,
) -> Found:
    # The states where spans begin are those of `_found` itself, which have the derivative of its rule: it holds to any
    # order. Groups of spans beyond the last step are passed over at once.
    spans = math.ceil(len(found.ends) / found.span)
    shape = 2 * (math.ceil(spans**0.5),)
    spans = math.prod(shape)
    firsts = found.span * jnp.arange(spans, dtype=found.step.dtype)
    known = jnp.concatenate([y0[None], found.states])[:spans]
    starts = jnp.broadcast_to(y0, (spans, *y0.shape)).at[: len(known)].set(known)
    starts = jnp.where((firsts < found.count)[:, None], starts, y0[None])

    field, ts = problem
    of = partial(_of_span, solver, stages, field.constants(ts[0], y0))
    for _ in shape:
        of = partial(_along, _if_taken(of))
    ys, firsts = starts.reshape(*shape, *y0.shape), firsts.reshape(shape)
    _, rows_dot, states_dot = of(found, problem, ys, firsts, problem_dot, y0_dot)
    states_dot = states_dot.reshape(spans, *y0.shape)[: len(found.states)]
    found_dot = jax.tree.map(lambda x: jnp.zeros_like(x) if eqx.is_inexact_array(x) else None, found)
    states_dot = found_dot.states.at[: len(states_dot)].set(states_dot)
    return eqx.tree_at(lambda found: (found.ys, found.states), found_dot, (rows_dot, states_dot))


Tangents = tuple[State, Trajectory, Array]
"""Of the state after a span, or a group of them, of the rows in it, and of the states after each span in it."""


def _of_span(
    solver: diffrax.AbstractERK,
    stages: Stages | None,
    constants: Kept,
    found: Found,
    problem: Any,
    y: State,
    first: Int[Array, ""],
    problem_dot: Any,
    y_dot: State,
) -> Tangents:
    again = partial(_taken_again, found, solver, first, problem[0], y)
    unknown = any_in_batch((first > 0) | (found.count == 0))
    known = again() if stages is None else jax.lax.cond(unknown, again, lambda: stages)
    steps = partial(_steps, found, solver, first, known, constants)
    y_dot, rows_dot = eqx.filter_jvp(steps, (*problem, y), (*problem_dot, y_dot))[1]
    return y_dot, rows_dot, y_dot


def _along(
    of_one: Callable[..., Tangents],
    found: Found,
    problem: Any,
    ys: Float[Array, "... two_dof"],
    firsts: Int[Array, "..."],
    problem_dot: Any,
    y_dot: State,
) -> Tangents:
    """Spans, or groups of them, one after the other."""

    def body(carry, one):
        y_dot, rows_dot = carry
        y_dot, more, states_dot = of_one(found, problem, *one, problem_dot, y_dot)
        return (y_dot, rows_dot + more), states_dot

    none = jnp.zeros((*problem[1].shape, *y_dot.shape), y_dot.dtype)
    (y_dot, rows_dot), states_dot = jax.lax.scan(body, (y_dot, none), (ys, firsts))
    return y_dot, rows_dot, states_dot


def _if_taken(tangents: Callable[..., Tangents]) -> Callable[..., Tangents]:
    """The same, computed again on the way back; beyond the last step of the solve without a computation."""

    @eqx.filter_checkpoint
    def of(found, problem, ys, firsts, problem_dot, y_dot):
        none = y_dot, jnp.zeros((*problem[1].shape, *y_dot.shape), y_dot.dtype), jnp.zeros_like(ys)
        part = found.part(jnp.min(firsts), firsts.size * found.span)
        any_taken = any_in_batch(jnp.min(firsts) < found.count)
        return jax.lax.cond(any_taken, lambda: tangents(part, problem, ys, firsts, problem_dot, y_dot), lambda: none)

    return of


def _taken_again(
    found: Found, solver: diffrax.AbstractERK, first: Int[Array, ""], field: LinearisedField, y: State
) -> Stages:
    """The stages of a span, whose steps are taken again."""
    tableau = tableau_of(solver)
    bounds = found.bounds(first)
    none = no_stages(tableau, field, bounds[0], y)

    def step(before, times):
        t0, t1, number = times
        take = partial(keeping_step, tableau, field, before, t0, t1 - t0, number == 0)
        return jax.lax.cond(any_in_batch(t1 != t0), take, lambda: (before, none))

    begin = y, jax.tree.map(lambda x: x[0], none)
    return jax.lax.scan(step, begin, (bounds[:-1], bounds[1:], jnp.arange(found.span)))[1]


def _steps(
    found: Found,
    solver: diffrax.AbstractERK,
    first: Int[Array, ""],
    stages: Stages,
    constants: Kept,
    field: LinearisedField,
    ts: Times,
    y: State,
) -> tuple[State, Trajectory]:
    """The known steps of a span: the state after them, and the rows in them."""
    tableau = tableau_of(solver)
    bounds = found.bounds(first)

    def step(carry, step):
        t0, t1, number, stages = step
        none = carry, (carry[0], jnp.zeros((len(tableau.c) + 1, *y.shape), y.dtype))
        take = KEEP_STAGES(partial(_known_step, tableau, partial(field.known, constants)))
        return jax.lax.cond(any_in_batch(t1 != t0), lambda: take(carry, t0, t1, number == 0, stages), lambda: none)

    begin = y, jnp.zeros_like(y)
    (last, _), (states, k) = jax.lax.scan(step, begin, (bounds[:-1], bounds[1:], jnp.arange(found.span), stages))
    states = jnp.concatenate([y[None], states])
    inside = found.inside(first)

    def row(t, inside, number):
        t0, t1, y0, y1, hk = (x[number] for x in (bounds[:-1], bounds[1:], states[:-1], states[1:], k))
        between = solver.interpolation_cls(t0=t0, t1=t1, y0=y0, y1=y1, k=hk)
        return jnp.where(inside, between.evaluate(jnp.where(inside, t, t0)), 0)  # elsewhere it may overflow

    return last, jax.vmap(row)(ts, inside, jnp.clip(found.step - first, 0, found.span - 1))


def _known_step(
    tableau: diffrax.ButcherTableau,
    known: Callable[[State, State, Kept], State],
    before: tuple[State, State],
    t0: Scalar,
    t1: Scalar,
    is_first: Flag,
    stages: Stages,
) -> tuple[tuple[State, State], tuple[State, Float[Array, "stage two_dof"]]]:
    """One step of known stages. The first slope is that of the step before if the method is first same as last."""
    y, slope = before
    h = t1 - t0

    def slope_at(i, _, y):
        here = partial(known, y, *jax.tree.map(lambda x: x[i], stages))
        return (jax.lax.cond(is_first | (i > 0), here, lambda: slope) if tableau.fsal else here()), None

    k, _ = stage_slopes(tableau, len(tableau.c) + 1, slope_at, t0, h, y)
    y = y + h * (jnp.asarray(tableau.b_sol, y.dtype) @ k)
    return (y, k[-1]), (y, h * k)

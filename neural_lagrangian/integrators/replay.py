r"""Explicit Runge-Kutta rollouts whose derivative costs that of the steps that were taken.

The steps are found once, by diffrax and without derivatives. On the way back they are taken again, a span of them at a
time from the state where it begins, with what each stage needs kept; rejected steps, error estimates and the choice of
steps have no part in it. The memory of a gradient is that of one span, and a state for each.
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
from .runge_kutta import stage_slopes, tableau_of

VectorField = Callable[[Scalar, State], State]
Solve = Callable[[diffrax.AbstractTerm, Times, State, diffrax.SaveAt], diffrax.Solution]

MIN_SPAN_STEPS, MAX_SPAN_STEPS = 16, 128
"""Steps of a span: a quarter of the samples, within these."""


class Found(eqx.Module):
    """A solve as it was found: its rows, its accepted steps and what is known between them.

    - `ys`: rows at the save times, infinite where not reached. `step`: that in which each save time lies.
    - `ends`: where each step ends. `states`: at every `span`-th of them. `count`: of steps. `start`: the first time.
    """

    ys: Trajectory
    states: Float[Array, "spans two_dof"]
    step: Int[Array, " time"]
    ends: Float[Array, " step"]
    count: Int[Array, ""]
    start: Scalar
    span: int = eqx.field(static=True)

    def inside(self, first: Int[Array, ""]) -> Bool[Array, " time"]:
        """Which save times lie in the span that begins with this step."""
        return (self.step >= first) & (self.step < jnp.minimum(first + self.span, self.count))

    def bounds(self, first: Int[Array, ""]) -> Float[Array, " span_plus_1"]:
        """The times between which the steps of a span are taken; those beyond the last have no length."""
        number = jnp.minimum(first + jnp.arange(-1, self.span, dtype=first.dtype), self.count - 1)
        return jnp.where(number < 0, self.start, self.ends[jnp.maximum(number, 0)])


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

    - `ts`: save times, shape `(time,)`, from the start of the motion.
    - `solve`: finds the solution of a term: callable `(term, ts, y0, saveat) -> diffrax.Solution`, with a derivative in
      forward mode.

    **Returns:** shape `(time, 2 dof)`; rows that the solve did not reach are infinite. Differentiable to any order,
    forward and reverse; a row that was not reached has the derivative zero.
    """
    vf = eqx.filter_closure_convert(lambda t, y: term.vf(t, y, args), ts[0], y0)
    return _found(vf, ts, y0, max_steps=max_steps, solver=_held(solver), solve=_held(solve)).ys


def _held(tree: Any) -> Any:
    """`tree` without a derivative."""
    return jax.tree.map(lambda x: jax.lax.stop_gradient(x) if eqx.is_inexact_array(x) else x, tree)


@eqx.filter_custom_jvp
def _found(
    vf: VectorField, ts: Times, y0: State, *, max_steps: int, solver: diffrax.AbstractERK, solve: Solve
) -> Found:
    del solver
    quarter = 2 ** math.ceil(math.log2(max(ts.shape[0] / 4, 1)))
    span = min(max(MIN_SPAN_STEPS, quarter), MAX_SPAN_STEPS, max_steps)
    solution = solve(
        diffrax.ODETerm(lambda t, y, _: vf(jnp.asarray(t), y)),
        ts,
        y0,
        diffrax.SaveAt(
            subs=[
                diffrax.SubSaveAt(ts=ts),
                diffrax.SubSaveAt(steps=True, fn=lambda t, y, args: jnp.zeros((), bool)),  # their times alone
                diffrax.SubSaveAt(steps=span),
            ]
        ),
    )
    (ys, _, states), (_, ends, _) = solution.ys, solution.ts  # pyright: ignore[reportGeneralTypeIssues]
    forward = jnp.sign(ts[-1] - ts[0])
    count = solution.stats["num_accepted_steps"]
    taken = jnp.arange(max_steps, dtype=count.dtype) < count
    step = jnp.searchsorted(jnp.where(taken, forward * ends, jnp.inf), forward * ts)
    ends, start = _held((ends, ts[0]))
    return Found(ys, states, step, ends, count.astype(step.dtype), start, span)


@_found.def_jvp
def _(primals, tangents, *, max_steps: int, solver: diffrax.AbstractERK, solve: Solve) -> Any:
    # The states where spans begin are those of `_found` itself, which have the derivative of this rule: it holds to any
    # order. Groups of spans beyond the last step are passed over at once.
    vf, ts, y0 = primals
    found = _found(vf, ts, y0, max_steps=max_steps, solver=solver, solve=solve)
    group = math.ceil(math.ceil(max_steps / found.span) ** 0.5)
    firsts = found.span * jnp.arange(group**2, dtype=found.step.dtype)
    known = jnp.concatenate([y0[None], found.states])[: group**2]
    starts = jnp.broadcast_to(y0, (group**2, *y0.shape)).at[: len(known)].set(known)
    starts = jnp.where((firsts < found.count)[:, None], starts, y0[None])

    of_group = _if_taken(found, partial(_along, _if_taken(found, partial(_of_span, found, solver))))
    ys, firsts = starts.reshape(group, group, *y0.shape), firsts.reshape(group, group)
    vf_dot, ts_dot, y0_dot = tangents
    y0_dot = jnp.zeros_like(y0) if y0_dot is None else y0_dot
    _, rows_dot, states_dot = _along(of_group, (vf, ts), ys, firsts, (vf_dot, ts_dot), y0_dot)
    states_dot = states_dot.reshape(group**2, *y0.shape)[: len(found.states)]
    found_dot = jax.tree.map(lambda x: jnp.zeros_like(x) if eqx.is_inexact_array(x) else None, found)
    states_dot = found_dot.states.at[: len(states_dot)].set(states_dot)
    return found, eqx.tree_at(lambda found: (found.ys, found.states), found_dot, (rows_dot, states_dot))


Tangents = tuple[State, Trajectory, Array]
"""Of the state after a span, or a group of them, of the rows in it, and of the states after each span in it."""


def _of_span(
    found: Found,
    solver: diffrax.AbstractERK,
    problem: Any,
    y: State,
    first: Int[Array, ""],
    problem_dot: Any,
    y_dot: State,
) -> Tangents:
    steps = partial(_steps, found, solver, first)
    y_dot, rows_dot = eqx.filter_jvp(steps, (*problem, y), (*problem_dot, y_dot))[1]
    return y_dot, rows_dot, y_dot


def _along(
    of_one: Callable[..., Tangents],
    problem: Any,
    ys: Float[Array, "... two_dof"],
    firsts: Int[Array, "..."],
    problem_dot: Any,
    y_dot: State,
) -> Tangents:
    """Spans, or groups of them, one after the other."""

    def body(carry, one):
        y_dot, rows_dot = carry
        y_dot, more, states_dot = of_one(problem, *one, problem_dot, y_dot)
        return (y_dot, rows_dot + more), states_dot

    none = jnp.zeros((*problem[1].shape, *y_dot.shape), y_dot.dtype)
    (y_dot, rows_dot), states_dot = jax.lax.scan(body, (y_dot, none), (ys, firsts))
    return y_dot, rows_dot, states_dot


def _if_taken(found: Found, tangents: Callable[..., Tangents]) -> Callable[..., Tangents]:
    """The same, computed again on the way back; beyond the last step of the solve without a computation."""

    @eqx.filter_checkpoint
    def of(problem, ys, firsts, problem_dot, y_dot):
        none = y_dot, jnp.zeros((*problem[1].shape, *y_dot.shape), y_dot.dtype), jnp.zeros_like(ys)
        any_taken = any_in_batch(jnp.min(firsts) < found.count)
        return jax.lax.cond(any_taken, lambda: tangents(problem, ys, firsts, problem_dot, y_dot), lambda: none)

    return of


def _steps(
    found: Found, solver: diffrax.AbstractERK, first: Int[Array, ""], vf: VectorField, ts: Times, y: State
) -> tuple[State, Trajectory]:
    """The steps of a span taken again: the state after them, and the rows in them."""
    tableau = tableau_of(solver)
    bounds = found.bounds(first)

    def step(carry, times):
        t0, t1, number = times
        none = carry, (carry[0], jnp.zeros((len(tableau.c) + 1, *y.shape), y.dtype))
        take = KEEP_STAGES(partial(_step, tableau, vf))
        return jax.lax.cond(any_in_batch(t1 != t0), lambda: take(carry, t0, t1, number == 0), lambda: none)

    begin = y, jnp.zeros_like(y)
    (last, _), (states, stages) = jax.lax.scan(step, begin, (bounds[:-1], bounds[1:], jnp.arange(found.span)))
    states = jnp.concatenate([y[None], states])
    inside = found.inside(first)

    def row(t, inside, number):
        t0, t1, y0, y1, k = (x[number] for x in (bounds[:-1], bounds[1:], states[:-1], states[1:], stages))
        between = solver.interpolation_cls(t0=t0, t1=t1, y0=y0, y1=y1, k=k)
        return jnp.where(inside, between.evaluate(jnp.where(inside, t, t0)), 0)  # elsewhere it may overflow

    return last, jax.vmap(row)(ts, inside, jnp.clip(found.step - first, 0, found.span - 1))


def _step(
    tableau: diffrax.ButcherTableau,
    vf: VectorField,
    before: tuple[State, State],
    t0: Scalar,
    t1: Scalar,
    is_first: Flag,
) -> tuple[tuple[State, State], tuple[State, Float[Array, "stage two_dof"]]]:
    """One step from a state and the slope there, which is known but in the first step where a method ends with it."""
    y, slope = before
    h = t1 - t0

    def slope_at(i, t, y):
        evaluated = partial(vf, t, y)
        return jax.lax.cond(is_first | (i > 0), evaluated, lambda: slope) if tableau.fsal else evaluated()

    k = stage_slopes(tableau, len(tableau.c) + 1, slope_at, t0, h, y)
    y = y + h * (jnp.asarray(tableau.b_sol, y.dtype) @ k)
    return (y, k[-1]), (y, h * k)

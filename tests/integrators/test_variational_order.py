"""Order of variational solvers, read off as a slope: at the ends of steps, and between them."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.integrators import Integration, StormerVerlet, VariationalMidpoint

from ..helpers import DTYPE, slow
from .motions import TERM, Y0, drag, driven, exact

pytestmark = pytest.mark.double
END = 4.0
Y0S = Y0[None] + jnp.asarray(np.random.default_rng(0).uniform(-0.3, 0.3, (6, 4)), DTYPE)


@cache
def reference():
    """By a method of order 18 in small steps, right to some 1e-15; SciPy's method leaves 1e-13."""
    return np.asarray(ends_of(nl.GalerkinGaussLobatto(8))(60))


def ends_of(solver, delay=0):
    """The motions from `Y0S` at the end, in a number of steps: each a rollout of its own, compiled once.

    With forces late by a fraction of the step, if asked.
    """
    integration = Integration(solver, stepsize_controller=nl.StepsPerSample())

    @jax.jit
    def run(count):
        h = END / count
        term = nl.EulerLagrangeTerm(driven, lambda t, q, v: drag(t + delay * h, q, v))

        def step(i, ys):
            return jax.vmap(lambda y: integration.rollout(term, jnp.stack([i * h, (i + 1) * h]), y)[-1])(ys)

        return jax.lax.fori_loop(0, count, step, Y0S)

    return run


def slope(run, counts):
    errors = [np.linalg.norm(run(count) - reference()) for count in counts]
    return -np.polyfit(np.log(counts), np.log(errors), 1)[0]


@pytest.mark.parametrize(
    ("solver", "counts"),
    [
        slow(VariationalMidpoint(), [160, 240, 320]),
        slow(StormerVerlet(), [160, 240, 320]),
        (nl.GalerkinGaussLobatto(1), [60, 80, 120]),
        slow(nl.GalerkinGaussLobatto(2), [30, 40, 60]),
        slow(nl.GalerkinGaussLobatto(3), [20, 25, 30]),
        slow(nl.GalerkinGaussLobatto(4), [28, 32, 40]),
    ],
    ids=str,
)
def test_order_at_the_ends_of_steps(solver, counts):
    """Under forces, explicit time and a mass matrix that varies: 2 r + 2."""
    assert slope(ends_of(solver), counts) == pytest.approx(solver.order(TERM), abs=0.15)


@pytest.mark.slow
def test_a_force_late_by_one_step_would_cost_the_order():
    """The slope tells: a published implementation takes the time of forces one step late."""

    run = ends_of(nl.GalerkinGaussLobatto(1), delay=1)
    assert slope(run, [60, 80, 120]) == pytest.approx(1, abs=0.2)


@pytest.mark.slow
def test_the_reference_is_right():
    """Against SciPy's DOP853 on the accelerations."""
    exact_ends = np.stack([exact([0.0, END], y0)[-1] for y0 in Y0S])
    np.testing.assert_allclose(reference(), exact_ends, rtol=0, atol=1e-12)


@pytest.mark.slow
def test_sixty_inner_nodes_are_right_to_round_off():
    """In two steps; a method of order 10 needs more."""
    np.testing.assert_allclose(ends_of(nl.GalerkinGaussLobatto(60))(2), reference(), rtol=0, atol=1e-12)
    assert np.max(np.abs(ends_of(nl.GalerkinGaussLobatto(4))(20) - reference())) > 1e-11


@pytest.mark.parametrize(
    ("solver", "of_q", "of_v", "steps"),
    [
        slow(VariationalMidpoint(), 3, 2, [0.02, 0.04, 0.08]),
        slow(StormerVerlet(), 3, 2, [0.02, 0.04, 0.08]),
        slow(nl.GalerkinGaussLobatto(1), 4, 3, [0.02, 0.04, 0.08]),
        (nl.GalerkinGaussLobatto(2), 5, 4, [0.01, 0.02, 0.04]),
        slow(nl.GalerkinGaussLobatto(3), 6, 5, [0.02, 0.03, 0.04]),
    ],
    ids=str,
)
def test_order_between_the_ends_of_a_step(solver, of_q, of_v, steps):
    """Lower than at the ends: r + 3 in q and r + 2 in v."""
    fractions = jnp.linspace(0, 1, 21)

    @jax.jit
    def inside(h):
        t0 = jnp.zeros_like(h)
        start = solver.init(TERM, t0, h, Y0, None)
        _, _, dense, _, _ = solver.step(TERM, t0, h, Y0, None, start, jnp.zeros((), bool))
        return jax.vmap(solver.interpolation_cls(t0=t0, t1=h, **dense).evaluate)(h * fractions)

    def error(h):
        difference = np.abs(inside(jnp.asarray(h)) - exact(h * np.asarray(fractions), Y0))
        return difference[:, :2].max(), difference[:, 2:].max()

    slopes = np.polyfit(np.log(steps), np.log([error(h) for h in steps]), 1)[0]
    np.testing.assert_allclose(slopes, [of_q, of_v], atol=0.25)

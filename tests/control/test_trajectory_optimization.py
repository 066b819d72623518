"""Optimised motions: the Riccati solution where the problem is linear, else a stationary cost; limits are met."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize

from neural_lagrangian.control import (
    AbstractCost,
    ControlError,
    ControlLimits,
    QuadraticCost,
    RecedingHorizon,
    closed_loop,
    linearize,
    optimize_trajectory,
    total_cost,
)
from neural_lagrangian.control.box_newton import box_minimum
from neural_lagrangian.control.driven import driven

from .machines import UPRIGHT, array, cart_pole, mass

pytestmark = pytest.mark.double
TS = jnp.linspace(0.0, 1.0, 21)


def reach(x=1.0, end=1e3):
    return QuadraticCost(array(x, 0.0), array(1.0, 0.2), array(0.1), array(end, end))


def test_a_linear_problem_is_solved_by_the_riccati_recursion():
    step = linearize(mass(), array(0.0, 0.0), array(0.0)).zero_order_hold(0.05)
    A, B = np.asarray(step.A), np.asarray(step.B)
    Q, R, P = 0.05 * np.diag([1.0, 0.2]), np.array([[0.05 * 0.1]]), 1e3 * np.eye(2)
    gains = []
    for _ in range(20):
        K = np.linalg.solve(R + B.T @ P @ B, B.T @ P @ A)
        P = Q + A.T @ P @ (A - B @ K)
        gains.insert(0, K)
    e = np.array([-1.0, 0.0])
    plan = optimize_trajectory(mass(), reach(), TS, array(0.0, 0.0))
    np.testing.assert_allclose(plan.cost, e @ P @ e, rtol=1e-9)
    np.testing.assert_allclose(plan.gains, -np.stack(gains), rtol=1e-6, atol=1e-6)
    assert bool(plan.converged)


@pytest.mark.parametrize("iterations", [1, 3, 30])
def test_the_feedback_is_that_of_the_motion_of_the_plan(iterations):
    """Riccati recursion around the plan's own motion, also where the last steps needed much regularisation."""
    model, cost = cart_pole(), QuadraticCost(array(*UPRIGHT), array(0.1, 1.0, 0.1, 0.1), array(0.01), 50 * np.ones(4))
    ts = jnp.linspace(0.0, 1.5, 31)
    plan = optimize_trajectory(model, cost, ts, array(0.0, 0.3, 0.0, 0.0), iterations=iterations)

    @jax.jit
    @jax.vmap
    def jacobians(t0, t1, y, u):
        step = driven(model, y).held
        return jax.jacfwd(step, argnums=(2, 3))(t0, t1, y, u)

    As, Bs = jacobians(ts[:-1], ts[1:], plan.ys[:-1], plan.us)
    Q, R, P = 0.05 * np.diag([0.1, 1.0, 0.1, 0.1]), np.array([[0.05 * 0.01]]), 50 * np.eye(4)
    for A, B, K in zip(*(np.asarray(x)[::-1] for x in (As, Bs, plan.gains)), strict=True):
        expected = np.linalg.solve(R + B.T @ P @ B, B.T @ P @ A)
        np.testing.assert_allclose(K, -expected, rtol=1e-5, atol=1e-6)
        P = Q + A.T @ P @ (A - B @ expected)


def test_the_cost_of_a_swing_up_is_stationary():
    model, y0 = cart_pole(), array(0.0, 0.0, 0.0, 0.0)
    cost = QuadraticCost(array(*UPRIGHT), array(0.1, 1.0, 0.1, 0.1), array(0.01), array(10.0, 100.0, 10.0, 10.0))
    ts = jnp.linspace(0.0, 2.0, 41)
    plan = optimize_trajectory(model, cost, ts, y0, tolerance=1e-10)

    @jax.jit
    def slope(us):
        def loss(us):
            held = lambda t, y: us[jnp.clip(jnp.searchsorted(ts, t, side="right") - 1, 0, 39)]  # noqa: E731
            return total_cost(cost, closed_loop(model, held, ts, y0))

        return loss(us), jnp.max(jnp.abs(jax.grad(loss)(us)))

    value, largest = slope(plan.us)
    np.testing.assert_allclose(value, plan.cost, rtol=1e-9)
    start, before = slope(jnp.zeros_like(plan.us))
    assert largest < 1e-3 * before
    assert value < 0.2 * start
    run = closed_loop(model, plan, ts, y0)  # the plan is a controller
    np.testing.assert_allclose(run.ys, plan.ys, atol=1e-8)


def test_the_feedback_of_a_plan_rejects_a_disturbance():
    plan = optimize_trajectory(mass(), reach(), TS, array(0.0, 0.0))
    there = closed_loop(mass(), plan, TS, array(0.1, 0.0)).ys[-1]
    blind = closed_loop(
        mass(), lambda t, y: plan(t, plan.ys[jnp.searchsorted(TS, t, side="right") - 1]), TS, array(0.1, 0.0)
    )
    np.testing.assert_allclose(there, [1.0, 0.0], atol=0.01)
    assert abs(blind.ys[-1, 0] - 1.1) < 0.01


def quadratic(x, H, g):
    return 0.5 * x @ H @ x + g @ x, H @ x + g


@pytest.mark.parametrize("size", [1, 3])
def test_the_box_minimum_is_that_of_scipy(size):
    rng = np.random.default_rng(0)
    at_bounds = 0
    for _ in range(20):
        A, g = rng.normal(size=(size, size)), rng.normal(size=size)
        H = A @ A.T + 0.1 * np.eye(size)
        bounds = [(-0.3, 0.4)] * size
        x, free = box_minimum(jnp.asarray(H), jnp.asarray(g), jnp.full(size, -0.3), jnp.full(size, 0.4))
        best = scipy.optimize.minimize(quadratic, np.zeros(size), (H, g), jac=True, bounds=bounds, tol=1e-14)
        np.testing.assert_allclose(0.5 * x @ H @ x + g @ x, best.fun, rtol=1e-8, atol=1e-10)
        at_bounds += int(size - free.sum())
    assert at_bounds > 0


def test_limits_are_met_and_cost_no_less():
    free = optimize_trajectory(mass(), reach(), TS, array(0.0, 0.0))
    limited = optimize_trajectory(mass(), reach(), TS, array(0.0, 0.0), limits=ControlLimits(-4.2, 4.2))
    assert np.abs(free.us).max() > 4.5
    assert np.abs(limited.us).max() <= 4.2
    assert limited.cost > free.cost
    np.testing.assert_allclose(limited.ys[-1], [1.0, 0.0], atol=0.02)


def test_state_constraints_are_met():
    """A speed limit of 1.2 m/s on the way over 1 m in 1 s, whose free motion reaches 1.5 m/s."""
    free = optimize_trajectory(mass(), reach(), TS, array(0.0, 0.0))
    plan = optimize_trajectory(mass(), reach(), TS, array(0.0, 0.0), constraint=lambda t, y: y[1:] - 1.2)
    assert free.ys[:, 1].max() > 1.4
    assert plan.ys[:, 1].max() < 1.2 + 1e-3
    np.testing.assert_allclose(plan.ys[-1], [1.0, 0.0], atol=0.02)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"limits": ControlLimits(-1.0, 1.0), "constraint": lambda t, y: jnp.where(t > 0.9, 1.0 - y[:1], -1.0)},
            "violated by",
        ),
        ({"us": jnp.full((20, 1), jnp.nan)}, "no finite cost"),
        ({"us": jnp.zeros((5, 1))}, r"`us` has shape \(5, 1\); expected \(20, 1\)"),
    ],
)
def test_a_task_without_a_motion_is_refused(options, message):
    kind = ValueError if "shape" in message else ControlError
    with pytest.raises(kind, match=message):
        optimize_trajectory(mass(), reach(), TS, array(0.0, 0.0), **options)


class Speed(AbstractCost):
    """A cost that is not quadratic."""

    def running(self, t, y, u):
        return jnp.cosh(y[0] - 1.0) + 0.05 * u @ u

    def final(self, t, y):
        return 100.0 * jnp.log(jnp.cosh(y[0] - 1.0) + y[1] ** 2)


def test_any_smooth_cost_will_do():
    plan = optimize_trajectory(mass(), Speed(), TS, array(0.0, 0.0), tolerance=1e-9)
    rng = np.random.default_rng(0)

    @jax.jit
    def value(us):
        held = lambda t, y: us[jnp.clip(jnp.searchsorted(TS, t, side="right") - 1, 0, 19)]  # noqa: E731
        return total_cost(Speed(), closed_loop(mass(), held, TS, array(0.0, 0.0)))

    for _ in range(5):
        assert value(plan.us + 0.05 * rng.normal(size=plan.us.shape)) > plan.cost


def test_a_receding_horizon_brings_a_mass_to_rest_within_its_limits():
    limits = ControlLimits(-1.0, 1.0)
    cost = QuadraticCost(array(0.0, 0.0), array(1.0, 0.2), array(0.05), array(5.0, 2.0))
    controller = RecedingHorizon(mass(), cost, 0.1, 15, limits=limits, guess=lambda t, y: -y[:1] - y[1:], iterations=5)
    run = jax.jit(lambda y0: closed_loop(mass(), controller, jnp.arange(0.0, 6.0, 0.1), y0))(array(1.0, 0.0))
    assert np.abs(run.us).max() <= 1.0
    np.testing.assert_allclose(run.ys[-1], [0.0, 0.0], atol=0.01)
    assert list(itertools.islice((float(u) for u in run.us[:, 0]), 3)) == [-1.0, -1.0, -1.0]


def test_a_control_at_its_limit_has_no_feedback():
    limited = optimize_trajectory(mass(), reach(), TS, array(0.0, 0.0), limits=ControlLimits(-4.2, 4.2))
    at_limit = np.abs(limited.us[:, 0]) == 4.2
    assert 0 < at_limit.sum() < 20
    assert np.all(np.asarray(limited.gains)[at_limit] == 0)
    assert np.all(np.abs(np.asarray(limited.gains)[~at_limit]).max(axis=(1, 2)) > 0)

"""Order of convergence, read off as a slope, of our own methods and of the training rollout."""

from functools import cache

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp

import neural_lagrangian as nl
from neural_lagrangian.integrators import RK4, Integration

from ..helpers import DTYPE

pytestmark = pytest.mark.double
Y0 = jnp.asarray([1.1, 0.7], DTYPE)


def pendulum(t, y, args=None):
    """Nonlinear, damped, and driven: every term of the error expansion is there."""
    q, v = y
    return jnp.stack([v, -4 * jnp.sin(q) - 0.3 * v + jnp.cos(2 * t)])


TERM = diffrax.ODETerm(pendulum)


@cache
def exact():
    reference = solve_ivp(lambda t, y: np.asarray(pendulum(t, y)), (0, 2), Y0, "DOP853", rtol=1e-13, atol=1e-13)
    return reference.y[:, -1]


def slope(run, counts):
    errors = [np.linalg.norm(run(count) - exact()) for count in counts]
    return -np.polyfit(np.log(counts), np.log(errors), 1)[0]


def test_rk4_is_of_order_four():
    @jax.jit
    def run(dt0):
        return diffrax.diffeqsolve(TERM, RK4(), 0.0, 2.0, dt0, Y0).ys[-1]

    assert slope(lambda count: run(2 / count), [80, 160, 320]) == pytest.approx(4, abs=0.1)


def test_rk4_adapts_its_steps():
    controller = diffrax.PIDController(rtol=1e-8, atol=1e-8)
    solution = diffrax.diffeqsolve(TERM, RK4(), 0.0, 2.0, None, Y0, stepsize_controller=controller, max_steps=100_000)
    np.testing.assert_allclose(solution.ys[-1], exact(), atol=1e-6)


@pytest.mark.parametrize(
    ("solver", "order", "counts"),
    [
        (diffrax.Euler(), 1, [1000, 2000, 4000]),
        (diffrax.Heun(), 2, [200, 400, 800]),
        (diffrax.Bosh3(), 3, [100, 200, 400]),
        (RK4(), 4, [80, 160, 320]),
        (diffrax.Dopri5(), 5, [80, 120, 160]),
    ],
    ids=["Euler", "Heun", "Bosh3", "RK4", "Dopri5"],
)
def test_training_rollout_has_the_order_of_its_solver(solver, order, counts):
    def run(count):
        integration = Integration(solver, stepsize_controller=nl.StepsPerSample(2))
        ts = jnp.linspace(0.0, 2.0, count // 2 + 1)
        return jax.jit(lambda: integration.rollout(TERM, ts, Y0)[-1])()

    assert slope(run, counts) == pytest.approx(order, abs=0.15)

"""What variational solvers conserve: the symplectic form, momenta, the direction of time, and nearly the energy."""

from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.integrators import RK4, Integration, StormerVerlet, VariationalMidpoint
from neural_lagrangian.integrators.galerkin import _compensated_sum
from neural_lagrangian.mechanics.legendre import velocity_from_momentum
from neural_lagrangian.systems import HarmonicOscillator, Pendulum

from ..helpers import DTYPE, slow
from .motions import Y0, conservative, driven

pytestmark = pytest.mark.double
J = np.block([[np.zeros((2, 2)), np.eye(2)], [-np.eye(2), np.zeros((2, 2))]])


@partial(jax.jit, static_argnums=(0, 1, 4))
def rows(lagrangian, solver, ts, y0, substeps=1):
    integration = Integration(solver, stepsize_controller=nl.StepsPerSample(substeps))
    return integration.rollout(nl.EulerLagrangeTerm(lagrangian), ts, y0)


@cache
def jacobian_of_a_step(solver, lagrangian, h):
    """Of (q, p) after a step in (q, p) before it."""

    def step(x):
        q, p = jnp.split(x, 2)
        v = velocity_from_momentum(lagrangian, 0.3, q, p, guess=Y0[2:])
        q, v = jnp.split(rows(lagrangian, solver, jnp.asarray([0.3, 0.3 + h]), jnp.concatenate([q, v]))[-1], 2)
        return jnp.concatenate([q, nl.momentum(lagrangian, 0.3 + h, q, v)])

    start = jnp.concatenate([Y0[:2], nl.momentum(lagrangian, 0.3, Y0[:2], Y0[2:])])
    return np.asarray(jax.jit(jax.jacfwd(step))(start))


def symplectic_error(A):
    return np.max(np.abs(A.T @ J @ A - J))


@pytest.mark.parametrize(
    "solver",
    [
        slow(nl.GalerkinGaussLobatto(0)),
        nl.GalerkinGaussLobatto(2),
        slow(nl.GalerkinGaussLobatto(8)),
        slow(VariationalMidpoint()),
    ],
    ids=str,
)
def test_a_step_is_symplectic(solver):
    """Of a Lagrangian that is not separable and depends on time."""
    A = jacobian_of_a_step(solver, driven, 0.3)
    assert symplectic_error(A) < 1e-13
    assert np.max(np.abs(A - np.eye(4))) > 0.1


def test_a_step_of_runge_and_kutta_is_not_symplectic():
    assert symplectic_error(jacobian_of_a_step(RK4(), driven, 0.3)) > 1e-6


def central(t, q, v):
    """Two bodies that pull on each other, of unequal masses, in the plane: no place and no direction is special."""
    r2 = jnp.sum((q[:2] - q[2:]) ** 2)
    return jnp.sum(v[:2] ** 2) + 0.5 * jnp.sum(v[2:] ** 2) - jnp.sqrt(1 + r2) + 0.1 * jnp.sum((v[:2] - v[2:]) ** 2) ** 2


def momenta(y):
    """Linear, in both directions, and angular."""
    q, v = jnp.split(y, 2)
    p = nl.momentum(central, 0.0, q, v)
    angular = sum(q[i] * p[i + 1] - q[i + 1] * p[i] for i in (0, 2))
    return jnp.stack([p[0] + p[2], p[1] + p[3], angular])


PLANAR = jnp.asarray([0.8, 0.1, -0.9, 0.2, 0.1, 0.5, -0.199, -1.0], DTYPE)


@pytest.mark.parametrize("solver", [StormerVerlet(), slow(nl.GalerkinGaussLobatto(2))], ids=str)
def test_momenta_are_conserved_over_a_hundred_thousand_steps(solver):
    ys = rows(central, solver, jnp.linspace(0.0, 1e4, 1001), PLANAR, 100)
    drift = jax.vmap(momenta)(ys) - momenta(PLANAR)[None]
    assert np.max(np.abs(drift)) < 1e-12
    assert np.ptp(ys[:, 0] - ys[:, 2]) > 1


def test_runge_and_kutta_lose_angular_momentum():
    ys = rows(central, RK4(), jnp.linspace(0.0, 1e3, 101), PLANAR, 100)
    linear, angular = np.split(np.abs(jax.vmap(momenta)(ys) - momenta(PLANAR)[None]), [2], axis=1)
    assert np.max(linear) < 1e-10
    assert np.max(angular) > 1e-6


def test_a_symmetry_that_is_broken_conserves_nothing():
    ys = rows(conservative, nl.GalerkinGaussLobatto(2), jnp.linspace(0.0, 10.0, 101), Y0)
    p = jax.vmap(lambda y: nl.momentum(conservative, 0.0, y[:2], y[2:]))(ys)
    assert np.min(np.ptp(p, axis=0)) > 0.1


@pytest.mark.parametrize("solver", [StormerVerlet(), nl.GalerkinGaussLobatto(2), VariationalMidpoint()], ids=str)
def test_there_and_back_in_a_thousand_steps(solver):
    """A step back in time is the inverse of the step; motion with velocities reversed runs back too."""
    ts = jnp.asarray([0.0, 100.0])
    there = rows(quartic, solver, ts, Y0, 1000)[-1]
    back = rows(quartic, solver, ts[::-1], there, 1000)[-1]
    flip = jnp.asarray([1.0, 1.0, -1.0, -1.0])
    mirrored = flip * rows(quartic, solver, ts, flip * there, 1000)[-1]
    np.testing.assert_allclose(back, Y0, rtol=0, atol=1e-12)
    np.testing.assert_allclose(mirrored, Y0, rtol=0, atol=1e-12)


def test_runge_and_kutta_do_not_come_back():
    ts = jnp.linspace(0.0, 100.0, 1001)
    back = rows(quartic, RK4(), ts[::-1], rows(quartic, RK4(), ts, Y0)[-1])[-1]
    assert np.max(np.abs(back - Y0)) > 1e-7


def test_a_sum_of_many_small_steps_loses_nothing():
    """A hundred thousand tenths, to the last digit of the sum."""

    def add(_, carry):
        return _compensated_sum(carry[0], jnp.asarray(0.1), carry[1])

    zero = jnp.asarray(0.0)
    total, _ = jax.jit(lambda: jax.lax.fori_loop(0, 100_000, add, (zero, zero)))()
    plain = jax.jit(lambda: jax.lax.fori_loop(0, 100_000, lambda _, total: total + 0.1, zero))()
    assert abs(total - 1e4) < 4e-12
    assert abs(plain - 1e4) > 1e-9


def quartic(t, q, v):
    """A mass that varies and a bounded, regular motion, so that round-off is not multiplied by chaos."""
    return 0.5 * (1 + 0.2 * q[0] ** 2) * v[0] ** 2 + 0.5 * v[1] ** 2 - 0.5 * jnp.sum(q**2) - 0.05 * q[1] ** 4


def energy_errors(system, solver, y0, steps, h=0.1, samples=1000):
    """Relative to the start, at samples spread over the motion."""
    ts = jnp.arange(samples + 1.0) * (steps // samples * h)
    ys = rows(system.lagrangian, solver, ts, y0, steps // samples)
    E = jax.vmap(lambda y: system.energy(0.0, y[:1], y[1:]))(ys)
    return np.asarray((E - E[0]) / E[0])


OSCILLATOR = HarmonicOscillator(1.0, 1.0)
PENDULUM = Pendulum(1.0, 1.0, 1.0)


@pytest.mark.parametrize(
    ("system", "y0"), [(OSCILLATOR, [1.0, 0.0]), (PENDULUM, [2.0, 0.3])], ids=["oscillator", "pendulum"]
)
def test_energy_error_stays_at_round_off(system, y0):
    """It grows as the distance of a random walk whose steps are one rounding, with and without fused multiply-add."""
    steps = 300_000
    errors = energy_errors(system, nl.GalerkinGaussLobatto(8), jnp.asarray(y0), steps)
    third, walk = len(errors) // 3, np.sqrt(steps) * np.finfo(float).eps
    assert np.max(np.abs(errors)) < 2 * walk
    assert abs(np.mean(errors[-third:]) - np.mean(errors[:third])) < walk


@pytest.mark.parametrize("solver", [StormerVerlet(), VariationalMidpoint(), nl.GalerkinGaussLobatto(1)], ids=str)
def test_energy_error_of_low_orders_is_bounded(solver):
    errors = np.abs(energy_errors(PENDULUM, solver, jnp.asarray([2.0, 0.3]), 30_000, samples=10_000))
    third = len(errors) // 3
    assert np.max(errors[:third]) > 1e-8
    assert np.max(errors[-third:]) < 1.01 * np.max(errors[:third])


def test_energy_error_of_runge_and_kutta_grows():
    errors = np.abs(energy_errors(PENDULUM, RK4(), jnp.asarray([2.0, 0.3]), 30_000))
    third = len(errors) // 3
    assert np.max(errors[-third:]) > 2 * np.max(errors[:third])

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.systems import DoublePendulum

from ..helpers import DOUBLE, LAGRANGIANS, double_pendulum, plain_acceleration, states


@pytest.mark.double
def test_double_pendulum_against_the_hand_derived_equations():
    t, q, v = states(2, 10_000, scale=3.0)
    system = DoublePendulum((1.0, 1.4), (0.8, 1.1), 9.81)
    derived = jax.jit(jax.vmap(lambda t, q, v: nl.acceleration(system.lagrangian, t, q, v)))(t, q, v)
    by_hand = jax.vmap(system.acceleration)(t, q, v)
    error = jnp.linalg.norm(derived - by_hand, axis=1) / jnp.linalg.norm(by_hand, axis=1)
    assert error.max() < 1e-12


@pytest.mark.parametrize("name", LAGRANGIANS)
def test_against_the_published_formula(name):
    lagrangian, dof = LAGRANGIANS[name]
    t, q, v = states(dof, 20)
    ours = jax.jit(jax.vmap(lambda t, q, v: nl.acceleration(lagrangian, t, q, v)))(t, q, v)
    plain = jax.jit(jax.vmap(lambda t, q, v: plain_acceleration(lagrangian, t, q, v)))(t, q, v)
    np.testing.assert_allclose(ours, plain, rtol=1e-9 if DOUBLE else 3e-3, atol=1e-9 if DOUBLE else 3e-3)


def test_the_transposed_mixed_block_would_be_noticed():
    """Negative control: the common index bug changes the answer on the Lagrangian used above."""
    lagrangian, dof = LAGRANGIANS["charged_particle"]
    t, q, v = (x[0] for x in states(dof, 1))

    @jax.jit
    def transposed(t, q, v):
        M = jax.hessian(lagrangian, 2)(t, q, v)
        mixed = jax.jacfwd(jax.grad(lagrangian, 2), 1)(t, q, v)
        drift = jax.jacfwd(jax.grad(lagrangian, 2), 0)(t, q, v)
        return jnp.linalg.solve(M, jax.grad(lagrangian, 1)(t, q, v) - mixed.T @ v - drift)

    wrong = transposed(t, q, v)
    assert jnp.abs(wrong - nl.acceleration(lagrangian, t, q, v)).max() > 1e-2


@pytest.mark.parametrize("name", LAGRANGIANS)
def test_residual_vanishes_on_the_motion_and_only_there(name):
    lagrangian, dof = LAGRANGIANS[name]
    t, q, v = (x[0] for x in states(dof, 1, seed=3))

    def force(t, q, v):
        return -0.3 * v + jnp.sin(t)

    @jax.jit
    def residuals(t, q, v):
        a = nl.acceleration(lagrangian, t, q, v, force=force)
        on, off = (nl.mechanics.euler_lagrange_residual(lagrangian, t, q, v, b, force=force) for b in (a, a + 1e-2))
        return on, off, nl.mass_matrix(lagrangian, t, q, v)

    on, off, M = map(np.asarray, residuals(t, q, v))
    assert np.abs(on).max() < (1e-11 if DOUBLE else 1e-3)
    assert np.abs(off).max() > 3e-3
    np.testing.assert_allclose(off, on - 1e-2 * M.sum(axis=1), atol=1e-10 if DOUBLE else 1e-3)


def test_force_enters_as_a_generalised_force():
    t, q, v = (x[0] for x in states(2, 1))
    Q = jnp.asarray([0.3, -0.2], q.dtype)
    free = nl.acceleration(double_pendulum, t, q, v)
    forced = nl.acceleration(double_pendulum, t, q, v, force=lambda t, q, v: Q)
    np.testing.assert_allclose(nl.mass_matrix(double_pendulum, t, q, v) @ (forced - free), Q, rtol=1e-4)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0.0, jnp.zeros(2, int), jnp.zeros(2)), "`q` has dtype int"),
        ((0.0, jnp.zeros(2), jnp.zeros(3)), r"`v` has shape \(3,\); expected \(2,\), that of `q`"),
        ((0.0, jnp.zeros((2, 2)), jnp.zeros((2, 2))), r"`q` has shape \(2, 2\); expected \(dof\)"),
        ((jnp.zeros(2), jnp.zeros(2), jnp.zeros(2)), r"`t` has shape \(2,\); expected a scalar time"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    for function in (nl.acceleration, nl.mass_matrix, nl.momentum, nl.energy):
        with pytest.raises(ValueError, match=message):
            function(double_pendulum, *arguments)


@pytest.mark.bad_input
def test_what_the_callables_return_is_checked():
    with pytest.raises(ValueError, match=r"`lagrangian` returned shape \(2,\)"):
        nl.acceleration(lambda t, q, v: v, 0.0, jnp.zeros(2), jnp.zeros(2))
    with pytest.raises(ValueError, match=r"`force` returned shape \(\); expected \(2,\)"):
        nl.acceleration(double_pendulum, 0.0, jnp.zeros(2), jnp.zeros(2), force=lambda t, q, v: jnp.sum(v))

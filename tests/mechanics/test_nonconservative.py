"""Galley's doubled coordinates: the physical limit against forces derived by hand."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl

from ..helpers import DOUBLE, DTYPE, states

RTOL = 1e-12 if DOUBLE else 1e-5


def test_linear_damping_with_the_source_s_factor():
    """K = -lambda v_+ . q_- gives Q = -lambda v, that of the damped oscillator."""
    system = nl.systems.DampedOscillator(mass=1.3, stiffness=2.0, damping=0.4)
    force = nl.mechanics.NonconservativePotential(
        lambda t, q_minus, v_minus, q_plus, v_plus: -0.4 * jnp.dot(v_plus, q_minus)
    )
    t, q, v = states(1, 5)
    np.testing.assert_allclose(jax.vmap(force)(t, q, v), jax.vmap(system.force)(t, q, v), rtol=RTOL)
    a = jax.vmap(lambda *x: nl.acceleration(system.lagrangian, *x, force=force))(t, q, v)
    np.testing.assert_allclose(a, jax.vmap(system.acceleration)(t, q, v), rtol=RTOL)


def test_the_momentum_part_is_differentiated_in_time():
    """K = sin(t) q_+^2 . v_-: B = sin(t) q^2, so Q = -cos(t) q^2 - 2 sin(t) q v."""
    force = nl.mechanics.NonconservativePotential(lambda t, qm, vm, qp, vp: jnp.sin(t) * jnp.dot(qp**2, vm))
    for t, q, v in zip(*states(2, 5), strict=True):
        np.testing.assert_allclose(force(t, q, v), -jnp.cos(t) * q**2 - 2 * jnp.sin(t) * q * v, rtol=RTOL)


def test_a_total_derivative_is_no_force():
    """K = d/dt (F(q_+) . q_-) = q_- . dF/dq v_+ + F . v_- does nothing."""
    F = lambda q: jnp.stack([jnp.sin(q[1]), q[0] * q[1]])  # noqa: E731

    def K(t, qm, vm, qp, vp):
        rate = jnp.stack([jnp.cos(qp[1]) * vp[1], qp[0] * vp[1] + qp[1] * vp[0]])
        return jnp.dot(qm, rate) + jnp.dot(F(qp), vm)

    t, q, v = (x[0] for x in states(2, 1))
    np.testing.assert_allclose(nl.mechanics.NonconservativePotential(K)(t, q, v), jnp.zeros(2), atol=RTOL)


def test_only_the_linear_part_survives_the_limit():
    t, q, v = (x[0] for x in states(2, 1))
    force = nl.mechanics.NonconservativePotential(
        lambda t, qm, vm, qp, vp: jnp.sum(qm**3) * vp[0] + qm[0] * qm[1] * vm[1]
    )
    np.testing.assert_array_equal(force(t, q, v), jnp.zeros(2))


@pytest.mark.parametrize("wrap", [lambda K: K, eqx.filter_jit])
def test_a_momentum_that_depends_on_velocity_is_refused(wrap):
    t, q, v = (x[0] for x in states(2, 1))
    with pytest.raises(ValueError, match=r"depends on v_plus.*expected this term in the Lagrangian"):
        nl.mechanics.NonconservativePotential(wrap(lambda t, qm, vm, qp, vp: jnp.dot(vm, vp)))(t, q, v)
    fine = nl.mechanics.NonconservativePotential(wrap(lambda t, qm, vm, qp, vp: jnp.dot(vm, qp) - jnp.dot(qm, vp)))
    np.testing.assert_allclose(fine(t, q, v), -2 * v, rtol=RTOL)


def test_a_refused_part_is_a_mass_in_the_lagrangian():
    """K = m v_- . v_+ would add m to the mass: what L = m v^2 / 2 does."""
    t, q, v = (x[0] for x in states(1, 1))
    L = lambda mass: lambda t, q, v: 0.5 * mass * v[0] ** 2 - 0.5 * q[0] ** 2  # noqa: E731
    heavy = nl.acceleration(L(3.0), t, q, v)
    np.testing.assert_allclose(heavy, -q / 3, rtol=RTOL)


@pytest.mark.bad_input
def test_bad_input_is_named():
    q = jnp.ones(2, DTYPE)
    with pytest.raises(ValueError, match=r"`potential` is 3\.0; expected a callable"):
        nl.mechanics.NonconservativePotential(3.0)
    with pytest.raises(ValueError, match=r"`potential` returned shape \(2,\); expected a scalar"):
        nl.mechanics.NonconservativePotential(lambda t, qm, vm, qp, vp: qm)(0.0, q, q)

"""Sums of Lagrangians, and what counts as one."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.models.lagrangian import LagrangianSum, as_lagrangian, takes_time_and_state

from ..helpers import DOUBLE, DTYPE, small_network, states

KEY = jax.random.key(0)
RTOL = 1e-12 if DOUBLE else 1e-4
MECHANICAL = nl.MechanicalLagrangian.from_mlp(2, 8, key=KEY)


def drive(t, q, v):
    return jnp.sin(t) * q[0] * v[1]


@pytest.mark.parametrize("other", [drive, small_network(), MECHANICAL], ids=["function", "network", "lagrangian"])
def test_a_sum_is_the_sum_of_its_terms(other):
    t, q, v = (x[0] for x in states(2, 1))
    expected = MECHANICAL(t, q, v) + as_lagrangian(other)(t, q, v)
    for total in (MECHANICAL + other, other + MECHANICAL):
        np.testing.assert_allclose(total(t, q, v), expected, rtol=RTOL)
        assert total.dof == 2
        assert len((total + drive).terms) == 3


def test_a_sum_is_solved_as_its_terms_agree():
    assert isinstance((MECHANICAL + MECHANICAL).mass_solve, nl.Cholesky)
    assert isinstance((MECHANICAL + small_network()).mass_solve, nl.PseudoInverse)
    armature = nl.ParametricLagrangian(lambda t, q, v, *, rotor: rotor * v @ v, dof=2, rotor=jnp.asarray(0.1, DTYPE))
    assert isinstance((MECHANICAL + armature).mass_solve, nl.PseudoInverse)  # the coefficient may become negative


def test_a_term_without_mass_leaves_the_others_positive_definite():
    """A potential, or a term linear in the velocities, trained or not."""
    spring = nl.ParametricLagrangian(lambda t, q, v, *, k: -k * q @ q, dof=2, k=jnp.asarray(0.1, DTYPE))
    for term in (drive, spring):
        for total in (MECHANICAL + term, term + MECHANICAL, MECHANICAL + term + MECHANICAL):
            assert isinstance(total.mass_solve, nl.Cholesky)


def test_terms_must_agree_in_number():
    with pytest.raises(ValueError, match=r"`terms` have \[1, 2\] degrees of freedom"):
        MECHANICAL + nl.MechanicalLagrangian.from_mlp(1, 8, key=KEY)


def test_what_is_called_with_time_and_state():
    system = nl.systems.DoublePendulum()
    assert takes_time_and_state(system.lagrangian)
    assert takes_time_and_state(lambda t, q, v: jnp.dot(v, v))
    assert takes_time_and_state(LagrangianSum((drive,)))
    assert not takes_time_and_state(small_network())
    assert not takes_time_and_state(lambda y: y @ y)
    assert not takes_time_and_state(lambda *y: 0.0)


def test_a_formula_of_time_and_state_is_a_model():
    system = nl.systems.DoublePendulum()
    model = nl.NeuralLagrangian(system.lagrangian, dof=2)
    t, q, v = (x[0] for x in states(2, 1))
    np.testing.assert_allclose(model.acceleration(t, q, v), system.acceleration(t, q, v), rtol=RTOL, atol=RTOL)
    assert model.kinetic_prior == 0


def test_a_model_takes_what_the_lagrangian_says():
    model = nl.NeuralLagrangian(MECHANICAL)
    assert model.dof == 2
    assert model.kinetic_prior == 0
    assert isinstance(model.mass_solve, nl.Cholesky)
    assert isinstance(nl.NeuralLagrangian(MECHANICAL, mass_solve=nl.DampedInverse()).mass_solve, nl.DampedInverse)
    with pytest.raises(ValueError, match="`network` has 2 degrees of freedom; expected `dof` 3"):
        nl.NeuralLagrangian(MECHANICAL, dof=3)


@pytest.mark.bad_input
def test_what_is_not_a_lagrangian_is_refused():
    with pytest.raises(ValueError, match="`network` is 3; expected a callable"):
        MECHANICAL + 3
    with pytest.raises(ValueError, match=r"`network` returned shape \(2,\); expected a scalar"):
        nl.NeuralLagrangian(lambda t, q, v: v, dof=2)
    with pytest.raises(ValueError, match="no second derivative in the velocities"):
        nl.NeuralLagrangian(lambda t, q, v: jnp.sum(q), dof=2)


def test_explicit_time_reaches_the_motion():
    """L = v^2/2 + q sin t: the acceleration is sin t. A total derivative that grows with time changes nothing."""

    def lagrangian(t, q, v):
        return 0.5 * jnp.dot(v, v) + q[0] * jnp.sin(t)

    gauge = lambda t, q, v: q[0] * v[0] * t + 0.5 * q[0] ** 2  # noqa: E731 - d/dt (t q^2 / 2)
    t, q, v = jnp.asarray(0.7, DTYPE), jnp.asarray([0.3], DTYPE), jnp.asarray([-0.2], DTYPE)
    for total in (lagrangian, LagrangianSum((lagrangian, gauge))):
        model = nl.NeuralLagrangian(total, dof=1)
        np.testing.assert_allclose(model.acceleration(t, q, v), jnp.sin(t)[None], rtol=RTOL)

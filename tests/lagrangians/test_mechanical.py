"""Kinetic minus potential energy: positive mass at any weights, and the motion of hand-derived mechanics."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl

from ..helpers import DOUBLE, DTYPE, random_like, slow, states

KEY = jax.random.key(0)
RTOL = 1e-10 if DOUBLE else 2e-4
KINDS = ["full", "diagonal", "constant", "constant diagonal", "unit"]
CASES = [("full", True), ("constant", False), ("unit", False)]
REST = [slow(kind, linear) for kind in KINDS for linear in (False, True) if (kind, linear) not in CASES]


def mechanical(dof=2, **keywords):
    return nl.MechanicalLagrangian.from_mlp(dof, 8, key=KEY, **keywords)


@pytest.mark.parametrize(("kind", "linear"), CASES + REST)
def test_motion_is_that_of_hand_derived_mechanics(kind, linear):
    """M a = -dV/dq + v^T dM/dq v / 2 - (dM/dt) v + (dA_j/dq_i - dA_i/dq_j) v_j."""
    L = mechanical(3, mass=kind, linear=linear, periodic=(1,))
    if eqx.is_array(L.mass):
        L = eqx.tree_at(lambda m: m.mass, L, random_like(L.mass))

    @eqx.filter_jit
    def both(L, t, q, v):
        M, dM = L.mass_matrix(q), jax.jacfwd(L.mass_matrix)(q)
        b = -jax.grad(L.potential_energy)(q)
        b += 0.5 * jnp.einsum("jki,j,k->i", dM, v, v) - jnp.einsum("ijk,j,k->i", dM, v, v)
        if linear:
            dA = jax.jacfwd(L.linear)(q)
            b += (dA.T - dA) @ v
        by_hand = M, jnp.linalg.solve(M, b), 0.5 * v @ M @ v + L.potential_energy(q)
        model = nl.NeuralLagrangian.from_lagrangian(L)
        return (model.mass_matrix(t, q, v), model.acceleration(t, q, v), model.energy(t, q, v)), by_hand

    derived, by_hand = both(L, *(x[0] for x in states(3, 1)))
    for one, other, atol in zip(derived, by_hand, (RTOL, RTOL, 0), strict=True):
        np.testing.assert_allclose(one, other, rtol=RTOL, atol=atol)


@pytest.mark.parametrize("kind", KINDS)
def test_mass_is_positive_at_any_weights(kind):
    L = mechanical(4, mass=kind)
    dynamic, static = eqx.partition(L, eqx.is_inexact_array)

    def smallest(seed):
        wild = eqx.combine(jax.tree.map(lambda x: 3 * x, random_like(dynamic, seed)), static)
        q = states(4, 1, seed)[1][0]
        return jnp.linalg.eigvalsh(wild.mass_matrix(q))[0]

    # The smallest eigenvalue is at least the floor, up to the round-off of the largest (about 1e3).
    assert min(float(smallest(seed)) for seed in range(20)) > (0.9e-3 if DOUBLE else -1e-3)


def test_periodic_coordinates_are_exactly_periodic():
    L = mechanical(2, periodic=(1,), linear=True)
    t, q, v = (x[0] for x in states(2, 1))
    turned = q + jnp.asarray([0.0, 2 * jnp.pi], DTYPE)
    np.testing.assert_allclose(L(t, turned, v), L(t, q, v), rtol=1e-12 if DOUBLE else 1e-5)
    assert L(t, turned[::-1], v) != L(t, q[::-1], v)


def test_time_reversal_is_broken_by_the_linear_term_alone():
    t, q, v = (x[0] for x in states(2, 1))
    even, odd = mechanical(), mechanical(linear=True)
    np.testing.assert_array_equal(even(t, q, -v), even(t, q, v))
    assert odd(t, q, -v) != odd(t, q, v)


def test_starts_near_a_free_particle():
    zero = jax.tree.map(lambda x: 0 * x if eqx.is_inexact_array(x) else x, mechanical())
    t, q, v = (x[0] for x in states(2, 1))
    np.testing.assert_allclose(zero.mass_matrix(q), (1 + zero.floor) * np.eye(2), rtol=1e-6)
    np.testing.assert_array_equal(nl.NeuralLagrangian(zero).acceleration(t, q, v), jnp.zeros(2))


def test_any_callable_and_no_potential():
    L = nl.MechanicalLagrangian(lambda q: jnp.sum(jnp.cos(q), keepdims=True), lambda q: jnp.sin(q), dof=1, floor=0.0)
    q, v = jnp.asarray([0.3], DTYPE), jnp.asarray([0.5], DTYPE)
    expected = 0.5 * (1 + jnp.sin(0.3)) ** 2 * 0.25 - jnp.cos(0.3)
    np.testing.assert_allclose(L(0.0, q, v), expected, rtol=1e-6)
    free = nl.NeuralLagrangian(nl.MechanicalLagrangian(None, dof=2))
    np.testing.assert_array_equal(free.acceleration(0.0, jnp.ones(2, DTYPE), jnp.ones(2, DTYPE)), jnp.zeros(2))


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nl.MechanicalLagrangian(3.0, dof=1), "`potential` is 3.0; expected a callable"),
        (lambda: nl.MechanicalLagrangian(jnp.sum, dof=0), "`dof` is 0"),
        (lambda: nl.MechanicalLagrangian(jnp.sum, dof=1, floor=-1.0), "`floor` is -1.0"),
        (lambda: nl.MechanicalLagrangian.from_mlp(2, mass="fool", key=KEY), "`mass` is 'fool'; expected one of 'full'"),
        (
            lambda: nl.NeuralLagrangian(nl.MechanicalLagrangian(jnp.sum, jnp.zeros(4), dof=3)),
            r"`mass` returned shape \(4,\); expected \(6,\) or \(3,\)",
        ),
        (
            lambda: nl.NeuralLagrangian(nl.MechanicalLagrangian(lambda q: q, dof=2)),
            r"`potential` returned shape \(2,\); expected \(\)",
        ),
        (
            lambda: nl.NeuralLagrangian(nl.MechanicalLagrangian(jnp.sum, linear=jnp.sum, dof=2)),
            r"`linear` returned shape \(\); expected \(2,\)",
        ),
    ],
)
def test_bad_input_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()

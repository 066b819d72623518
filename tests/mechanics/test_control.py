"""Controls: samples joined as they say, matrices of every kind, and motion driven by a known input."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.mechanics import ControlForce, SampledControl, inverse_dynamics
from neural_lagrangian.systems import CartPole

from ..helpers import DOUBLE, DTYPE, states

RTOL = 1e-9 if DOUBLE else 1e-4
TS = jnp.asarray([0.0, 0.5, 2.0], DTYPE)
US = jnp.asarray([[1.0, 0.0], [3.0, -1.0], [0.0, 5.0]], DTYPE)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("linear", [[1, 0], [1, 0], [2, -0.5], [3, -1], [1.5, 2], [0, 5], [0, 5]]),
        ("hold", [[1, 0], [1, 0], [1, 0], [3, -1], [3, -1], [0, 5], [0, 5]]),
    ],
)
def test_samples_are_joined_and_hold_beyond_their_ends(kind, expected):
    times = jnp.asarray([-1.0, 0.0, 0.25, 0.5, 1.25, 2.0, 9.0], DTYPE)
    np.testing.assert_allclose(jax.vmap(SampledControl(TS, US, kind))(times), expected, rtol=1e-6)
    single = jax.vmap(SampledControl(TS[1:2], US[1:2], kind))(times)
    np.testing.assert_array_equal(single, jnp.broadcast_to(US[1:2], (7, 2)))


def test_every_kind_of_matrix():
    t, q, v = 0.25, jnp.asarray([0.3, -0.7], DTYPE), jnp.zeros(2, DTYPE)
    u = SampledControl(TS, US)
    G = [[1.0, 2.0], [0.0, -1.0]]
    expected = np.asarray(G) @ [2.0, -0.5]
    for matrix in (G, jnp.asarray(G, DTYPE), lambda q: jnp.asarray(G, DTYPE)):
        np.testing.assert_allclose(ControlForce(matrix, u)(t, q, v), expected, rtol=1e-6)
    np.testing.assert_allclose(ControlForce(None, u)(t, q, v), [2.0, -0.5], rtol=1e-6)
    np.testing.assert_allclose(ControlForce(jnp.diag, lambda t: q)(t, q, v), q**2, rtol=1e-6)
    np.testing.assert_array_equal(ControlForce()(t, q, v), [0.0, 0.0])


def test_a_matrix_of_numbers_stays_an_array_trains():
    def arrays(force):
        return [leaf.shape for leaf in jax.tree.leaves(eqx.filter(force, eqx.is_inexact_array))]

    assert arrays(ControlForce([[1.0], [0.0]])) == []
    assert arrays(ControlForce(jnp.ones((2, 1), DTYPE))) == [(2, 1)]


def test_motion_under_a_ramp_is_the_closed_form():
    """m a = u0 + (u1 - u0) t / T: a cubic, which the solver integrates exactly."""
    m, T, u0, u1 = 2.0, 2.0, 1.0, -3.0
    control = SampledControl(jnp.asarray([0.0, T], DTYPE), jnp.asarray([[u0], [u1]], DTYPE))
    model = nl.NeuralLagrangian.from_lagrangian(
        lambda t, q, v: 0.5 * m * v[0] ** 2,
        dof=1,
        force=ControlForce([[1.0]], control),
        stepsize_controller=nl.StepsPerSample(1),
    )
    ts = jnp.linspace(0, T, 5, dtype=DTYPE)
    ys = model(ts, jnp.asarray([0.1, -0.2], DTYPE))
    slope = (u1 - u0) / T
    np.testing.assert_allclose(ys[:, 0], 0.1 - 0.2 * ts + (u0 * ts**2 / 2 + slope * ts**3 / 6) / m, rtol=RTOL)
    np.testing.assert_allclose(ys[:, 1], -0.2 + (u0 * ts + slope * ts**2 / 2) / m, rtol=RTOL)


def test_inverse_dynamics_gives_back_what_drove_the_motion():
    """tau of the acceleration that u and friction cause is u; on the cart and pole, M a + c + g by hand."""
    system = CartPole(cart_friction=0.4, pole_friction=0.3)
    control = ControlForce([[1.0], [0.0]], lambda t: jnp.sin(t)[None])

    @jax.jit
    @jax.vmap
    def torques(t, q, v):
        a = nl.acceleration(system.lagrangian, t, q, v, force=lambda *x: system.force(*x) + control(*x))
        tau = inverse_dynamics(system.lagrangian, t, q, v, a, force=system.force)
        everything = inverse_dynamics(system.lagrangian, t, q, v, a)
        return tau, everything - system.force(t, q, v), jnp.stack([jnp.sin(t), jnp.zeros_like(t)])

    tau, without_friction, expected = torques(*states(2, 5))
    np.testing.assert_allclose(tau, expected, rtol=RTOL, atol=RTOL)
    np.testing.assert_allclose(without_friction, expected, rtol=RTOL, atol=RTOL)


def test_inverse_dynamics_of_a_mechanical_lagrangian_by_hand():
    """tau = M a + (dM/dt) v - v^T dM/dq v / 2 + dV/dq."""
    L = nl.MechanicalLagrangian.from_mlp(2, 8, key=jax.random.key(0), dtype=DTYPE)
    t, q, v = (x[0] for x in states(2, 1))
    a = jnp.asarray([0.4, -1.0], DTYPE)

    @jax.jit
    def both(t, q, v, a):
        dM = jax.jacfwd(L.mass_matrix)(q)
        c = jnp.einsum("ijk,j,k->i", dM, v, v) - 0.5 * jnp.einsum("jki,j,k->i", dM, v, v)
        return inverse_dynamics(L, t, q, v, a), L.mass_matrix(q) @ a + c + jax.grad(L.potential_energy)(q)

    tau, expected = both(t, q, v, a)
    np.testing.assert_allclose(tau, expected, rtol=RTOL, atol=RTOL)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda q: SampledControl(TS, US, "cubic"), "`kind` is 'cubic'; expected 'linear' or 'hold'"),
        (lambda q: SampledControl(TS, US[:2]), r"`us` has shape \(2, 2\); expected \(3, m\)"),
        (lambda q: SampledControl(TS, US[:, 0]), r"`us` has shape \(3,\); expected \(3, m\)"),
        (lambda q: SampledControl(TS[:0], US[:0]), "expected at least one time"),
        (lambda q: SampledControl(TS[::-1], US), "`ts` is not strictly increasing"),
        (lambda q: ControlForce(None, 3.0), "`control` is 3.0; expected a callable of t, or None"),
        (lambda q: ControlForce([1.0, 2.0]), "`matrix` is .*; expected finite numbers"),
        (lambda q: ControlForce(jnp.ones(2)), r"`matrix` has shape \(2,\); expected \(dof, m\)"),
        (lambda q: ControlForce([[1.0]], lambda t: q)(0.0, q, q), r"`matrix` has shape \(1, 1\); expected \(2, 2\)"),
        (lambda q: ControlForce(None, lambda t: t)(0.0, q, q), r"`control` returned shape \(\); expected \(m,\)"),
        (lambda q: inverse_dynamics(lambda t, q, v: q @ v, 0.0, q, q, q[:1]), r"`a` has shape \(1,\)"),
    ],
)
def test_bad_input_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make(jnp.ones(2, DTYPE))

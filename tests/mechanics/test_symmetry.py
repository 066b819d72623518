import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.mechanics import Symmetry, noether_charge, symmetry_residual
from neural_lagrangian.systems import NBody, RelativisticParticle

from ..helpers import LAGRANGIANS, states

pytestmark = pytest.mark.double

FIELD = 1.3
Q, V = jnp.asarray([1.1, -0.4]), jnp.asarray([0.2, 0.9])


def kepler(t, q, v):
    return 0.5 * jnp.dot(v, v) + 1 / jnp.linalg.norm(q)


def magnetic(t, q, v):
    return 0.5 * jnp.dot(v, v) + 0.5 * FIELD * (q[0] * v[1] - q[1] * v[0])


def rate(lagrangian, symmetry, force=None):
    """dI/dt along the motion, at some state."""
    a = nl.acceleration(lagrangian, 0.3, Q, V, force=force)

    def charge(t, q, v):
        return noether_charge(lagrangian, symmetry, t, q, v)

    return float(jax.jvp(charge, (0.3, Q, V), (1.0, V, a))[1])


@pytest.mark.parametrize("name", list(LAGRANGIANS))
def test_noether_s_identity_along_any_curve(name):
    """dI/dt = R - E.(xi - tau v), off the motion, for what is no symmetry of anything."""
    lagrangian, dof = LAGRANGIANS[name]
    symmetry = Symmetry(
        lambda t, q: jnp.sin(q) * t + q[::-1] ** 2,
        lambda t, q: jnp.cos(t) + q[0] * t,
        lambda t, q: jnp.sum(q**3) * jnp.exp(-t),
    )

    @jax.jit
    @jax.vmap
    def sides(t, q, v, a):
        def charge(t, q, v):
            return noether_charge(lagrangian, symmetry, t, q, v)

        _, rate = jax.jvp(charge, (t, q, v), (jnp.ones_like(t), v, a))
        tau, xi, _ = symmetry.at(t, q)
        residual = symmetry_residual(lagrangian, symmetry, t, q, v)
        work = jnp.dot(nl.mechanics.euler_lagrange_residual(lagrangian, t, q, v, a), xi - tau * v)
        return rate, residual - work, residual

    t, q, v = states(dof, 20)
    rate, noether, residual = sides(t, q, v, states(dof, 20, seed=1)[1])
    np.testing.assert_allclose(rate, noether, rtol=1e-10, atol=1e-10)
    assert jnp.abs(residual).min() > 1e-3


def test_the_residual_is_what_the_transformed_action_says():
    """An independent oracle: the change of L dt along a transformed curve, by differences in epsilon."""
    symmetry = Symmetry(lambda t, q: jnp.stack([q[1] * t, q[0] ** 2]), lambda t, q: q[0] + t**2)

    def curve(t):
        return jnp.stack([1 + jnp.sin(t), jnp.cos(2 * t)])

    def density(e, t):  # L dt' / dt of the curve q' = q + e xi over t' = t + e tau
        def moved(t):
            tau, xi, _ = symmetry.at(t, curve(t))
            return jnp.concatenate([curve(t) + e * xi, (t + e * tau)[None]])

        here, rates = jax.jvp(moved, (t,), (jnp.ones_like(t),))
        return magnetic(here[2], here[:2], rates[:2] / rates[2]) * rates[2]

    t = jnp.asarray(0.7)
    q, v = jax.jvp(curve, (t,), (jnp.ones_like(t),))
    h = 1e-5
    change = (density(h, t) - density(-h, t)) / (2 * h)
    assert float(symmetry_residual(magnetic, symmetry, t, q, v)) == pytest.approx(float(change), rel=1e-8)


def test_rotations_conserve_angular_momentum():
    rotation = Symmetry.rotation()
    assert rate(kepler, rotation) == pytest.approx(0, abs=1e-12)
    assert float(symmetry_residual(kepler, rotation, 0.0, Q, V)) == pytest.approx(0, abs=1e-12)
    np.testing.assert_allclose(noether_charge(kepler, rotation, 0.0, Q, V), Q[0] * V[1] - Q[1] * V[0])


def test_translations_in_a_magnetic_field_need_their_boundary_term():
    gauge = Symmetry(lambda t, q: [1.0, 0.0], boundary=lambda t, q: 0.5 * FIELD * q[1])
    assert rate(magnetic, gauge) == pytest.approx(0, abs=1e-12)
    assert abs(rate(magnetic, Symmetry.translation(0))) > 0.1  # negative control: without F it is no charge


def test_time_translation_is_minus_the_energy():
    charge = noether_charge(magnetic, Symmetry.time_translation(), 0.0, Q, V)
    np.testing.assert_allclose(charge, -nl.energy(magnetic, 0.0, Q, V), rtol=1e-14)


def test_what_is_no_symmetry_is_not_conserved():
    translation = Symmetry.translation(0)
    assert abs(rate(kepler, translation)) > 0.1
    assert abs(symmetry_residual(kepler, translation, 0.0, Q, V)) > 0.1


def test_a_force_changes_the_charge_at_the_rate_of_its_torque():
    force = lambda t, q, v: -0.3 * v  # noqa: E731
    torque = float(-0.3 * (Q[0] * V[1] - Q[1] * V[0]))
    assert rate(kepler, Symmetry.rotation(), force=force) == pytest.approx(torque, rel=1e-10)


def test_a_lorentz_boost_mixes_space_and_time():
    """xi = t, tau = q / c^2: conserved is where the energy was at time zero."""
    free = RelativisticParticle(light_speed=2.0, load=0.0)
    lorentz = Symmetry(lambda t, q: t[None], lambda t, q: q[0] / 4)
    t, q, v = jnp.asarray(0.7), jnp.asarray([0.3]), jnp.asarray([1.1])

    def moving(t, q, v):  # with its rest energy, without which the boundary term would not be zero
        return free.lagrangian(t, q, v) - free.mass * 4

    assert float(symmetry_residual(moving, lorentz, t, q, v)) == pytest.approx(0, abs=1e-14)
    p, E = nl.momentum(moving, t, q, v)[0], nl.energy(moving, t, q, v)
    np.testing.assert_allclose(noether_charge(moving, lorentz, t, q, v), p * t - E * q[0] / 4, rtol=1e-14)
    galilei = Symmetry.boost(0, 1.0)
    assert abs(symmetry_residual(moving, galilei, t, q, v)) > 0.1


@pytest.mark.parametrize("dimension", [2, 3])
def test_many_bodies_have_galilei_s_symmetries(dimension):
    """Every charge is an invariant that the system states, derived by hand."""
    mass = jnp.asarray([1.0, 2.0, 0.5])
    bodies = NBody(mass=(1.0, 2.0, 0.5), dimension=dimension)
    t, q, v = (x[0] for x in states(3 * dimension, 1))
    known = bodies.invariants(t, q, v)
    expected = {"energy": (Symmetry.time_translation(), -known["energy"])}
    for i in range(dimension):
        expected[f"momentum {i}"] = Symmetry.translation(i, dimension=dimension), known[f"momentum_{i}"]
        centre = -jnp.sum(mass) * known[f"initial_center_{i}"]
        expected[f"centre {i}"] = Symmetry.boost(i, mass, dimension=dimension), centre
        for j in range(i + 1, dimension):
            spin = known[f"angular_momentum_{i}{j}"]
            expected[f"spin {i}{j}"] = Symmetry.rotation((i, j), dimension=dimension), spin
    for name, (symmetry, charge) in expected.items():
        np.testing.assert_allclose(noether_charge(bodies.lagrangian, symmetry, t, q, v), charge, rtol=1e-12)
        np.testing.assert_allclose(symmetry_residual(bodies.lagrangian, symmetry, t, q, v), 0, atol=1e-12, err_msg=name)
    alone = Symmetry.translation(0)  # negative control: of the first body only
    assert abs(symmetry_residual(bodies.lagrangian, alone, t, q, v)) > 1e-3


def test_affine_is_affine():
    A, b, drift = jnp.asarray([[0.0, 2.0], [3.0, 1.0]]), jnp.asarray([1.0, -1.0]), jnp.asarray([0.5, 0.0])
    tau, xi, F = Symmetry.affine(A, b, drift=drift, tau=0.2, boundary=lambda t, q: q[0]).at(2.0, Q)
    np.testing.assert_allclose(xi, A @ Q + b + 2 * drift)
    assert (float(tau), float(F)) == (0.2, float(Q[0]))


@pytest.mark.bad_input
def test_bad_generators_are_named():
    with pytest.raises(ValueError, match=r"`generator` returned shape \(3,\); expected \(2,\)"):
        noether_charge(kepler, Symmetry(lambda t, q: jnp.zeros(3)), 0.0, Q, V)
    with pytest.raises(ValueError, match=r"`tau` has shape \(2,\); expected a scalar"):
        symmetry_residual(kepler, Symmetry(lambda t, q: q, tau=lambda t, q: q), 0.0, Q, V)
    with pytest.raises(ValueError, match="`dimension` is 3; expected a divisor of 2"):
        noether_charge(kepler, Symmetry.rotation(dimension=3), 0.0, Q, V)
    with pytest.raises(ValueError, match="`axis` is 2; expected one of the 2 axes"):
        noether_charge(kepler, Symmetry.translation(2), 0.0, Q, V)
    with pytest.raises(ValueError, match=r"`plane` is \(1, 1\); expected two different axes"):
        noether_charge(kepler, Symmetry.rotation((1, 1)), 0.0, Q, V)
    with pytest.raises(ValueError, match=r"`matrix` has shape \(2, 3\)"):
        Symmetry.affine(jnp.zeros((2, 3)))
    with pytest.raises(ValueError, match=r"`mass` has shape \(3,\)"):
        noether_charge(kepler, Symmetry.boost(0, jnp.ones(3), dimension=1), 0.0, Q, V)

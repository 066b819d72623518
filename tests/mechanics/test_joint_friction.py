"""Friction and inertia of motors: never a gain of energy, Cholesky kept, and constants recovered from torques."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.lagrangians import Armature
from neural_lagrangian.mechanics import (
    Cholesky,
    ControlForce,
    LinearDamping,
    LoadFriction,
    PseudoInverse,
    SmoothFriction,
    inverse_dynamics,
    torque_parts,
)
from neural_lagrangian.training import gauss_newton, torque_residual

from ..helpers import DOUBLE, DTYPE, states

LINKS = nl.systems.DoublePendulum((1.0, 0.6), (0.4, 0.3))


def weight(t, q, v):
    return -jax.grad(LINKS.lagrangian, 1)(t, q, 0 * v)


def test_load_friction_takes_energy_and_grows_with_the_load():
    friction = LoadFriction(weight, jnp.asarray([0.2, 0.3], DTYPE))
    t, q, v = states(2, 50)
    Q = jax.vmap(friction)(t, q, v)
    assert np.all(np.sum(Q * v, axis=1) <= 0)
    v = jnp.asarray([5.0, -5.0], DTYPE)
    q = jnp.asarray([0.4, 1.0], DTYPE)
    np.testing.assert_allclose(friction(0.0, q, v), [-0.2, 0.3] * np.abs(weight(0.0, q, v)), rtol=1e-5)
    np.testing.assert_array_equal(friction(0.0, 0 * q, v), [0.0, 0.0])  # no load hanging down


def test_armature_keeps_cholesky_and_adds_to_the_diagonal():
    network = nl.MechanicalLagrangian.from_mlp(2, 8, key=jax.random.key(0), dtype=DTYPE)
    geared = Armature(jnp.asarray([0.5, 0.1], DTYPE)) + network
    assert isinstance(geared.mass_solve, Cholesky)
    assert isinstance((Armature([0.5, 0.1]) + LINKS.lagrangian).mass_solve, PseudoInverse)  # nothing known of a formula
    q = jnp.asarray([0.3, -0.4], DTYPE)
    difference = nl.mass_matrix(geared, 0.0, q, q) - network.mass_matrix(q)
    np.testing.assert_allclose(difference, np.diag([0.5, 0.1]), atol=1e-5)


@pytest.mark.double
def test_constants_of_a_geared_arm_come_from_torques():
    """Known links; rotor inertia, viscous, dry and load dependent friction are fitted together."""

    def arm(inertia, viscous, dry, load):
        force = LinearDamping(np.sqrt(viscous)) + SmoothFriction(dry, 0.2) + LoadFriction(weight, load, 0.2)
        lagrangian = Armature(inertia) + LINKS.lagrangian
        return nl.NeuralLagrangian.from_lagrangian(lagrangian, force=force + ControlForce())

    true = arm(np.array([0.05, 0.02]), np.array([0.3, 0.1]), np.array([0.4, 0.2]), np.array([0.15, 0.1]))
    _, qs, vs = states(2, 60)
    a = jnp.asarray(np.random.default_rng(2).normal(size=(60, 2)), DTYPE)
    torques = jax.vmap(lambda q, v, a: inverse_dynamics(true.lagrangian, 0.0, q, v, a, force=true.force))(qs, vs, a)
    ts, ys = np.arange(60.0), np.concatenate([qs, vs], axis=1)
    recording = nl.Trajectories(ts, ys, accelerations=np.asarray(a), controls=np.asarray(torques))
    start = arm(np.full(2, 0.1), np.full(2, 0.2), np.full(2, 0.1), np.full(2, 0.05))
    found = gauss_newton(start, recording, residual=torque_residual, horizon=0, steps=30).model
    damping, dry, load, _ = found.force.terms
    np.testing.assert_allclose(found.network.terms[0].inertia, [0.05, 0.02], rtol=1e-4)
    np.testing.assert_allclose(np.diag(damping.damping_matrix(qs[0], vs[0])), [0.3, 0.1], rtol=1e-4)
    np.testing.assert_allclose(dry.strength, [0.4, 0.2], rtol=1e-4)
    np.testing.assert_allclose(load.coefficient, [0.15, 0.1], rtol=1e-4)


def test_parts_of_the_torque_come_in_a_batch():
    """One call under vmap and jit gives what a loop gives."""
    t, q, v = states(2, 4)
    friction = SmoothFriction(jnp.asarray([0.4, 0.2], DTYPE))
    parts = eqx.filter_jit(jax.vmap(lambda t, q, v, a: torque_parts(LINKS.lagrangian, t, q, v, a, force=friction)))
    batch = parts(t, q, v, 2 * v)
    one = torque_parts(LINKS.lagrangian, t[3], q[3], v[3], 2 * v[3], force=friction)
    for of_batch, alone in zip(batch, one, strict=True):
        np.testing.assert_allclose(of_batch[3], alone, rtol=1e-10 if DOUBLE else 1e-4, atol=1e-10 if DOUBLE else 1e-4)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LoadFriction(weight, [0.0]), "`coefficient` is"),
        (lambda: LoadFriction(3.0, [1.0]), "`load` is 3"),
        (lambda: LoadFriction(weight, [1.0, 1.0], [1.0]), r"`width` has shape \(1,\)"),
        (
            lambda: LoadFriction(lambda t, q, v: v[:1], [1.0, 1.0])(0.0, jnp.ones(2), jnp.ones(2)),
            r"`load` has shape \(1,\)",
        ),
        (lambda: Armature([-1.0]), "`inertia` is"),
        (lambda: Armature([[1.0]]), r"`inertia` has shape \(1, 1\)"),
    ],
)
def test_bad_input_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()

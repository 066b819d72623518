"""Constrained motion in Cartesian coordinates, against the same motion in coordinates that need no constraint."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian import mechanics
from neural_lagrangian.integrators import RK4
from neural_lagrangian.mechanics import Cholesky, HolonomicConstraint

from ..helpers import DOUBLE, DTYPE, MASS_SOLVES, central_difference, slow, states
from .chains import LENGTHS, MASSES, Rods, bobs, cartesian, chain


def _states(links, count, seed=0):
    _, angles, rates = states(links, count, seed=seed)
    return angles, rates


@pytest.mark.parametrize("links", [1, 2, 3])
def test_accelerations_are_those_in_angles(links):
    lagrangian, constraint, system = chain(links)
    angles, rates = _states(links, 200)

    @jax.jit
    @jax.vmap
    def both(angles, rates):
        q, v = jax.jvp(bobs, (angles,), (rates,))
        accelerations = rates, system.acceleration(0.0, angles, rates)
        expected = jax.jvp(lambda q, v: jax.jvp(bobs, (q,), (v,))[1], (angles, rates), accelerations)[1]
        return nl.acceleration(lagrangian, 0.0, q, v, constraint=constraint), expected

    ours, expected = both(angles, rates)
    error = jnp.linalg.norm(ours - expected, axis=1) / jnp.linalg.norm(expected, axis=1)
    assert error.max() < (1e-12 if DOUBLE else 1e-4)


@pytest.mark.double
def test_rollouts_are_those_in_angles_and_keep_their_energy():
    """The constraint force does no work, so the energy of the Cartesian Lagrangian is conserved."""
    lagrangian, constraint, system = chain(2)
    y0 = jnp.asarray([1.0, -0.5, 0.3, 0.8])
    ts = jnp.linspace(0.0, 3.0, 31)
    model = nl.NeuralLagrangian.from_lagrangian(lagrangian, dof=4, constraint=constraint)
    ours, expected = model(ts, cartesian(y0)), jax.vmap(cartesian)(system(ts, y0))
    np.testing.assert_allclose(ours, expected, atol=1e-6)
    energy = jax.vmap(lambda y: model.energy(0.0, *jnp.split(y, 2)))(ours)
    assert jnp.ptp(energy) < 1e-6


def test_the_constraint_force_does_no_work_unless_the_constraint_moves():
    lagrangian, constraint, _ = chain(1)

    @eqx.filter_jit
    def power_and_tension(constraint, t, q, v):
        q, v = mechanics.project(constraint, t, q, v)
        lam = mechanics.multipliers(lagrangian, t, q, v, constraint=constraint)
        tension = constraint.force(t, q, lam)
        return jnp.dot(tension, v), jnp.linalg.norm(tension)

    q, v = jnp.split(cartesian(jnp.asarray([1.0, 0.3], DTYPE)), 2)
    power, tension = power_and_tension(constraint, 0.1, q, v)
    assert jnp.abs(power) < (1e-12 if DOUBLE else 1e-5) * tension
    power, tension = power_and_tension(HolonomicConstraint(_pivot(0.3, 2.0)), 0.1, q, v)
    assert jnp.abs(power) > 0.1 * tension


def test_multipliers_are_the_tension_of_the_rod():
    """Of a pendulum, m (l w^2 + g cos(angle)); with g = (|x|^2 - l^2) / 2 it is -lambda l."""
    lagrangian, constraint, _ = chain(1)
    angle, rate = jnp.asarray([0.7], DTYPE), jnp.asarray([1.5], DTYPE)
    q, v = jax.jvp(bobs, (angle,), (rate,))
    lam = mechanics.multipliers(lagrangian, 0.0, q, v, constraint=constraint)
    tension = MASSES[0] * (LENGTHS[0] * rate**2 + 9.81 * jnp.cos(angle))
    np.testing.assert_allclose(-lam * LENGTHS[0], tension, rtol=1e-12 if DOUBLE else 1e-5)


def _pivot(amplitude, rate):
    """A rod of length 0.9 from a pivot that swings along x."""

    def g(t, q):
        pivot = amplitude * jnp.sin(rate * t)
        return jnp.atleast_1d((q[0] - pivot) ** 2 + q[1] ** 2 - 0.9**2)

    return g


@pytest.mark.double
def test_a_moving_pivot():
    """theta'' = -(g sin(theta) + x'' cos(theta)) / l with x(t) that of the pivot, by hand."""
    lagrangian, _, _ = chain(1)
    A, w, ell = 0.3, 2.0, 0.9
    constraint = HolonomicConstraint(_pivot(A, w))
    t, angle, rate = jnp.asarray(0.4), jnp.asarray(0.8), jnp.asarray(-1.1)

    def bob(t, angle):
        return jnp.stack([A * jnp.sin(w * t) + ell * jnp.sin(angle), -ell * jnp.cos(angle)])

    def velocity(t, angle, rate):
        return jax.jvp(bob, (t, angle), (jnp.ones_like(t), rate))[1]

    angular = -(9.81 * jnp.sin(angle) - A * w**2 * jnp.sin(w * t) * jnp.cos(angle)) / ell
    expected = jax.jvp(velocity, (t, angle, rate), (jnp.ones_like(t), rate, angular))[1]
    q, v = bob(t, angle), velocity(t, angle, rate)
    stopped = HolonomicConstraint(lambda _, q: _pivot(A, w)(0.4, q))
    a, still = (eqx.filter_jit(nl.acceleration)(lagrangian, t, q, v, constraint=c) for c in (constraint, stopped))
    np.testing.assert_allclose(a, expected, rtol=1e-12)
    np.testing.assert_allclose(constraint.velocity(t, q, v), 0, atol=1e-14)
    assert jnp.abs(still - expected).max() > 0.1


@pytest.mark.double
def test_stabilisation_bounds_the_drift_that_grows_without_it():
    ts = jnp.arange(0.0, 30.0, 0.03)
    y0 = cartesian(jnp.asarray([1.0, -0.5, 0.3, 0.8]))

    def drift(**rates):
        lagrangian, constraint, _ = chain(2, **rates)
        solve = {"solver": RK4(), "stepsize_controller": nl.StepsPerSample(1), "mass_solve": Cholesky()}
        model = nl.NeuralLagrangian.from_lagrangian(lagrangian, dof=4, constraint=constraint, **solve)
        ys = eqx.filter_jit(model)(ts, y0)
        g = jnp.abs(jax.vmap(lambda y: constraint(0.0, y[:4]))(ys)).max(axis=1)
        return g[:200].max(), g[-200:].max()

    early, late = drift()
    assert late < 3 * early
    assert late < 1e-4
    early, late = drift(damping=0.0, stiffness=0.0)
    assert late > 10 * early
    assert late > 1e-4


@pytest.mark.double
@pytest.mark.parametrize(("alpha", "beta"), [(2.0, 2.0), (1.0, 3.0)], ids=["critical", "underdamped"])
def test_a_violated_constraint_decays_as_a_damped_oscillator(alpha, beta):
    """Along the motion g is the solution of g'' + 2 alpha g' + beta^2 g = 0."""
    lagrangian, constraint, _ = chain(1, damping=alpha, stiffness=beta)
    model = nl.NeuralLagrangian.from_lagrangian(
        lagrangian, RK4(), dof=2, constraint=constraint, mass_solve=Cholesky(), dt0=0.01
    )
    ts, y0 = jnp.linspace(0.0, 1.5, 6), jnp.asarray([0.9, -0.5, 0.1, 0.2])
    g = jax.vmap(lambda y: constraint(0.0, y[:2])[0])(eqx.filter_jit(model)(ts, y0))
    g0, rate = float(g[0]), float(constraint.velocity(0.0, y0[:2], y0[2:])[0])
    w = np.emath.sqrt(beta**2 - alpha**2) + 1e-9
    t = np.asarray(ts)
    expected = np.exp(-alpha * t) * (g0 * np.cos(w * t) + (rate + alpha * g0) * np.sin(w * t) / w).real
    assert abs(g0) > 0.1
    np.testing.assert_allclose(g, expected, atol=1e-6)


@pytest.mark.parametrize("mass_solve", ["cholesky", slow("pseudoinverse")])
def test_redundant_constraints_change_nothing(mass_solve):
    lagrangian, constraint, _ = chain(2)
    redundant = HolonomicConstraint(lambda t, q: jnp.concatenate([constraint(t, q), 2 * constraint(t, q)[:1]]))
    q, v = jnp.split(cartesian(jnp.asarray([1.0, -0.5, 0.3, 0.8], DTYPE)), 2)

    def f(q, v, constraint):
        return nl.acceleration(lagrangian, 0.0, q, v, constraint=constraint, mass_solve=MASS_SOLVES[mass_solve])

    @jax.jit
    def everything(q, v):
        def of(constraint):
            return f(q, v, constraint), jax.jacrev(f)(q, v, constraint), jax.jacfwd(f, 1)(q, v, constraint)

        return of(constraint), of(redundant)

    tolerance = 1e-9 if DOUBLE else 1e-3
    once, twice = everything(q, v)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance), once, twice)


@pytest.mark.double
def test_a_damping_force_acts_on_constrained_motion():
    """Air drag -c v on each bob is -c J^T J theta' in angles."""
    lagrangian, constraint, system = chain(2)
    angles, rates = jnp.asarray([1.0, -0.5]), jnp.asarray([0.3, 0.8])
    q, v = jax.jvp(bobs, (angles,), (rates,))
    J = jax.jacobian(bobs)(angles)
    a = nl.acceleration(lagrangian, 0.0, q, v, force=lambda t, q, v: -0.4 * v, constraint=constraint)
    angular = nl.acceleration(system.lagrangian, 0.0, angles, rates, force=lambda t, q, v: -0.4 * J.T @ (J @ v))
    expected = jax.jvp(lambda q, v: jax.jvp(bobs, (q,), (v,))[1], (angles, rates), (rates, angular))[1]
    np.testing.assert_allclose(a, expected, rtol=1e-12)
    assert jnp.abs(a - nl.acceleration(lagrangian, 0.0, q, v, constraint=constraint)).max() > 0.05


@pytest.mark.double
def test_rod_lengths_train_through_the_training_rollout():
    lagrangian, constraint, _ = chain(2)
    ts, y0 = jnp.linspace(0.0, 0.12, 5), cartesian(jnp.asarray([1.0, -0.5, 0.3, 0.8]))

    def loss(length):
        solve = {"solver": RK4(), "stepsize_controller": nl.StepsPerSample(1), "mass_solve": Cholesky()}
        model = nl.NeuralLagrangian.from_lagrangian(
            lagrangian, dof=4, constraint=HolonomicConstraint(Rods(length)), **solve
        )
        return jnp.sum(jnp.sin(model(ts, y0)))

    length, direction = constraint.g.length, jnp.asarray([1.0, -0.5])
    expected = central_difference(jax.jit(loss), length, direction, 1e-3)
    slope = jnp.dot(jax.jit(jax.grad(loss))(length), direction)
    np.testing.assert_allclose(slope, expected, rtol=1e-9)
    assert jnp.abs(slope) > 1e-3


@pytest.mark.bad_input
def test_bad_constraints_are_named():
    lagrangian, constraint, _ = chain(1)
    q = jnp.asarray([0.0, -0.9])
    with pytest.raises(ValueError, match=r"`g` is 3; expected a callable"):
        HolonomicConstraint(3)
    with pytest.raises(ValueError, match=r"`damping` is -1.0; expected a finite number >= 0"):
        HolonomicConstraint(constraint.g, damping=-1.0)
    with pytest.raises(ValueError, match=r"`g` returned shape \(\), .* expected \(m,\)"):
        nl.acceleration(lagrangian, 0.0, q, q, constraint=HolonomicConstraint(lambda t, q: jnp.sum(q)))
    with pytest.raises(ValueError, match=r"`constraint` is .*; expected a HolonomicConstraint"):
        nl.acceleration(lagrangian, 0.0, q, q, constraint=lambda t, q: q)
    with pytest.raises(ValueError, match=r"`constraint` is .*; expected a HolonomicConstraint"):
        nl.NeuralLagrangian.from_lagrangian(lagrangian, constraint=lambda t, q: q)
    with pytest.raises(ValueError, match="`constraint` is None"):
        mechanics.multipliers(lagrangian, 0.0, q, q, constraint=None)

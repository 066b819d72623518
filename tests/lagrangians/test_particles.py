"""Sums over particles and pairs: their symmetries, what they conserve, and that any number will do."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.lagrangians import ParticleLagrangian, RadialPair, SymmetricPair
from neural_lagrangian.mechanics import BlockDiagonal, PseudoInverse, structure_error
from neural_lagrangian.systems import NBody

from ..helpers import DOUBLE, DTYPE, mlp, slow, slow_but

RTOL = 1e-12 if DOUBLE else 1e-5
MASSES = jnp.asarray([1.0, 0.7, 1.9, 1.2], DTYPE)
TURN = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))[0]


def kinetic(particle):
    return 0.5 * particle.features * jnp.dot(particle.v, particle.v)


def learned(count=4):
    """Unknown masses, and a potential that is a network of the distance."""
    potential = mlp("scalar", activation=jnp.tanh, seed=1)
    pair = RadialPair(potential, weight=jnp.multiply)
    features = jnp.resize(MASSES, count)
    return ParticleLagrangian(kinetic, pair, dimension=3, features=features)


def gravity(dimension, masses):
    pair = RadialPair(lambda r: 0.8 / r, weight=jnp.multiply)
    return ParticleLagrangian(kinetic, pair, dimension=dimension, features=masses)


def crowd(count, dimension, seed=0):
    """Positions and velocities, one row a particle, none close to another."""
    rng = np.random.default_rng(seed)
    sites = np.stack(np.unravel_index(np.arange(count), (8,) * dimension), axis=1)
    x = 1.5 * sites + rng.uniform(-0.3, 0.3, (count, dimension))
    return jnp.asarray(x, DTYPE), jnp.asarray(rng.normal(size=(count, dimension)), DTYPE)


def test_l_keeps_its_value_under_translation_rotation_and_exchange():
    x, v = crowd(4, 3)
    turn = jnp.asarray(TURN, DTYPE)
    order = jnp.array([2, 0, 3, 1])
    value = eqx.filter_jit(lambda L, x, v: L(0.0, x.reshape(-1), v.reshape(-1)))
    L = learned()
    expected = value(L, x, v)
    np.testing.assert_allclose(value(L, x + jnp.asarray([[3.0, -1.0, 2.0]], DTYPE), v), expected, rtol=RTOL)
    np.testing.assert_allclose(value(L, x @ turn, v @ turn), expected, rtol=RTOL)
    exchanged = L.with_particles(MASSES[order])
    np.testing.assert_allclose(value(exchanged, x[order], v[order]), expected, rtol=RTOL)
    assert jnp.abs(value(L, x[order], v[order]) - expected) > 1e-2  # negative control: masses stay behind


def test_a_symmetric_pair_is_unchanged_by_exchange_and_couples_velocities():
    network = mlp(8, activation=jnp.tanh, seed=2)
    free = lambda particle: 0.5 * jnp.dot(particle.v, particle.v)  # noqa: E731
    L = ParticleLagrangian(free, SymmetricPair(network), dimension=2)
    plain = ParticleLagrangian(free, lambda a, b: network(jnp.concatenate([a.x, a.v, b.x, b.v])), dimension=2)
    x, v = crowd(3, 2)
    back = slice(None, None, -1)

    @eqx.filter_jit
    def change(L):
        return L(0.0, x[back].reshape(-1), v[back].reshape(-1)) - L(0.0, x.reshape(-1), v.reshape(-1))

    assert jnp.abs(change(L)) < 10 * jnp.finfo(DTYPE).eps
    assert jnp.abs(change(plain)) > 1e-3  # negative control
    assert isinstance(L.mass_solve, PseudoInverse)
    assert structure_error(L, BlockDiagonal(2), 0.0, x.reshape(-1), v.reshape(-1)) > 1e-3


@pytest.mark.double
def test_momentum_and_angular_momentum_along_a_rollout():
    L = learned()
    model = nl.NeuralLagrangian.from_lagrangian(L, stepsize_controller=nl.StepsPerSample(5))
    x, v = crowd(4, 3)
    ys = eqx.filter_jit(model)(jnp.linspace(0.0, 2.0, 11), jnp.concatenate([x, v]).reshape(-1))
    x, v = (part.reshape(-1, 4, 3) for part in jnp.split(ys, 2, axis=1))
    p = MASSES[None, :, None] * v
    assert jnp.abs(p - p[:1]).max() > 1e-2  # the particles act on each other
    np.testing.assert_allclose(p.sum(axis=1) - p[:1].sum(axis=1), 0, atol=1e-13)
    spin = jnp.cross(x, p).sum(axis=1)
    np.testing.assert_allclose(spin - spin[:1], 0, atol=1e-8)  # quadratic: kept to the order of the solver


@pytest.mark.parametrize("dimension", [2, 3])
def test_equals_the_n_body_problem(dimension):
    masses = (1.0, 0.4, 2.0)
    system = NBody(masses, gravity=0.8, dimension=dimension)
    L = gravity(dimension, jnp.asarray(masses, DTYPE))
    q, v = (part.reshape(-1) for part in crowd(3, dimension))
    np.testing.assert_allclose(L(0.0, q, v), system.lagrangian(0.0, q, v), rtol=RTOL)
    a = nl.acceleration(L, 0.0, q, v, mass_solve=L.mass_solve)
    np.testing.assert_allclose(a, system.acceleration(0.0, q, v), rtol=100 * RTOL, atol=RTOL)
    assert structure_error(L, L.mass_solve, 0.0, q, v) < 1e-6


@pytest.mark.double
@pytest.mark.slow
def test_masses_are_learned_and_other_particles_follow_the_same_law():
    """Masses from accelerations by Gauss and Newton's method; then five bodies instead of three."""
    system = NBody((1.0, 0.5, 2.0), gravity=0.8)
    states = system.sample_states(jax.random.key(0), 4)

    @jax.jit
    def linearised(masses):
        def residual(masses):
            model = nl.NeuralLagrangian(gravity(2, masses))
            errors = jax.vmap(lambda y: model.vector_field(0.0, y) - system.vector_field(0.0, y))(states)
            return errors.reshape(-1), errors.reshape(-1)

        return jax.jacfwd(residual, has_aux=True)(masses)

    masses = np.ones(3)
    for _ in range(5):
        masses = masses - np.linalg.lstsq(*linearised(masses))[0]
    np.testing.assert_allclose(masses, system.mass, rtol=1e-9)

    larger = NBody((1.0, 0.5, 2.0, 0.8, 1.3), gravity=0.8)
    other = nl.NeuralLagrangian(gravity(2, jnp.asarray(masses)).with_particles(jnp.asarray(larger.mass)))
    y = larger.sample_states(jax.random.key(2), 1)[0]
    ours, theirs = jax.jit(lambda y: (other.vector_field(0.0, y), larger.vector_field(0.0, y)))(y)
    np.testing.assert_allclose(ours, theirs, rtol=1e-8, atol=1e-8)


def test_bonds_say_who_interacts():
    """A chain of springs: bonds given, equal to the same chain written out."""
    x, v = crowd(5, 2)
    bonds = np.stack([np.arange(4), np.arange(1, 5)], axis=1)
    free = lambda particle: 0.5 * jnp.dot(particle.v, particle.v)  # noqa: E731
    L = ParticleLagrangian(free, RadialPair(lambda r: -0.5 * r**2), dimension=2, bonds=bonds)
    expected = 0.5 * jnp.sum(v**2) - 0.5 * jnp.sum(jnp.diff(x, axis=0) ** 2)
    np.testing.assert_allclose(L(0.0, x.reshape(-1), v.reshape(-1)), expected, rtol=RTOL)


SMOOTH = {"springs": lambda s: -0.5 * s, "soft gravity": lambda s: 1 / jnp.sqrt(1 + s), "wells": lambda s: jnp.exp(-s)}
"""Pair interactions that are smooth functions of the squared distance: no force where two particles meet."""


@pytest.mark.parametrize("name", slow_but(SMOOTH, "soft gravity"))
@pytest.mark.parametrize("dimension", [slow(1), 2, slow(3)])
def test_particles_may_be_at_one_place(dimension, name):
    """Against the same L by squared distances: two or three of four at one place, what the others feel, and slopes."""

    def squared(t, q, v):
        x = q.reshape(4, dimension)
        s = jnp.sum((x[:, None] - x[None]) ** 2, axis=-1)
        return 0.5 * v @ v + jnp.sum(jnp.triu(charges[:, None] * charges[None] * SMOOTH[name](s), 1))

    charges = jnp.asarray([1.0, 2.0, 0.5, 1.5], DTYPE)
    free = lambda particle: 0.5 * jnp.dot(particle.v, particle.v)  # noqa: E731
    pair = RadialPair(lambda r: SMOOTH[name](r**2), weight=jnp.multiply)
    L = ParticleLagrangian(free, pair, dimension=dimension, features=charges)
    x, v = crowd(4, dimension)

    def of(lagrangian):
        def acceleration(q):
            return nl.acceleration(lagrangian, 0.0, q, v.reshape(-1))

        force = jax.grad(lagrangian, 1)
        return jax.jit(lambda q: (force(0.0, q, v.reshape(-1)), acceleration(q), jax.jacrev(acceleration)(q)))

    ours, theirs = of(L), of(squared)
    for met in ([1], [1, 2]):
        q = x.at[jnp.asarray(met)].set(x[0]).reshape(-1)
        for mine, expected, rtol in zip(ours(q), theirs(q), (RTOL, RTOL, RTOL**0.5), strict=True):
            np.testing.assert_allclose(mine, expected, rtol=rtol, atol=rtol)


def test_where_a_force_does_not_exist_it_is_not_made_up():
    """A cone, f = -r, has a force of 1 in every direction near the place where two particles meet."""
    free = lambda particle: 0.5 * jnp.dot(particle.v, particle.v)  # noqa: E731
    L = ParticleLagrangian(free, RadialPair(lambda r: -r), dimension=2)
    a = nl.acceleration(L, 0.0, jnp.asarray([1.0, 1.0, 1.0, 1.0, 2.0, 1.0], DTYPE), jnp.zeros(6, DTYPE))
    assert not np.isfinite(a[:4]).any()


def _flops(lagrangian, count, mass_solve=None):
    x, v = crowd(count, 3)
    solve = lagrangian.mass_solve if mass_solve is None else mass_solve
    run = jax.jit(lambda q, v: nl.acceleration(lagrangian, 0.0, q, v, mass_solve=solve))
    return run.lower(x.reshape(-1), v.reshape(-1)).compile().cost_analysis()["flops"]


def test_operations_grow_as_the_particles_or_the_pairs():
    """Slopes of operations against particles: 1 with bonds, 2 with all pairs; with a dense solve more than 2."""
    pair = RadialPair(lambda r: 1 / r)
    relativistic = lambda particle: -jnp.sqrt(1 - 1e-3 * jnp.dot(particle.v, particle.v))  # noqa: E731

    def slope(mass_solve=None, fewest=16, *, bonded):
        def of(count):
            bonds = np.stack([np.arange(count - 1), np.arange(1, count)], axis=1) if bonded else None
            lagrangian = ParticleLagrangian(relativistic, pair, dimension=3, bonds=bonds)
            return _flops(lagrangian, count, mass_solve)

        return np.log2(of(4 * fewest) / of(fewest)) / 2

    assert slope(bonded=True) == pytest.approx(1.0, abs=0.05)
    assert slope(fewest=128, bonded=False) == pytest.approx(2.0, abs=0.15)
    assert slope(PseudoInverse(), bonded=True) > 2


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ParticleLagrangian(kinetic, dimension=0), "`dimension` is 0"),
        (
            lambda: ParticleLagrangian(kinetic, dimension=2, features=(jnp.ones(3), jnp.ones(4))),
            r"`features` have \[3, 4\] rows",
        ),
        (lambda: ParticleLagrangian(kinetic, dimension=2, features=2.0), "`features` has a number without rows"),
        (lambda: ParticleLagrangian(kinetic, dimension=2, bonds=[[0, 0]]), "joins a particle to itself"),
        (lambda: ParticleLagrangian(kinetic, dimension=2, bonds=[0.5, 1.0]), r"`bonds` has shape \(2,\)"),
        (lambda: gravity(2, MASSES)(0.0, jnp.ones(7), jnp.ones(7)), "`q` has 7 coordinates"),
        (
            lambda: ParticleLagrangian(kinetic, dimension=2, features=jnp.ones(3), bonds=[[0, 4]]),
            "`bonds` has the index 4, but `features` has 3 rows; expected indices from 0 to 2",
        ),
        (
            lambda: ParticleLagrangian(lambda p: p.v @ p.v, dimension=2, bonds=[[0, 4]])(0.0, jnp.ones(6), jnp.ones(6)),
            "`q` holds 3 particles; expected at least 5",
        ),
        (lambda: gravity(2, MASSES)(0.0, jnp.ones(6), jnp.ones(6)), "`q` holds 3 particles; expected 4"),
        (
            lambda: ParticleLagrangian(lambda p: p.v, dimension=2)(0.0, jnp.ones(4), jnp.ones(4)),
            r"`one` returned shape \(2,\)",
        ),
    ],
)
def test_bad_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()

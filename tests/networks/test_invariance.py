"""Networks that do not notice a transformation: unchanged to round-off at any weights, and what Noether makes of it."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.mechanics import Symmetry, noether_charge
from neural_lagrangian.networks import (
    GroupAverage,
    RotationInvariant,
    TimeReversible,
    TranslationInvariant,
    parity,
    permutations,
    rotations,
)
from neural_lagrangian.systems import ChargedParticle, HenonHeiles

from ..helpers import DOUBLE, DTYPE, slow_but, states

KEY = jax.random.key(0)
ROUND_OFF = 1e-11 if DOUBLE else 1e-4


def mlp(in_size, seed=0):
    return eqx.nn.MLP(in_size, "scalar", 8, 2, jnp.tanh, key=jax.random.key(seed))


def orthogonal(dimension, determinant=1, seed=0):
    Q = np.linalg.qr(np.random.default_rng(seed).normal(size=(dimension, dimension)))[0]
    Q[0] *= np.sign(np.linalg.det(Q)) * determinant
    return Q


def of_each(R, particles):
    """R for each particle."""
    return jnp.asarray(np.kron(np.eye(particles), R), DTYPE)


def values(network, ys):
    return np.asarray(eqx.filter_jit(eqx.filter_vmap(network))(jnp.asarray(np.stack(ys), DTYPE)))


SHIFT = jnp.asarray([0.7, -1.3], DTYPE)


def turned(R, particles):
    """R as the transformation of positions and of velocities."""
    return [lambda x: of_each(R, particles) @ x] * 2


# (wrapper of a network, input size of that, degrees of freedom, the transformation of coordinates, that of velocities)
CASES = {
    "translation": (lambda N: TranslationInvariant(N, 4, 2), 8, 4, lambda q: q + jnp.tile(SHIFT, 2), lambda v: v),
    "rotation, plane": (lambda N: RotationInvariant(N, 4, 2), 10, 4, *turned(orthogonal(2), 2)),
    "rotation, space": (lambda N: RotationInvariant(N, 6, 3), 10, 6, *turned(orthogonal(3), 2)),
    "reflection": (lambda N: RotationInvariant(N, 4, 2), 10, 4, *turned(orthogonal(2, -1), 2)),
    "oriented, plane": (
        lambda N: RotationInvariant(N, 4, 2, reflections=False),
        16,
        4,
        *turned(orthogonal(2), 2),
    ),
    "oriented, space": (
        lambda N: RotationInvariant(N, 6, 3, reflections=False),
        14,
        6,
        *turned(orthogonal(3), 2),
    ),
    "translation and rotation": (
        lambda N: TranslationInvariant(RotationInvariant(N, 4, 2), 4, 2),
        10,
        4,
        lambda q: of_each(orthogonal(2), 2) @ q + jnp.tile(SHIFT, 2),
        lambda v: of_each(orthogonal(2), 2) @ v,
    ),
    "parity": (lambda N: GroupAverage(N, parity(3)), 6, 3, *turned(-np.eye(1), 3)),
    "permutations": (
        lambda N: GroupAverage(N, permutations(3, 2)),
        12,
        6,
        *[lambda x: x.reshape(3, 2)[jnp.array([2, 0, 1])].ravel()] * 2,
    ),
    "fourfold": (lambda N: GroupAverage(N, rotations(4, particles=2)), 8, 4, *turned(rotations(4)[0], 2)),
    "two groups": (
        lambda N: GroupAverage(N, [*parity(4), *permutations(2, 2)]),
        8,
        4,
        *[lambda x: -x.reshape(2, 2)[::-1].ravel()] * 2,
    ),
    "nested": (
        lambda N: TimeReversible(GroupAverage(nl.PeriodicEmbedding(N, 2), [*parity(2), *permutations(2, 1)]), 2),
        6,
        2,
        lambda q: -q[::-1] + 2 * jnp.pi,
        lambda v: v[::-1],  # turned round twice, by the group and by time
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_lagrangian_is_unchanged(name):
    wrap, in_size, dof, of_q, of_v = CASES[name]
    network, bare = wrap(mlp(in_size)), mlp(2 * dof)
    _, q, v = (x[0] for x in states(dof, 1))
    y, moved = np.concatenate([q, v]), np.concatenate([of_q(q), of_v(v)])
    at_y, at_moved, elsewhere = values(network, [y, moved, 2 * y])
    assert network.in_size == 2 * dof
    assert abs(at_moved - at_y) < ROUND_OFF
    assert abs(elsewhere - at_y) > 1e-3  # it is no constant
    assert abs(np.subtract(*values(bare, [y, moved]))) > 1e-3


@pytest.mark.parametrize("name", CASES)
def test_a_clock_before_the_state_is_passed_on(name):
    wrap, in_size, dof, of_q, of_v = CASES[name]
    inner = mlp(in_size + 2)
    _, q, v = (x[0] for x in states(dof, 1))
    (moved,) = values(wrap(inner), [np.concatenate([SHIFT, of_q(q), of_v(v)])])
    (at_the_time,) = values(wrap(lambda x: inner(jnp.concatenate([SHIFT, x]))), [np.concatenate([q, v])])
    assert abs(moved - at_the_time) < ROUND_OFF


def test_coordinates_alone_have_features_of_their_own():
    count = RotationInvariant.features(6, 3, coordinates_alone=True)
    assert count == 3
    potential = TranslationInvariant(RotationInvariant(mlp(count), 6, 3), 6, 3)
    averaged = GroupAverage(mlp(6), permutations(2, 3))
    _, q, _ = (x[0] for x in states(6, 1))
    assert abs(np.subtract(*values(potential, [q, of_each(orthogonal(3, -1), 2) @ q + 1.5]))) < ROUND_OFF
    assert abs(np.subtract(*values(averaged, [q, np.roll(q, 3)]))) < ROUND_OFF


CHARGES = {
    "oriented, plane": [Symmetry.rotation((0, 1), dimension=2)],
    "rotation, space": [
        Symmetry.rotation((0, 1), dimension=3),
        Symmetry.rotation((1, 2), dimension=3),
        Symmetry.rotation((0, 2), dimension=3),
    ],
    "translation and rotation": [
        Symmetry.translation(0, dimension=2),
        Symmetry.translation(1, dimension=2),
        Symmetry.rotation((0, 1), dimension=2),
    ],
}


def change_of_charges(network, symmetries, dof):
    """The largest change of each Noether charge along a rollout."""
    model = nl.NeuralLagrangian(network)
    ts, y0 = jnp.linspace(0.0, 1.0, 4), jnp.concatenate([x[0] for x in states(dof, 1)[1:]])

    @eqx.filter_jit
    def charges(model):
        def at(t, y):
            q, v = jnp.split(y, 2)
            return jnp.stack([noether_charge(model.lagrangian, symmetry, t, q, v) for symmetry in symmetries])

        return jax.vmap(at)(ts, model(ts, y0))

    values = np.asarray(charges(model))
    return np.max(np.abs(values - values[:1]), axis=0)


@pytest.mark.double
@pytest.mark.parametrize("name", slow_but(CHARGES, "oriented, plane"))
def test_noethers_charge_is_conserved_along_a_rollout(name):
    wrap, in_size, dof, _, _ = CASES[name]
    assert np.max(change_of_charges(wrap(mlp(in_size)), CHARGES[name], dof)) < 1e-7


@pytest.mark.double
def test_a_bare_network_does_not_conserve_them():
    assert np.min(change_of_charges(mlp(8), CHARGES["translation and rotation"], 4)) > 1e-3


@pytest.mark.parametrize(
    ("name", "arguments", "options"),
    [
        ("rotation, plane", (4, 2), {}),
        ("oriented, plane", (4, 2), {"reflections": False}),
        ("oriented, space", (6, 3), {"reflections": False}),
    ],
)
def test_how_many_products_there_are(name, arguments, options):
    assert RotationInvariant.features(*arguments, **options) == CASES[name][1]


def test_oriented_products_see_a_magnetic_field():
    """A reflection turns a magnetic motion round: scalar products cannot tell, oriented ones can."""
    q, v = jnp.asarray([0.8, -0.3], DTYPE), jnp.asarray([0.5, 0.9], DTYPE)
    y, mirror = jnp.concatenate([q, v]), jnp.asarray([1.0, -1.0, 1.0, -1.0], DTYPE)
    even = RotationInvariant(mlp(3), 2, 2)
    oriented = RotationInvariant(mlp(4), 2, 2, reflections=False)
    assert abs(np.subtract(*values(even, [y, mirror * y]))) < ROUND_OFF
    assert abs(np.subtract(*values(oriented, [y, mirror * y]))) > 1e-3
    system = ChargedParticle()
    cross = RotationInvariant(lambda products: 0.5 * products[-1], 2, 2, reflections=False)
    model = nl.NeuralLagrangian(cross, dof=2, kinetic_prior=1.0)
    a = eqx.filter_jit(model.acceleration)(0.0, q, v)
    np.testing.assert_allclose(a, system.acceleration(0.0, q, v), atol=ROUND_OFF)


def test_a_potential_that_is_invariant_is_its_own_average():
    """Henon and Heiles: the symmetries of a triangle, by one rotation and one reflection."""
    system = HenonHeiles()
    network = lambda y: system.lagrangian(0.0, *jnp.split(y, 2))  # noqa: E731
    triangle = GroupAverage(network, [*rotations(3), np.diag([-1.0, 1.0])])
    assert len(triangle.group) == 6
    _, q, v = (x[0] for x in states(2, 1))
    y = jnp.concatenate([q, v])
    np.testing.assert_allclose(triangle(y), network(y), rtol=1e-5)
    square = GroupAverage(network, rotations(4))
    assert abs(square(y) - network(y)) > 1e-3


@pytest.mark.parametrize(
    ("transformations", "count"),
    [
        (parity(2), 2),
        (permutations(1, 3), 1),
        (permutations(2, 1), 2),
        (permutations(5, 1), 120),
        (rotations(7, particles=2, dimension=3), 7),
        ([np.eye(2)], 1),
        ([*rotations(6), *parity(2)], 6),  # the half turn is the third power
    ],
)
def test_the_group_that_matrices_generate(transformations, count):
    group = np.array(GroupAverage(mlp(4), transformations).group)
    assert len(group) == count
    identity = np.broadcast_to(np.eye(group.shape[1]), group.shape)
    np.testing.assert_allclose(group @ np.swapaxes(group, 1, 2), identity, atol=1e-12)
    assert len(GroupAverage(mlp(4), group).group) == count


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TranslationInvariant(mlp(8), 4, 3), "`dof` is 4; expected a multiple of `dimension`, 3"),
        (lambda: RotationInvariant(mlp(8), 0, 2), "`dof` is 0; expected a positive integer"),
        (lambda: RotationInvariant(mlp(8), 4, 4, reflections=False), "`dimension` is 4; expected 2 or 3"),
        (lambda: GroupAverage(mlp(4), np.eye(2)), r"`transformations` has shape \(2, 2\); expected \(k, dof, dof\)"),
        (lambda: GroupAverage(mlp(4), "parity"), "`transformations` cannot be read as matrices"),
        (lambda: GroupAverage(mlp(4), np.zeros((1, 2, 2))), r"`transformations\[0\]` has determinant 0"),
        (
            lambda: GroupAverage(mlp(4), np.full((1, 2, 2), np.nan)),
            "`transformations` has entries that are not",
        ),
        (lambda: GroupAverage(mlp(4), [[[1.0, 1.0], [0.0, 1.0]]]), "`transformations` generate more than 1000"),
        (lambda: rotations(0), "`order` is 0"),
        (lambda: rotations(3, dimension=1), "`dimension` is 1; expected at least 2"),
        (lambda: permutations(0, 2), "`particles` is 0"),
        (lambda: parity(1.5), "`dof` is 1.5"),
        (lambda: nl.PeriodicEmbedding(mlp(4), 0), "`dof` is 0"),
        (lambda: nl.PeriodicEmbedding(mlp(6), 2)(jnp.zeros(3)), r"`y` has shape \(3,\); expected \(4,\), as \[q, v\]"),
        (lambda: nl.NeuralLagrangian(RotationInvariant(mlp(4), 2, 2)), "`network` fails on inputs of shape"),
    ],
)
def test_bad_input_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()

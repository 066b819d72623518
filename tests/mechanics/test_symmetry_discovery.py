import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian import systems
from neural_lagrangian.mechanics import discover_symmetries, noether_charge, symmetry_residual
from neural_lagrangian.training import acceleration_mse

from ..helpers import DTYPE, states

CENTRE = jnp.asarray([2.0, -1.0], DTYPE)
MAGNETIC = systems.ChargedParticle(field=1.3)
LANDAU = systems.ChargedParticle(field=1.3, gauge="landau")
TWO_BODIES = systems.NBody(mass=(1.0, 2.0), softening=0.5)
TIME, TURN, X, Y = "time translation", "rotation in (q0, q1)", "translation along q0", "translation along q1"


def kepler(t, q, v):
    return systems.Kepler().lagrangian(t, q, v)


def oscillator(stiffness):
    K = jnp.asarray(stiffness, DTYPE)
    return lambda t, q, v: 0.5 * jnp.dot(v, v) - 0.5 * jnp.dot(K * q, q)


def free(t, q, v):
    return 0.5 * jnp.dot(v, v)


def falling(t, q, v):
    return free(t, q, v) - 9.8 * q[1]


def turning_well(t, q, v):
    """Symmetric under rotations and time translations together only."""
    return free(t, q, v) - 0.5 * (q[0] * jnp.cos(0.7 * t) + q[1] * jnp.sin(0.7 * t)) ** 2


def in_disguise(t, q, v):
    """Kepler's problem scaled, with a total derivative that has no symmetry."""
    _, G_dot = jax.jvp(lambda q: jnp.sin(q[0]) * q[1] ** 2 + 0.3 * q[1] ** 3, (q,), (v,))
    return -2.7 * kepler(t, q, v) + G_dot


def sample(dof=2, count=120):
    ts, q, v = states(dof, count)
    return {"ts": ts, "states": jnp.concatenate([q, v], axis=1)}


def around(centre):
    """States of random directions at distances of 0.5 to 1.5."""
    s = sample()["states"]
    q, v = jnp.split(s, 2, axis=1)
    r = jnp.linalg.norm(q, axis=1, keepdims=True)
    q = q / r * (0.5 + r / (1 + r)) + centre[None]
    return {"states": jnp.concatenate([q, v], axis=1)}


ORIGIN = jnp.zeros(2, DTYPE)
CASES = {
    "kepler": (kepler, around(ORIGIN), {TURN, TIME}),
    "kepler elsewhere": (
        lambda t, q, v: kepler(t, q - CENTRE, v),
        around(CENTRE),
        {f"{TURN} about (2, -1)", TIME},
    ),
    "kepler in disguise": (in_disguise, around(ORIGIN), {TIME}),
    "kepler in disguise, any F": (in_disguise, around(ORIGIN) | {"boundary_terms": "any"}, {TURN, TIME}),
    "magnetic field": (MAGNETIC.lagrangian, sample(), {TURN, TIME}),
    "magnetic field, F": (MAGNETIC.lagrangian, sample() | {"boundary_terms": "coordinates"}, {TURN, X, Y, TIME}),
    "Landau": (LANDAU.lagrangian, sample(), {X, TIME}),
    "Landau, any F": (LANDAU.lagrangian, sample() | {"boundary_terms": "any"}, {TURN, X, Y, TIME}),
    "isotropic": (
        oscillator([2.0, 2.0, 2.0]),
        sample(3),
        {TURN, "rotation in (q0, q2)", "rotation in (q1, q2)", TIME},
    ),
    "anisotropic": (oscillator([2.0, 2.2]), sample(), {TIME}),
    "free, boosts": (
        free,
        sample() | {"boundary_terms": "coordinates", "boosts": True},
        {TURN, X, Y, "boost along q0", "boost along q1", TIME},
    ),
    "falling": (falling, sample(), {X, TIME}),
    "falling, F = t": (falling, sample() | {"boundary_terms": [lambda t, q: t]}, {X, Y, TIME}),
    "falling, any F": (falling, sample() | {"boundary_terms": "any"}, {X, Y, TIME}),
    "two bodies": (
        TWO_BODIES.lagrangian,
        sample(4),
        {  # and the centre of mass, which is free, turns by itself
            "rotation in (q0, q1), (q2, q3)",
            "affine",
            "translation along q0, q2",
            "translation along q1, q3",
            TIME,
        },
    ),
    "double pendulum": (systems.DoublePendulum().lagrangian, sample(), {TIME}),
    "double pendulum, any F": (systems.DoublePendulum().lagrangian, sample() | {"boundary_terms": "any"}, {TIME}),
    "turning well": (turning_well, sample(), {f"{TURN} with time"}),
}


@pytest.mark.parametrize("name", list(CASES))
def test_exactly_the_symmetries_there_are(name):
    lagrangian, keywords, expected = CASES[name]
    found = discover_symmetries(lagrangian, **keywords)
    assert {s.name for s in found.symmetries} == expected
    assert len(found.symmetries) == len(expected)
    assert found.gap > 300
    assert found.singular_values[0] == 1
    for text in expected:
        assert text in str(found)


@pytest.mark.double
@pytest.mark.parametrize(
    "name", ["kepler in disguise, any F", "magnetic field, F", "Landau, any F", "free, boosts", "two bodies"]
)
def test_what_is_found_holds_elsewhere_and_is_conserved(name):
    """Residuals at other states, and rates of the charges along the motion."""
    lagrangian, keywords, _ = CASES[name]
    found = discover_symmetries(lagrangian, **keywords)
    dof = found.shift.shape[1]

    @jax.jit
    @jax.vmap
    def laws(t, q, v):
        a = nl.acceleration(lagrangian, t, q, v)

        def charges(t, q, v):
            return jnp.stack([noether_charge(lagrangian, s, t, q, v) for s in found.symmetries])

        values, rates = jax.jvp(charges, (t, q, v), (jnp.ones_like(t), v, a))
        residuals = jnp.stack([symmetry_residual(lagrangian, s, t, q, v) for s in found.symmetries])
        return values, rates, residuals

    values, rates, residuals = laws(*states(dof, 10, seed=3))
    scale = float(jnp.abs(values).max())
    np.testing.assert_allclose(rates, 0, atol=1e-8 * scale)
    np.testing.assert_allclose(residuals, 0, atol=1e-8 * scale)


@pytest.mark.double
def test_boundary_terms_are_right():
    """In a magnetic field, by hand: F = -B q1 / 2 and B q0 / 2 with the sign of the charge's momentum."""
    lagrangian, keywords, _ = CASES["magnetic field, F"]
    found = discover_symmetries(lagrangian, **keywords)
    by_name = {s.name: f for s, f in zip(found.symmetries, found.boundary, strict=True)}
    np.testing.assert_allclose(by_name[X], [0, 0.65], atol=1e-12)
    np.testing.assert_allclose(by_name[Y], [-0.65, 0], atol=1e-12)
    np.testing.assert_allclose(by_name[TURN], 0, atol=1e-12)
    assert "F = 0.65 q1" in str(found)


@pytest.mark.double
@pytest.mark.parametrize("boundary_terms", ["coordinates", "any"])
def test_scale_and_units_do_not_matter(boundary_terms):
    """alpha L, with lengths in other units for each coordinate, and time in others, has the same singular values."""
    lagrangian, s, unit = MAGNETIC.lagrangian, jnp.asarray([3.0, 0.2]), 40.0
    keywords = {"boundary_terms": boundary_terms}
    reference = discover_symmetries(lagrangian, **sample(), **keywords)

    def other(t, q, v):
        return -1e3 * lagrangian(t / unit, q / s, v / s * unit)

    here = sample()
    there = here["states"] * jnp.concatenate([s, s / unit])[None]
    scaled = discover_symmetries(other, there, ts=here["ts"] * unit, **keywords)
    np.testing.assert_allclose(scaled.singular_values, reference.singular_values, rtol=1e-9, atol=1e-12)
    assert len(scaled.symmetries) == len(reference.symmetries) == 4


@pytest.mark.double
def test_a_broken_symmetry_shows_in_proportion():
    small = [
        discover_symmetries(oscillator([1.0, 1.0 + e]), **sample(), tolerance=0.1).singular_values[-2]
        for e in (1e-2, 1e-3)
    ]
    assert small[0] / small[1] == pytest.approx(10, rel=0.02)


def test_terms_that_say_nothing_are_no_symmetries():
    """Boundary terms that are constant or the same twice leave the result as it is."""
    terms = [lambda t, q: 3.0, lambda t, q: q[0], lambda t, q: 2 * q[0], lambda t, q: q[1]]
    found = discover_symmetries(MAGNETIC.lagrangian, **sample(), boundary_terms=terms)
    assert {s.name for s in found.symmetries} == {TURN, X, Y, TIME}
    assert np.abs(found.boundary).max() < 1


@pytest.mark.slow
@pytest.mark.optax
def test_a_learned_lagrangian_shows_its_rotation():
    """A free-form network of Kepler's accelerations, in an arbitrary gauge: only with any F is it clear."""
    system = systems.Kepler()
    y = system.sample_states(jax.random.key(0), 2000, eccentricity=0.3)
    accelerations = jax.vmap(lambda y: system.acceleration(0.0, *jnp.split(y, 2)))(y)
    data = nl.Trajectories(np.arange(2000.0), y[None], accelerations=accelerations[None])
    network = eqx.nn.MLP(4, "scalar", 64, 2, activation=jax.nn.softplus, key=jax.random.key(1))
    untrained = nl.NeuralLagrangian(network)
    model = nl.fit(untrained, data, loss=acceleration_mse, horizon=0, steps=3000, key=jax.random.key(0)).model
    test = system.sample_states(jax.random.key(5), 300, eccentricity=0.3)
    found = discover_symmetries(model.lagrangian, test, boundary_terms="any", tolerance=0.1)
    assert {s.name.removeprefix("nearly ").split(" about")[0] for s in found.symmetries} == {TURN, TIME}
    assert found.gap > 5
    plain = discover_symmetries(model.lagrangian, test).singular_values
    assert plain[-3] / plain[-2] < found.gap / 3


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"states": jnp.ones((9, 3))}, r"`states` has shape \(9, 3\); expected \(state, 2 dof\)"),
        ({"states": sample()["states"][:5]}, "`states` has 5 rows; expected at least 7"),
        ({"states": jnp.ones((9, 4))}, "`states` has q0 of spread 0 and speed 1"),
        ({"boosts": True}, "`ts` are all the same"),
        ({"ts": jnp.ones(3)}, r"`ts` has shape \(3,\)"),
        ({"boundary_terms": "some"}, "`boundary_terms` is 'some'"),
        ({"tolerance": 2.0}, "`tolerance` is 2.0"),
        ({"lagrangian": lambda t, q, v: jnp.sqrt(-jnp.dot(v, v))}, "not finite at some of `states`"),
        ({"lagrangian": lambda t, q, v: 0 * q[0]}, "changes under no candidate generator"),
    ],
)
def test_bad_input_is_named(keywords, message):
    keywords = {"lagrangian": free, "states": sample()["states"]} | keywords
    with pytest.raises(ValueError, match=message):
        discover_symmetries(**keywords)

"""Parameters have units and ranges, are named when wrong, and can be differentiated."""

import jax
import jax.numpy as jnp
import pytest

from neural_lagrangian.systems import SYSTEMS, CartPole, DoublePendulum, Pendulum, parameters

from ..helpers import DOUBLE, DTYPE
from .cases import CASES, states

BASE_UNITS = {"1", "kg", "m", "s", "N", "C", "T", "rad", "au", "yr"}


@pytest.mark.parametrize("name", SYSTEMS)
def test_every_parameter_has_a_unit_of_known_factors(name):
    listed = parameters(SYSTEMS[name]())
    assert listed
    for value, unit in listed.values():
        factors = unit.replace("/", " ").replace("(", " ").replace(")", " ").split()
        assert {factor.split("^")[0] for factor in factors} <= BASE_UNITS
        assert all(isinstance(number, float) for number in (value if isinstance(value, tuple) else (value,)))


def test_listing():
    assert parameters(Pendulum(mass=2.0)) == {
        "mass": (2.0, "kg"),
        "length": (1.0, "m"),
        "gravity": (9.81, "m/s^2"),
    }
    assert "cart_friction" not in parameters(CartPole())
    assert parameters(CartPole(cart_friction=0.1))["cart_friction"] == (0.1, "N s/m")


@pytest.mark.parametrize("name", CASES)
def test_the_precision_of_the_state_is_kept(name):
    """Single-precision states stay so, whatever the precision of JAX and of the parameters."""
    system = CASES[name]
    t, q = jax.ShapeDtypeStruct((), jnp.float32), jax.ShapeDtypeStruct((system.dof,), jnp.float32)
    for function in (system.lagrangian, system.force, system.acceleration, system.energy, system.invariants):
        out = jax.eval_shape(function, t, q, q)
        assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(out)), function
    assert all(leaf.dtype == jnp.float32 for leaf in jax.eval_shape(system.drawing, q))
    sampled = jax.eval_shape(lambda key: system.sample_states(key, 3), jax.random.key(0))
    assert (sampled.shape, sampled.dtype) == ((3, 2 * system.dof), DTYPE)


@pytest.mark.parametrize("name", SYSTEMS)
def test_parameters_can_be_differentiated(name):
    """By forward difference of the Lagrangian and the force together."""
    system = CASES[name]
    t, q, v = (x[0] for x in states(system))

    def observed(values):
        s = SYSTEMS[name](**values)
        return jnp.stack([s.lagrangian(t, q, v), jnp.dot(s.force(t, q, v), v), jnp.sum(s.acceleration(t, q, v))])

    values = {key: parameter.value for key, parameter in parameters(system).items()}
    tangent = jax.tree.map(lambda x: jnp.asarray(0.1 * x, DTYPE), values)
    values = jax.tree.map(lambda x: jnp.asarray(x, DTYPE), values)
    h = 1e-3 if DOUBLE else 1e-2
    line = jax.jit(
        lambda h: jax.jvp(
            lambda h: observed(jax.tree.map(lambda x, d: x + h * d, values, tangent)), (h,), (jnp.ones_like(h),)
        )
    )
    (ahead, _), (behind, _), (here, slope) = (line(jnp.asarray(k, DTYPE)) for k in (h, -h, 0))
    scale = jnp.max(jnp.abs(here))
    assert jnp.max(jnp.abs(slope)) > 0
    assert jnp.max(jnp.abs((ahead - behind) / (2 * h) - slope)) < (1e-6 if DOUBLE else 1e-2) * scale


def test_an_ensemble_of_systems():
    lengths = jnp.asarray([0.5, 1.0, 2.0], DTYPE)
    q = jnp.ones(1, DTYPE)
    a = jax.vmap(lambda length: Pendulum(length=length).acceleration(0.0, q, q))(lengths)
    assert jnp.allclose(a[:, 0] * lengths, a[1, 0])


BAD = [
    ("Pendulum", {"mass": 0.0}, r"`mass` is 0.0; expected a positive, finite number"),
    ("Pendulum", {"length": float("nan")}, "`length` is nan"),
    ("Pendulum", {"gravity": "9.81"}, "`gravity` is '9.81'"),
    ("Pendulum", {"mass": None}, "`mass` is None"),
    ("Pendulum", {"mass": jnp.ones(2)}, "`mass` is .* expected a positive, finite number"),
    ("DoublePendulum", {"mass": (1.0,)}, "`mass` has 1 entries; expected 2"),
    ("DoublePendulum", {"length": (1.0, 1.0, 1.0)}, "`length` has 3 entries; expected 2"),
    ("DoublePendulum", {"length": (1.0, -1.0)}, r"`length` is \(1.0, -1.0\); expected .* in place of -1.0"),
    ("NLinkPendulum", {"mass": (1.0, 2.0)}, "`length` has 3 entries; expected 2"),
    ("NLinkPendulum", {"mass": 1.0}, "`mass` is 1.0; expected a sequence of numbers"),
    ("NBody", {"mass": ()}, r"`mass` is \(\); expected a sequence"),
    ("NBody", {"dimension": 4}, "`dimension` is 4; expected 2 or 3"),
    ("NBody", {"softening": -0.1}, "`softening` is -0.1; expected a non-negative, finite number"),
    ("DampedOscillator", {"damping": -1.0}, "`damping` is -1.0; expected a non-negative"),
    ("ConstantForce", {"load": (float("inf"),)}, "`load` is .* expected a finite number"),
    ("HarmonicOscillator", {"stiffness": -1.0}, "`stiffness` is -1.0; expected a positive"),
    (
        "HarmonicOscillator",
        {"stiffness": [[1.0, 2.0], [2.0, 1.0]]},
        "(?s)`stiffness` is .* symmetric positive definite",
    ),
    (
        "HarmonicOscillator",
        {"stiffness": [[1.0, 0.5], [0.0, 1.0]]},
        "(?s)`stiffness` is .* symmetric positive definite",
    ),
    ("HarmonicOscillator", {"stiffness": [1.0, 2.0]}, r"`stiffness` has shape \(2,\); expected a number or shape"),
    (
        "HarmonicOscillator",
        {"stiffness": [[1.0]], "dimension": 2},
        r"`stiffness` has shape \(1, 1\); .* shape \(2, 2\)",
    ),
    ("HarmonicOscillator", {"dimension": 0}, "`dimension` is 0; expected a positive integer"),
    ("ChargedParticle", {"gauge": "lorenz"}, "`gauge` is 'lorenz'; expected 'symmetric' or 'landau'"),
    ("WaveEquation", {"sites": 1}, "`sites` is 1; expected an integer >= 2"),
    ("WaveEquation", {"ends": "open"}, "`ends` is 'open'; expected 'periodic' or 'fixed'"),
    ("CartPole", {"control": 3.0}, "`control` is 3.0; expected a callable"),
    ("CartPole", {"pole_friction": -3.0}, "`pole_friction` is -3.0; expected a non-negative"),
]


@pytest.mark.bad_input
@pytest.mark.parametrize(("name", "keywords", "message"), BAD)
def test_bad_parameters_are_named(name, keywords, message):
    with pytest.raises(ValueError, match=message):
        SYSTEMS[name](**keywords)


def test_a_system_prints_its_parameters_with_their_units():
    printed = repr(DoublePendulum(mass=(1.0, 2.5)))
    assert printed.startswith("DoublePendulum(mass=(1.0, 2.5) kg, length=(1.0, 1.0) m, gravity=9.81 m/s^2, ")
    assert printed.endswith("integration=Integration(Dopri8(), max_steps=100000))")

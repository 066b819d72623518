"""Formulas with coefficients: found from motion as far as motion tells them."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import neural_lagrangian as nl
from neural_lagrangian.integrators import RK4
from neural_lagrangian.lagrangians import ParametricLagrangian
from neural_lagrangian.mechanics import Cholesky
from neural_lagrangian.systems import HarmonicOscillator, Pendulum
from neural_lagrangian.training import acceleration_mse

from ..helpers import DOUBLE, DTYPE, central_difference, inner, random_like, states

KEY = jax.random.key(0)
RTOL = 1e-10 if DOUBLE else 1e-4


def oscillator(t, q, v, *, mass, stiffness):
    return 0.5 * mass * jnp.dot(v, v) - 0.5 * stiffness * jnp.dot(q, q)


def pendulum(t, q, v, *, length):
    """Per unit of m l: the length is all that motion tells."""
    return 0.5 * length * v[0] ** 2 + 9.81 * jnp.cos(q[0])


def accelerations(system, count=64, longest=1.0):
    """Accelerations at random states and times; no motion leads from one to the next."""
    ys = np.array(system.sample_states(jax.random.key(1), count))
    ts = np.linspace(0.0, longest, count, dtype=ys.dtype)
    a = jax.vmap(system.acceleration)(ts, *jnp.split(ys, 2, axis=1))
    return nl.Trajectories(ts, ys, accelerations=np.asarray(a))


def trained(lagrangian, data, steps=300, rate=0.1, **options):
    optimizer = optax.adam(optax.cosine_decay_schedule(rate, steps))
    model = nl.NeuralLagrangian.from_lagrangian(lagrangian)
    result = nl.fit(model, data, optimizer=optimizer, steps=steps, key=KEY, horizon=1, **options)
    return result.model.network


@pytest.mark.optax
def test_the_ratio_of_stiffness_and_mass_from_accelerations():
    system = HarmonicOscillator(mass=0.7, stiffness=6.3)
    start = ParametricLagrangian(oscillator, dof=1, mass=1.0, stiffness=1.0, positive=["mass", "stiffness"])
    found = trained(start, accelerations(system), loss=acceleration_mse).coefficients
    assert float(found["stiffness"] / found["mass"]) == pytest.approx(9.0, rel=1e-3)
    assert abs(float(found["mass"]) - 0.7) > 0.05  # nothing tells the mass itself


@pytest.mark.optax
@pytest.mark.slow
def test_the_length_of_a_pendulum_from_trajectories():
    system = Pendulum(length=1.7)
    data = nl.simulate(system, jnp.linspace(0.0, 0.5, 6), system.sample_states(KEY, 20))
    start = ParametricLagrangian(pendulum, dof=1, length=1.0, positive="length")
    found = trained(start, data, steps=200)
    assert float(found.coefficients["length"]) == pytest.approx(1.7, rel=1e-3)


def test_no_motion_tells_the_scale():
    """Twice the Lagrangian moves alike, and the loss is level along the ray; across it, it is not."""
    data = accelerations(HarmonicOscillator(mass=0.7, stiffness=6.3), 8)
    window = nl.trajectories.Window(data.ts[0], data.ys[0], accelerations=data.accelerations[0])

    @jax.jit
    def loss(mass, stiffness):
        L = ParametricLagrangian(oscillator, dof=1, mass=mass, stiffness=stiffness)
        return acceleration_mse(nl.NeuralLagrangian.from_lagrangian(L, mass_solve=Cholesky()), window)

    at = (jnp.asarray(1.3, DTYPE), jnp.asarray(4.0, DTYPE))
    np.testing.assert_allclose(loss(2 * at[0], 2 * at[1]), loss(*at), rtol=RTOL)
    gradient = jax.grad(loss, (0, 1))(*at)
    along = sum(g * c for g, c in zip(gradient, at, strict=True))
    assert abs(along) < RTOL * abs(gradient[0] * at[0])
    assert loss(2 * at[0], at[1]) > 1.01 * loss(*at)


@pytest.mark.double
def test_gradient_in_the_coefficients():
    L = ParametricLagrangian(oscillator, dof=1, mass=1.3, stiffness=4.0, positive=["mass"])
    model = nl.NeuralLagrangian.from_lagrangian(L, RK4(), stepsize_controller=nl.StepsPerSample(1))
    params, static = eqx.partition(model, eqx.is_inexact_array)
    ts, y0 = jnp.linspace(0.0, 0.3, 4), jnp.asarray([0.4, -0.2])

    @jax.jit
    def loss(params):
        return jnp.sum(eqx.combine(params, static)(ts, y0)[1:] ** 2)

    direction = random_like(params)
    expected = central_difference(loss, params, direction, 1e-3)
    assert float(inner(jax.grad(loss)(params), direction)) == pytest.approx(float(expected), rel=1e-8)


def test_coefficients_are_read_by_name_and_shown():
    L = ParametricLagrangian(oscillator, dof=1, mass=2, stiffness=[3.5], positive=["mass"])
    np.testing.assert_allclose(L.coefficients["mass"], 2.0, rtol=1e-6)
    np.testing.assert_allclose(L.trained["mass"], np.log(2.0), rtol=1e-6)
    assert repr(L) == "ParametricLagrangian(oscillator, dof=1, mass=2., stiffness=[3.5])"
    assert "mass" in repr(eqx.filter(L, eqx.is_inexact_array, inverse=True))  # with no values to show
    jax.jit(lambda L: repr(L) and L.coefficients)(eqx.filter(L, eqx.is_array))
    driven = ParametricLagrangian(lambda t, q, v, force: force * q[0] * jnp.sin(t), dof=1, force=0.3)
    total = L + driven
    t, q, v = jnp.asarray(0.7, DTYPE), jnp.asarray([0.3], DTYPE), jnp.asarray([0.2], DTYPE)
    expected = (0.3 * jnp.sin(0.7) - 3.5 * 0.3) / 2
    model = nl.NeuralLagrangian(total)
    np.testing.assert_allclose(eqx.filter_jit(model.acceleration)(t, q, v)[0], expected, rtol=1e-5)


def test_a_coefficient_stays_positive_and_any_number_of_coordinates_will_do():
    L = ParametricLagrangian(oscillator, mass=1e-3, stiffness=1.0, positive=["mass"])
    assert L.dof is None
    pushed = eqx.tree_at(lambda m: m.trained["mass"], L, replace_fn=lambda s: s - 20)
    assert 0 < pushed.coefficients["mass"] < 1e-8
    for dof in (1, 3):
        _, q, v = (x[0] for x in states(dof, 1))
        np.testing.assert_allclose(L(0.0, q, v), 5e-4 * v @ v - 0.5 * q @ q, rtol=1e-5)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ParametricLagrangian(3, mass=1.0), "`formula` is 3; expected a callable"),
        (lambda: ParametricLagrangian(oscillator), "no coefficients were given"),
        (
            lambda: ParametricLagrangian(oscillator, mass=1.0),
            r"`formula` does not accept the arguments \(t, q, v, mass\): .*stiffness",
        ),
        (
            lambda: ParametricLagrangian(oscillator, mass=1.0, stiffness=1.0, positive=["damping"]),
            r"`positive` names \['damping'\]; expected some of \['mass', 'stiffness'\]",
        ),
        (
            lambda: ParametricLagrangian(oscillator, mass=-1.0, stiffness=1.0, positive=["mass"]),
            "`mass` is -1.0; expected a value above 0",
        ),
        (
            lambda: ParametricLagrangian(oscillator, mass="heavy", stiffness=1.0),
            "`mass` cannot be read as an array",
        ),
        (
            lambda: ParametricLagrangian(oscillator, mass=np.array([1, 2]), stiffness=1.0),
            "`mass` has dtype int",
        ),
        (lambda: ParametricLagrangian(oscillator, dof=0, mass=1.0, stiffness=1.0), "`dof` is 0"),
        (
            lambda: nl.NeuralLagrangian(ParametricLagrangian(lambda t, q, v, k: k * v, dof=2, k=1.0)),
            r"`formula` returned shape \(2,\); expected a scalar",
        ),
        (
            lambda: nl.NeuralLagrangian(ParametricLagrangian(lambda t, q, v, k: k * q[0], dof=2, k=1.0)),
            "no second derivative in the velocities",
        ),
    ],
)
def test_bad_input_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()

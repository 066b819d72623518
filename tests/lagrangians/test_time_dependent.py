"""Lagrangians of the time: driven motion by hand, what dropping the time term costs, clocks, and learning."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.lagrangians import TimeDependent
from neural_lagrangian.networks import Clock, TimeReversible
from neural_lagrangian.systems import DrivenPendulum, Duffing
from neural_lagrangian.training import acceleration_mse

from ..helpers import DOUBLE, DTYPE, states
from .test_parametric import accelerations

KEY = jax.random.key(0)
RTOL = 1e-10 if DOUBLE else 1e-3
DUFFING = Duffing(damping=0.0, drive=0.7, frequency=1.3)
PENDULUM = DrivenPendulum(length=0.8, amplitude=0.2, frequency=3.0, direction=0.4)


def mlp(in_size, out="scalar", width=8):
    return eqx.nn.MLP(in_size, out, width, 2, jax.nn.silu, key=KEY)


def duffing(x):
    """The Lagrangian as a function of [cos wt, sin wt, q, v]."""
    cosine, _, q, v = x
    return 0.5 * v**2 + 0.5 * q**2 - 0.25 * q**4 + 0.7 * cosine * q


def driven_pendulum(x):
    """The same per m l^2; the pivot drives the momentum, by the term linear in v."""
    _, sine, q, v = x
    s_dot = -0.2 * 3.0 * sine
    return 0.5 * v**2 + s_dot / 0.8 * v * jnp.sin(q + 0.4) + 9.81 / 0.8 * jnp.cos(q)


@pytest.mark.parametrize(
    ("formula", "system", "drives"),
    [(duffing, DUFFING, "force"), (driven_pendulum, PENDULUM, "momentum")],
    ids=["duffing", "pendulum"],
)
def test_a_function_of_the_clock_gives_the_motion_derived_by_hand(formula, system, drives):
    model = nl.NeuralLagrangian(TimeDependent(formula, 1, system.frequency), kinetic_prior=0.0)
    frozen = eqx.tree_at(lambda m: m.network.network, model, lambda x: formula(x))

    @eqx.filter_jit
    @eqx.filter_vmap(in_axes=(None, 0, 0, 0))
    def both(model, t, q, v):
        still = lambda _, q, v: model.lagrangian(t, q, v)  # noqa: E731 - without d2L/dv dt
        return model.acceleration(t, q, v), nl.acceleration(still, t, q, v)

    t, q, v = states(1, 20, scale=2.0)
    derived, timeless = both(frozen, t, q, v)
    expected = jax.vmap(system.acceleration)(t, q, v)
    np.testing.assert_allclose(derived, expected, rtol=RTOL, atol=RTOL)
    error = float(jnp.linalg.norm(timeless - expected) / jnp.linalg.norm(expected))
    assert error > 0.05 if drives == "momentum" else error < RTOL


def test_the_clock():
    t = jnp.asarray(0.7, DTYPE)
    np.testing.assert_allclose(Clock()(t, DTYPE), [0.7], rtol=1e-6)
    assert Clock().size == 1
    two = Clock([1.0, 2.5])
    expected = [np.cos(0.7), np.cos(1.75), np.sin(0.7), np.sin(1.75)]
    np.testing.assert_allclose(two(t, DTYPE), expected, rtol=1e-6)
    assert two.size == 4
    np.testing.assert_allclose(two.frequencies, [1.0, 2.5], rtol=1e-6)
    trained = Clock(2.5, trainable=True)
    np.testing.assert_allclose(trained(t, DTYPE), expected[1::2], rtol=1e-6)
    assert [leaf.shape for leaf in jax.tree.leaves(trained)] == [(1,)]
    assert not jax.tree.leaves(two)
    assert Clock().frequencies.shape == (0,)


@pytest.mark.parametrize("frequencies", [None, 1.7, [1.7, 0.4]], ids=["time", "one", "two"])
def test_it_is_as_periodic_as_its_clock(frequencies):
    size = Clock(frequencies).size
    L = TimeDependent(nl.PeriodicEmbedding(mlp(size + 3), 1), 1, frequencies)
    q, v = jnp.asarray([0.4], DTYPE), jnp.asarray([-0.9], DTYPE)
    value = eqx.filter_jit(L)
    t = jnp.asarray(0.3, DTYPE)
    turned = value(t, q + 2 * jnp.pi, v)
    np.testing.assert_allclose(turned, value(t, q, v), atol=1e-12 if DOUBLE else 1e-5)
    later = value(t + 2 * jnp.pi / 1.7, q, v)
    assert (abs(later - value(t, q, v)) < 1e-5) == (frequencies == 1.7)
    assert (L.dof, L.in_size) == (1, 2)


@pytest.mark.double
def test_gradient_in_the_frequencies():
    model = nl.NeuralLagrangian(TimeDependent(mlp(4), 1, 1.7, trainable=True), kinetic_prior=1.0)
    q, v = jnp.asarray([0.4]), jnp.asarray([-0.9])

    @jax.jit
    def a(frequency):
        turned = eqx.tree_at(lambda m: m.network.clock.trained, model, frequency[None])
        return turned.acceleration(0.3, q, v)[0]

    w, h = jnp.asarray(1.7), 1e-4
    difference = (a(w + h) - a(w - h)) / (2 * h)
    assert float(jax.grad(a)(w)) == pytest.approx(float(difference), rel=1e-6)
    assert np.isfinite(model.network.frequencies).all()


def relative_error(model, data):
    predict = eqx.filter_jit(eqx.filter_vmap(lambda t, y: model.vector_field(t, y)[1:]))
    a = data.accelerations[0]
    return float(np.linalg.norm(predict(data.ts[0], data.ys[0]) - a) / np.linalg.norm(a))


def timeless_error(system, data):
    """That of the mean over a period of the drive: on average no function of the state alone comes closer."""
    period = 2 * jnp.pi / system.frequency * jnp.arange(32, dtype=DTYPE) / 32
    over_time = jax.vmap(jax.vmap(system.acceleration, (0, None, None)), (None, 0, 0))
    mean = jnp.mean(over_time(period, *jnp.split(jnp.asarray(data.ys[0]), 2, axis=1)), axis=1)
    return float(np.linalg.norm(mean - data.accelerations[0]) / np.linalg.norm(data.accelerations[0]))


@pytest.mark.optax
@pytest.mark.parametrize("name", ["duffing", "pendulum", "baseline"])
@pytest.mark.slow
def test_a_network_with_a_clock_learns_driven_motion(name):
    system = PENDULUM if name == "pendulum" else DUFFING
    model = {
        "duffing": lambda: nl.NeuralLagrangian(TimeDependent(mlp(4, width=32), 1, 1.3)),
        "pendulum": lambda: nl.NeuralLagrangian(TimeDependent(nl.PeriodicEmbedding(mlp(5, width=32), 1), 1, 3.0)),
        "baseline": lambda: nl.NeuralODE(mlp(4, 1, width=32), dof=1, clock=Clock(1.3)),
    }[name]()
    data = accelerations(system, 500, longest=10.0)
    options = {"steps": 800, "horizon": 1, "batch_size": 64, "key": KEY}
    trained = nl.fit(model, data, loss=acceleration_mse, **options).model
    assert relative_error(trained, data) < 0.05 < 0.1 < timeless_error(system, data)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TimeDependent(3, 1), "`network` is 3; expected a callable"),
        (lambda: TimeDependent(mlp(3), 0), "`dof` is 0"),
        (lambda: TimeDependent(mlp(4), 1, 0.0), "`frequencies` is 0.0; expected finite numbers different from zero"),
        (lambda: TimeDependent(mlp(4), 1, [jnp.nan]), "`frequencies` is .*nan.*; expected finite"),
        (lambda: TimeDependent(mlp(4), 1, []), "`frequencies` is .*; expected finite"),
        (lambda: TimeDependent(mlp(4), 1, "daily"), "`frequencies` cannot be read as numbers"),
        (lambda: TimeDependent(mlp(3), 1, trainable=True), "`frequencies` is None; expected initial frequencies"),
        (lambda: TimeDependent(TimeReversible(mlp(4)), 1, 1.0), "TimeReversible part whose `dof` is None"),
        (lambda: nl.NeuralLagrangian(TimeDependent(mlp(3), 1, 1.0)), "`network` fails on inputs"),
        (lambda: nl.NeuralLagrangian(TimeDependent(mlp(4, 2), 1, 1.0)), r"`network` returned shape \(2,\)"),
        (
            lambda: nl.NeuralODE(mlp(4, 1), clock=Clock(1.0)),
            "`dof` is None; expected a positive integer, since a `clock`",
        ),
        (lambda: nl.NeuralODE(mlp(4, 1), dof=1, clock=1.0), "`clock` is 1.0; expected an instance of Clock"),
        (lambda: nl.NeuralODE(mlp(5, 1), dof=1, clock=Clock(1.0)), "`network` fails on inputs"),
    ],
)
def test_bad_input_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_time_reversal_inside_a_clock_keeps_the_velocities_apart():
    L = TimeDependent(TimeReversible(mlp(4), 1), 1, 1.7)
    t, q, v = (jnp.asarray(x, DTYPE) for x in (0.3, [0.4], [-0.9]))
    np.testing.assert_allclose(L(t, q, v), L(t, q, -v), rtol=1e-6)
    assert abs(L(t, q, v) - L(t, -q, v)) > 1e-4

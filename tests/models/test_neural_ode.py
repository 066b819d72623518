import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.integrators import RK4

from ..helpers import DTYPE, small_network

Y = jnp.asarray([0.1, 0.2, 0.3, 0.4], DTYPE)


def test_the_output_size_tells_the_order():
    first, second = small_network(out=4), small_network(out=2)
    np.testing.assert_array_equal(nl.NeuralODE(first).vector_field(0.0, Y), first(Y))
    np.testing.assert_array_equal(nl.NeuralODE(second).vector_field(0.0, Y), jnp.concatenate([Y[2:], second(Y)]))


def test_a_known_vector_field_gives_the_known_motion():
    model = nl.NeuralODE(lambda y: jnp.stack([-y[0]]))
    ts = jnp.linspace(0.0, 1.0, 5)
    ys = eqx.filter_jit(model)(ts, jnp.asarray([1.0, 0.0], DTYPE))
    np.testing.assert_allclose(ys, jnp.stack([jnp.cos(ts), -jnp.sin(ts)], axis=1), atol=1e-4)


@pytest.mark.parametrize("clock", [None, nl.networks.Clock(2.0)])
def test_the_force_of_a_control_is_in_front_of_the_state(clock):
    """With G = (1, 2) and u = 3 at all times."""
    motor = nl.mechanics.ControlForce([[1.0], [2.0]], lambda t: jnp.asarray([3.0], DTYPE))
    network = eqx.nn.MLP(6 + (2 if clock else 0), 2, 8, 1, key=jax.random.key(0), dtype=DTYPE)
    model = nl.NeuralODE(network, dof=2, clock=clock, control=motor)
    features = [] if clock is None else clock(0.7, DTYPE)
    expected = network(jnp.asarray([*features, 3.0, 6.0, *Y], DTYPE))
    np.testing.assert_allclose(model.vector_field(0.7, Y), jnp.concatenate([Y[2:], expected]), rtol=1e-6)


def test_a_driven_neural_ode_learns_from_recorded_controls():
    """Pushed by sines, a mass on a spring: a = Q - 4 q, which is linear, as the network is."""
    ts = np.linspace(0.0, 6.0, 121)
    us = np.sin(np.outer(ts, [1.3, 3.1])).sum(axis=1)[:, None]
    spring = nl.NeuralLagrangian.from_lagrangian(
        lambda t, q, v: 0.5 * v @ v - 2 * q @ q, force=nl.mechanics.ControlForce(), dof=1
    )
    ys = np.asarray(nl.models.with_control(spring, ts, us)(jnp.asarray(ts), jnp.asarray([0.5, 0.0])))
    motion = nl.Trajectories(ts, ys, controls=us)
    network = eqx.nn.Linear(3, 1, key=jax.random.key(0), dtype=DTYPE)
    model = nl.NeuralODE(
        network, RK4(), dof=1, control=nl.mechanics.ControlForce(), stepsize_controller=nl.StepsPerSample(1)
    )
    learned = nl.training.gauss_newton(model, motion, horizon=20, steps=12).model
    np.testing.assert_allclose(learned.network.weight, [[1.0, -4.0, 0.0]], atol=0.02)


@pytest.mark.bad_input
def test_what_drives_must_be_a_clock_or_a_control():
    with pytest.raises(ValueError, match=r"`control` is .*; expected an instance of ControlForce or None"):
        nl.NeuralODE(small_network(out=2), dof=2, control=lambda t: t)
    with pytest.raises(ValueError, match=r"`dof` is None; .* a `clock` or a `control`"):
        nl.NeuralODE(small_network(out=2), control=nl.mechanics.ControlForce())


@pytest.mark.bad_input
@pytest.mark.parametrize("out", ["scalar", 1, 3])
def test_wrong_output_sizes_are_named(out):
    with pytest.raises(ValueError, match=r"`network` returned shape .*; expected \(2,\) for the second-order"):
        nl.NeuralODE(small_network(out=out))

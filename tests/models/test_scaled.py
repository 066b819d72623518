"""A model in natural units, in physical units outside: the same motion, and the same mechanics."""

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import neural_lagrangian as nl
from neural_lagrangian.integrators import RK4, AbstractRolloutModel, Integration
from neural_lagrangian.models import ModelFileError, with_precision
from neural_lagrangian.systems import DoublePendulum
from neural_lagrangian.trajectories import Scaling

from ..helpers import DTYPE, slow, small_network, states

KEY = jax.random.key(0)
SCALING = Scaling([0.3, -20.0], [0.02, 50.0], 0.1)
TAU, S, C = 0.1, np.array([0.02, 50.0]), np.array([0.3, -20.0])


class Friction(eqx.Module):
    """A force that depends on everything."""

    strength: jax.Array

    def __call__(self, t, q, v):
        return -self.strength * v * (1 + q**2)


class Driven(AbstractRolloutModel):
    """A Lagrangian that depends on time, and a force: nothing vanishes."""

    network: eqx.nn.MLP
    force: Friction
    integration: Integration

    def lagrangian(self, t, q, v):
        potential = 0.1 * self.network(jnp.concatenate([q, v])) * jnp.cos(t)
        return 0.5 * jnp.dot(v, v) + 0.3 * v[0] * v[1] * jnp.cos(q[0]) - potential

    def term(self, y):
        return nl.EulerLagrangeTerm(self.lagrangian, self.force)

    def acceleration(self, t, q, v):
        return nl.acceleration(self.lagrangian, t, q, v, force=self.force)

    def mass_matrix(self, t, q, v):
        return nl.mass_matrix(self.lagrangian, t, q, v)

    def momentum(self, t, q, v):
        return nl.momentum(self.lagrangian, t, q, v)

    def energy(self, t, q, v):
        return nl.energy(self.lagrangian, t, q, v)

    def vector_field(self, t, y, args=None):
        q, v = jnp.split(y, 2)
        return jnp.concatenate([v, self.acceleration(t, q, v)])


def driven():
    return Driven(small_network(), Friction(jnp.asarray([0.2, 0.1], DTYPE)), Integration())


@pytest.mark.double
@pytest.mark.parametrize("controller", [slow(None), nl.StepsPerSample(2)], ids=["adaptive", "constant"])
def test_a_rollout_is_the_unscaled_rollout_of_the_inner_model(controller):
    inner = nl.NeuralLagrangian(small_network(), stepsize_controller=controller)
    ts, y0 = jnp.linspace(0.0, 2.0, 9), jnp.asarray([0.5, -0.3, 0.2, 0.4])
    expected = SCALING.unscale(nl.Trajectories(np.asarray(ts), np.asarray(inner(ts, y0))))
    model = nl.Scaled(inner, SCALING)
    start = jnp.asarray(expected.ys[0, 0])
    times = jnp.asarray(expected.ts[0])
    ys = eqx.filter_jit(model)(times, start)
    np.testing.assert_allclose(ys, expected.ys[0], rtol=1e-9, atol=1e-9)
    solution = model.solve(times, start)
    assert solution.result == diffrax.RESULTS.successful
    np.testing.assert_allclose(solution.ys, ys, rtol=1e-12)
    np.testing.assert_allclose(solution.ts, times)


@pytest.mark.double
def test_in_physical_units_everything_is_what_the_definitions_say():
    """Momentum, mass, energy and acceleration against derivatives of the physical Lagrangian itself."""
    model = nl.Scaled(driven(), SCALING)
    t, q, v = states(2, 4)
    q, v = jnp.asarray(S * np.asarray(q) + C), jnp.asarray(S / TAU * np.asarray(v))

    @eqx.filter_jit
    def both(model, t, q, v):
        L = model.lagrangian
        a = model.acceleration(t, q, v)
        residual = nl.mechanics.euler_lagrange_residual(L, t, q, v, a, force=model.force)
        size = nl.mechanics.euler_lagrange_residual(L, t, q, v, jnp.zeros_like(a), force=model.force)
        unforced = nl.mechanics.euler_lagrange_residual(L, t, q, v, a)
        mine = model.mass_matrix(t, q, v), model.momentum(t, q, v), model.energy(t, q, v), a
        theirs = nl.mass_matrix(L, t, q, v), nl.momentum(L, t, q, v), nl.energy(L, t, q, v)
        field = model.vector_field(t, jnp.concatenate([q, v]))
        return mine, (*theirs, nl.acceleration(L, t, q, v, force=model.force)), residual / size, unforced / size, field

    mine, theirs, residual, unforced, field = jax.vmap(both, (None, 0, 0, 0))(model, t, q, v)
    for a, b in zip(mine, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9)
    assert np.abs(residual).max() < 1e-10
    assert np.abs(unforced).max() > 1e-3  # without the force it is no motion
    np.testing.assert_allclose(field, jnp.concatenate([v, mine[3]], axis=1), rtol=1e-12)


@pytest.mark.double
def test_a_known_system_in_scaled_units_has_the_same_motion():
    """Scaled, and scaled back, is where it began; in scaled units its constants are others."""
    system = DoublePendulum()
    there = nl.Scaled(system, SCALING.inverse)
    back = nl.Scaled(there, SCALING)
    ts = jnp.linspace(0.0, 1.0, 5)
    y0 = jnp.asarray([0.4, -0.2, 0.5, 0.1])
    np.testing.assert_allclose(back(ts, y0), system(ts, y0), rtol=1e-6, atol=1e-7)
    _, (q,), (v,) = states(2, 1)
    np.testing.assert_allclose(back.acceleration(0.0, q, v), system.acceleration(0.0, q, v), rtol=1e-9)
    assert np.abs(there.acceleration(0.0, q, v) / system.acceleration(0.0, q, v) - 1).min() > 0.5  # not the same law


def oscillations():
    """A slow, small oscillator about another origin: order 1e-3 in space and 100 in time, exactly."""
    w = 0.01
    ts = np.linspace(0.0, 100.0, 21)
    x = w * ts[None] + np.linspace(0.0, 6.0, 8)[:, None]
    ys = np.stack([2e-3 * np.cos(x), -2e-3 * w * np.sin(x)], axis=-1)
    return nl.Trajectories(ts.astype(DTYPE), ys.astype(DTYPE))


@pytest.mark.optax
@pytest.mark.slow
def test_training_is_in_physical_units_and_leaves_the_scaling():
    """It learns motion of any size; not even weight decay, which acts without a gradient, moves the units."""
    data = oscillations()
    scaling = Scaling.of(data)
    model = nl.Scaled(nl.NeuralLagrangian(small_network(1, 16)), scaling)

    def relative_loss(model, window):
        ts, ys = window.ts, window.ys
        return jnp.mean(((model(ts, ys[0]) - ys) / jnp.asarray([[2e-3, 2e-5]], ys.dtype)) ** 2)

    result = nl.fit(
        model, data, loss=relative_loss, optimizer=optax.adamw(5e-3, weight_decay=1e-3), horizon=4, steps=300, key=KEY
    )
    assert eqx.tree_equal(result.model.scaling, scaling)
    assert jax.tree.structure(result.model) == jax.tree.structure(model)
    assert result.history.loss[-20:].mean() < 0.02 * result.history.loss[:5].mean()
    ts, y0 = jnp.asarray(data.ts[0]), jnp.asarray(data.ys[1, 0])
    error = np.abs(eqx.filter_jit(result.model)(ts, y0) - data.ys[1])[:, 0].max()
    assert error < 0.05 * 2e-3


def test_no_gradient_reaches_the_scaling():
    model = nl.Scaled(nl.NeuralODE(small_network(1, 4, out=1)), Scaling([0.0], [2.0], 3.0))
    constants = jax.tree.map(lambda x: jnp.asarray(x, DTYPE), model.scaling)  # of NumPy, none would be asked for
    model = eqx.tree_at(lambda m: m.scaling, with_precision(model, DTYPE), constants)

    @eqx.filter_grad
    def gradient(model):
        return jnp.sum(model.vector_field(0.0, jnp.asarray([0.3, 0.2], DTYPE)) ** 2)

    found = gradient(model)
    assert [leaf.tolist() for leaf in jax.tree.leaves(found.scaling)] == [[0], [0], 0]
    assert any(np.any(leaf != 0) for leaf in jax.tree.leaves(found.model))


def test_a_file_carries_the_scaling(tmp_path):
    model = nl.Scaled(nl.NeuralLagrangian(small_network(seed=1)), SCALING)
    nl.save(tmp_path / "model", model)
    other = nl.Scaled(nl.NeuralLagrangian(small_network(seed=2), RK4(), dt0=0.1), Scaling([0, 0], [1, 1], 1))
    loaded = nl.load(tmp_path / "model", other)
    assert eqx.tree_equal(loaded.scaling, SCALING)
    assert eqx.tree_equal(loaded.model.network, model.model.network)
    assert loaded.integration.dt0 == 0.1
    with pytest.raises(ModelFileError, match="holds another architecture"):
        nl.load(tmp_path / "model", model.model)


@pytest.mark.bad_input
def test_bad_input_is_named():
    inner = nl.NeuralODE(small_network(1, 4, out=1))
    with pytest.raises(ValueError, match=r"`model` is .*; expected a model of motion"):
        nl.Scaled(lambda ts, y0: y0, SCALING)
    with pytest.raises(ValueError, match=r"`scaling` is 2.0; expected a Scaling"):
        nl.Scaled(inner, 2.0)
    model = nl.Scaled(inner, SCALING)
    with pytest.raises(
        ValueError, match=r"`q` has shape \(1,\); expected \(2,\), one entry for each coordinate of `scaling`"
    ):
        model(jnp.linspace(0.0, 1.0, 3), jnp.zeros(2))
    with pytest.raises(AttributeError, match="lagrangian"):
        model.lagrangian(0.0, jnp.zeros(2), jnp.zeros(2))

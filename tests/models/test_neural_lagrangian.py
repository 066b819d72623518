import inspect
import re

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.mechanics import AbstractMassSolve, ControlForce, LinearDamping
from neural_lagrangian.models import with_control
from neural_lagrangian.networks import TimeReversible, cranmer_init
from neural_lagrangian.systems import DoublePendulum

from ..helpers import DOUBLE, DTYPE, double_pendulum, mlp, small_network, states

KEY = jax.random.key(0)
RTOL = 1e-10 if DOUBLE else 1e-3


def test_a_known_lagrangian_is_taken_as_it_stands():
    """Any callable is a network: the true one gives the true motion."""
    system = DoublePendulum((1.0, 1.4), (0.8, 1.1), 9.81)
    model = nl.NeuralLagrangian(lambda y: double_pendulum(0.0, y[:2], y[2:]), kinetic_prior=0.0)

    @jax.jit
    def facts(t, q, v):
        y, momentum = jnp.concatenate([q, v]), model.mass_matrix(t, q, v) @ v
        modelled = model.vector_field(t, y), model.energy(t, q, v), model.momentum(t, q, v)
        return modelled, (system.vector_field(t, y), system.energy(t, q, v), momentum)

    for modelled, true in zip(*facts(*(x[0] for x in states(2, 1))), strict=True):
        np.testing.assert_allclose(modelled, true, rtol=RTOL)


def test_kinetic_prior_adds_half_v_squared():
    _, q, v = (x[0] for x in states(2, 1))
    network = small_network()
    bare = nl.NeuralLagrangian(network, kinetic_prior=0.0)
    np.testing.assert_array_equal(bare.lagrangian(0.0, q, v), network(jnp.concatenate([q, v])))
    for model, k in ((nl.NeuralLagrangian(network), 1.0), (nl.NeuralLagrangian(network, kinetic_prior=3.0), 3.0)):
        difference = model.mass_matrix(0.0, q, v) - bare.mass_matrix(0.0, q, v)
        np.testing.assert_allclose(difference, k * np.eye(2), atol=1e-12 if DOUBLE else 1e-5)


def test_force_is_trained_with_the_network():
    class Damping(eqx.Module):
        rate: jax.Array

        def __call__(self, t, q, v):
            return -self.rate * v

    model = nl.NeuralLagrangian(small_network(), force=Damping(jnp.asarray(0.3, DTYPE)))
    _, q, v = (x[0] for x in states(2, 1))
    free = nl.NeuralLagrangian(small_network())
    M = model.mass_matrix(0.0, q, v)
    np.testing.assert_allclose(
        M @ (model.acceleration(0.0, q, v) - free.acceleration(0.0, q, v)), -0.3 * v, rtol=1e-6 if DOUBLE else 1e-2
    )
    gradient = eqx.filter_grad(lambda m: jnp.sum(m.acceleration(0.0, q, v)))(model)
    assert gradient.force.rate != 0


@pytest.mark.parametrize("out", ["scalar", 1])
def test_scalar_and_size_one_outputs_are_the_same(out):
    _, q, v = (x[0] for x in states(2, 1))
    model = nl.NeuralLagrangian(small_network(out=out))
    assert model.lagrangian(0.0, q, v).shape == ()
    assert model.dof == 2


def test_dof_from_the_first_call_or_the_keyword():
    class Network(eqx.Module):
        weight: jax.Array

        def __call__(self, y):
            return jnp.sum(jnp.exp(self.weight * y))

    free = nl.NeuralLagrangian(Network(jnp.ones((), DTYPE)))
    for dof in (1, 3):
        assert free.vector_field(0.0, jnp.ones(2 * dof, DTYPE)).shape == (2 * dof,)
    fixed = nl.NeuralLagrangian(Network(jnp.ones((), DTYPE)), dof=1)
    with pytest.raises(ValueError, match=r"`y` has shape \(6,\); expected \(2,\)"):
        fixed.vector_field(0.0, jnp.ones(6, DTYPE))


def test_construction_inside_jit_and_vmap():
    """An ensemble: one model a key, in one compiled call."""

    @eqx.filter_jit
    def ensemble(keys):
        return eqx.filter_vmap(lambda key: nl.NeuralLagrangian(eqx.nn.MLP(4, "scalar", 8, 2, jnp.tanh, key=key)))(keys)

    models = ensemble(jax.random.split(KEY, 3))
    y = jnp.asarray([0.1, 0.2, 0.3, 0.4])
    out = eqx.filter_vmap(lambda m: m.vector_field(0.0, y))(models)
    assert out.shape == (3, 4)
    assert len(np.unique(np.asarray(out)[:, 2])) == 3


@pytest.mark.bad_input
@pytest.mark.parametrize("prior", [0.0, 1.0])
@pytest.mark.parametrize("activation", [jax.nn.relu, jax.nn.leaky_relu, jax.nn.hard_tanh, lambda x: x])
def test_networks_without_a_velocity_hessian_are_refused(activation, prior):
    with pytest.raises(ValueError, match="no second derivative in the velocities"):
        nl.NeuralLagrangian(small_network(activation=activation), kinetic_prior=prior)


@pytest.mark.bad_input
def test_relu_is_refused_inside_jit_too():
    @eqx.filter_jit
    def make(key):
        return nl.NeuralLagrangian(eqx.nn.MLP(4, "scalar", 8, 2, jax.nn.relu, key=key))

    with pytest.raises(ValueError, match="no second derivative in the velocities"):
        make(KEY)


@pytest.mark.parametrize("activation", [jax.nn.softplus, jnp.tanh, jax.nn.gelu, jax.nn.silu, jnp.sin])
def test_smooth_networks_are_accepted_even_with_a_zero_last_layer(activation):
    network = small_network(activation=activation)
    zero = eqx.tree_at(lambda m: m.layers[-1].weight, network, jnp.zeros_like(network.layers[-1].weight))
    nl.NeuralLagrangian(zero)


def test_a_network_that_does_not_state_its_size_is_refused_at_its_first_call():
    layers = [eqx.nn.Linear(2, 8, key=KEY), eqx.nn.Lambda(jax.nn.relu), eqx.nn.Linear(8, 1, key=KEY)]
    model = nl.NeuralLagrangian(eqx.nn.Sequential(layers))
    with pytest.raises(ValueError, match="no second derivative in the velocities"):
        eqx.filter_jit(model.vector_field)(0.0, jnp.ones(2, DTYPE))


def test_a_vector_potential_is_accepted_with_a_kinetic_prior():
    """A charge in a uniform magnetic field: linear in the velocities, yet no potential."""
    model = nl.NeuralLagrangian(lambda y: y[0] * y[3] - y[1] * y[2], dof=2, kinetic_prior=1.0)
    y = jnp.asarray([0.1, 0.2, 0.3, 0.4], DTYPE)
    np.testing.assert_allclose(model.acceleration(0.0, y[:2], y[2:]), [2 * 0.4, -2 * 0.3], rtol=1e-5)


def test_a_potential_alone_is_accepted_with_a_kinetic_prior_only():
    class Potential(eqx.Module):
        stiffness: jax.Array

        def __call__(self, y):
            return -self.stiffness * y[0] ** 2

    potential = Potential(jnp.ones((), DTYPE))
    nl.NeuralLagrangian(potential, dof=1, kinetic_prior=1.0)
    with pytest.raises(ValueError, match="no second derivative in the velocities"):
        nl.NeuralLagrangian(potential, dof=1, kinetic_prior=0.0)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("network", "keywords", "message"),
    [
        (mlp(5), {}, "`network` has in_size 5; expected an even number"),
        (mlp(4, 2), {}, r"`network` returned shape \(2,\); expected a scalar"),
        (small_network(), {"dof": 3}, "`network` has in_size 4; expected 6 for `dof` 3"),
        (lambda y: y, {"dof": 2}, r"`network` returned shape \(4,\); expected a scalar"),
        (lambda y: y[7] @ y, {"dof": 2}, r"`network` fails on inputs of shape \(4,\)"),
        (3.0, {}, "`network` is 3.0; expected a callable"),
        (small_network(), {"kinetic_prior": -1.0}, "`kinetic_prior` is -1.0"),
        (small_network(), {"mass_solve": "pinv"}, "`mass_solve` is 'pinv'"),
        (small_network(), {"dof": 0}, "`dof` is 0"),
    ],
)
def test_bad_networks_and_options_are_named(network, keywords, message):
    with pytest.raises(ValueError, match=message):
        nl.NeuralLagrangian(network, **keywords)


@pytest.mark.bad_input
def test_a_refused_mass_solve_hears_of_every_one_there_is():
    public = [getattr(nl.mechanics, name) for name in nl.mechanics.__all__]
    solves = [x for x in public if isinstance(x, type) and issubclass(x, AbstractMassSolve)]
    with pytest.raises(ValueError, match="`mass_solve` is 'pinv'; expected an instance of ") as refused:
        nl.NeuralLagrangian(small_network(), mass_solve="pinv")
    named = set(re.findall(r"\w+", str(refused.value).partition("instance of ")[2])) - {"or", "None"}
    assert named == {x.__name__ for x in solves if not inspect.isabstract(x)}
    assert len(named) >= 5


@pytest.mark.bad_input
def test_periodic_embedding_is_exact_and_names_bad_indices():
    network = mlp(5)
    model = nl.NeuralLagrangian(nl.PeriodicEmbedding(network, 2, periodic=[1]))
    _, q, v = (x[0] for x in states(2, 1))
    turn = jnp.asarray([0.0, 2 * jnp.pi], DTYPE)
    np.testing.assert_allclose(
        model.acceleration(0.0, q, v), model.acceleration(0.0, q + turn, v), rtol=1e-9 if DOUBLE else 1e-3
    )
    other = model.acceleration(0.0, q + turn[::-1], v)
    assert jnp.abs(other - model.acceleration(0.0, q, v)).max() > 1e-3
    with pytest.raises(ValueError, match=r"`periodic` is \(2,\)"):
        nl.PeriodicEmbedding(network, 2, periodic=[2])


def test_a_periodic_embedding_hands_on_cosines_sines_and_the_rest():
    """Both: without sines an angle could not be told from its opposite."""
    q, v = jnp.asarray([0.3, -0.7], DTYPE), jnp.asarray([0.2, 0.5], DTYPE)
    seen = nl.PeriodicEmbedding(lambda x: x, 2, periodic=[1])(jnp.concatenate([q, v]))
    np.testing.assert_allclose(seen, [np.cos(0.7), -np.sin(0.7), 0.3, 0.2, 0.5], rtol=1e-6)


def test_time_reversible_networks_are_even_and_their_motion_runs_backwards():
    model = nl.NeuralLagrangian(TimeReversible(small_network()))
    assert model.dof == 2
    t, q, v = (x[0] for x in states(2, 1))
    rtol = 1e-9 if DOUBLE else 1e-3
    np.testing.assert_allclose(model.lagrangian(t, q, v), model.lagrangian(t, q, -v), rtol=rtol)
    ts = jnp.linspace(0.0, 0.5, 3).astype(DTYPE)
    flip = jnp.asarray([1, 1, -1, -1], DTYPE)
    back = model(ts, model(ts, jnp.concatenate([q, v]))[-1] * flip)[-1] * flip
    np.testing.assert_allclose(back, jnp.concatenate([q, v]), atol=1e-6 if DOUBLE else 1e-3)
    plain = nl.NeuralLagrangian(small_network())
    assert abs(plain.lagrangian(t, q, v) - plain.lagrangian(t, q, -v)) > 1e-3


def test_cranmer_initialisation_has_the_published_spread():
    network = cranmer_init(mlp(4, width=400, depth=3), KEY)
    for layer, factor in zip(network.layers, [2.2, 0.58, 1.16, 400.0], strict=True):
        assert float(jnp.std(layer.weight)) == pytest.approx(factor / 20, rel=0.1)
        np.testing.assert_array_equal(layer.bias, 0)
    with pytest.raises(ValueError, match="`mlp` has 1 layer"):
        cranmer_init(mlp(4, depth=0), KEY)


class Wrapped(eqx.Module):
    """A network that states nothing of itself."""

    inner: eqx.Module

    def __call__(self, y):
        return self.inner(y)


@pytest.mark.parametrize("wrap", [Wrapped, lambda network: eqx.nn.Sequential([eqx.nn.Lambda(network)])])
@pytest.mark.parametrize(
    ("kind", "of_formula"),
    [
        (nl.NeuralLagrangian, nl.NeuralLagrangian.from_lagrangian),
        (nl.HamiltonianNetwork, nl.HamiltonianNetwork.from_hamiltonian),
    ],
    ids=["Lagrangian", "Hamiltonian"],
)
def test_a_wrapped_network_is_the_same_model(kind, of_formula, wrap):
    network, y = small_network(), jnp.asarray([0.1, 0.2, 0.3, 0.4], DTYPE)
    bare, wrapped = kind(network), kind(wrap(network))
    assert wrapped.kinetic_prior == bare.kinetic_prior == 1
    np.testing.assert_array_equal(wrapped.vector_field(0.0, y), bare.vector_field(0.0, y))
    assert of_formula(lambda t, q, v: 0.5 * jnp.dot(v, v), dof=2).kinetic_prior == 0


def test_the_lagrangian_of_a_model_is_the_lagrangian_alone():
    """It can be built upon: without the old force, and with what was known of its mass matrix."""
    mechanical = nl.MechanicalLagrangian.from_mlp(2, 8, key=KEY)
    for network in (mechanical, small_network()):
        model = nl.NeuralLagrangian(network, force=LinearDamping(jnp.ones(2, DTYPE)) + ControlForce())
        again = nl.NeuralLagrangian.from_lagrangian(model.lagrangian, force=ControlForce())
        assert (again.dof, type(again.mass_solve)) == (2, type(model.mass_solve))
        q, v = jnp.asarray([[0.1, 0.2], [0.3, 0.4]], DTYPE)
        np.testing.assert_array_equal(again.lagrangian(0.0, q, v), model.lagrangian(0.0, q, v))
        count = sum(leaf.size for leaf in jax.tree.leaves(eqx.filter(again, eqx.is_inexact_array)))
        assert count == sum(leaf.size for leaf in jax.tree.leaves(eqx.filter(network, eqx.is_inexact_array)))
        with_control(again, jnp.asarray([0.0, 1.0], DTYPE), jnp.zeros((2, 2), DTYPE))

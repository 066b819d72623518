"""What is frozen is not trained, by anything, and is used as before."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import neural_lagrangian as nl
from neural_lagrangian import training
from neural_lagrangian.datasets import add_noise
from neural_lagrangian.lagrangians import ParametricLagrangian
from neural_lagrangian.mechanics import LinearDamping
from neural_lagrangian.models import ModelFileError, with_precision
from neural_lagrangian.networks import Frozen, unfrozen

from ..helpers import DTYPE, mlp, slow_but, small_network
from .killed import data

pytestmark = pytest.mark.optax
KEY = jax.random.key(0)
TS, Y0 = jnp.linspace(0.0, 0.5, 6).astype(DTYPE), jnp.asarray([0.3, -0.2], DTYPE)


class Own(eqx.Module):
    """A network that users wrote, with a layer of their own."""

    scale: jax.Array
    inner: eqx.nn.MLP

    def __call__(self, y):
        return self.inner(self.scale * y)


class Known(eqx.Module):
    """A formula with an array and a term that is a network."""

    stiffness: jax.Array
    rest: eqx.nn.MLP

    def __call__(self, t, q, v):
        return 0.5 * v @ v - 0.5 * self.stiffness * q @ q + self.rest(jnp.concatenate([q, v]))


def spring(t, q, v, *, mass, stiffness):
    return 0.5 * mass * v @ v - 0.5 * stiffness * q @ q


def formula():
    return ParametricLagrangian(spring, dof=1, mass=1.3, stiffness=0.7, positive="mass")


MODELS = {
    "a layer": (lambda: nl.NeuralLagrangian(small_network(1)), lambda m: m.network.layers[0]),
    "a weight": (lambda: nl.NeuralLagrangian(small_network(1)), lambda m: m.network.layers[1].weight),
    "layer of a network in an embedding": (
        lambda: nl.NeuralLagrangian(nl.PeriodicEmbedding(mlp(3), 1)),
        lambda m: m.network.network.layers[1],
    ),
    "a network beside a force": (
        lambda: nl.NeuralLagrangian(small_network(1), force=LinearDamping(jnp.ones(1, DTYPE))),
        lambda m: m.network,
    ),
    "a force": (
        lambda: nl.NeuralLagrangian(small_network(1), force=LinearDamping(jnp.ones(1, DTYPE))),
        lambda m: m.force,
    ),
    "the array of a force": (
        lambda: nl.NeuralLagrangian(small_network(1), force=LinearDamping(jnp.ones(1, DTYPE))),
        lambda m: m.force.factor,
    ),
    "a coefficient": (lambda: nl.NeuralLagrangian(formula()), lambda m: m.network.trained["mass"]),
    "a Lagrangian of a sum": (lambda: nl.NeuralLagrangian(formula() + mechanical()), lambda m: m.network.terms[1]),
    "a potential": (lambda: nl.NeuralLagrangian(mechanical()), lambda m: m.network.potential),
    "a part of users": (
        lambda: nl.NeuralLagrangian(Own(jnp.ones((), DTYPE), mlp(2)), dof=1),
        lambda m: (m.network.scale, m.network.inner.layers[0]),
    ),
    "a part of users' formulas": (
        lambda: nl.NeuralLagrangian.from_lagrangian(Known(jnp.ones((), DTYPE), mlp(2)), dof=1),
        lambda m: m.network.function.stiffness,
    ),
    "a layer of a NeuralODE": (lambda: nl.NeuralODE(small_network(1, out=1)), lambda m: m.network.layers[0]),
    "a layer of a HamiltonianNetwork": (
        lambda: nl.HamiltonianNetwork(small_network(1)),
        lambda m: m.network.layers[0],
    ),
}


def mechanical():
    return nl.MechanicalLagrangian(mlp(1), mlp(1, out=1), dof=1)


def frozen(name):
    """The model, and the same with a part frozen."""
    make, where = MODELS[name]
    model = eqx.tree_at(
        lambda m: m.integration.stepsize_controller, make(), nl.StepsPerSample(1), is_leaf=lambda x: x is None
    )
    part = where(model)
    if isinstance(part, tuple):
        return model, eqx.tree_at(where, model, tuple(map(Frozen, part)))
    return model, eqx.tree_at(where, model, Frozen(part))


def parts(model):
    """The frozen parts."""
    nodes = jax.tree.leaves(model, is_leaf=lambda x: isinstance(x, Frozen))
    return [node for node in nodes if isinstance(node, Frozen)]


def same(a, b):
    a, b = (eqx.filter(tree, eqx.is_array) for tree in (a, b))
    return bool(eqx.tree_equal(a, b))


@pytest.mark.parametrize("name", slow_but(MODELS, "the array of a force", "a coefficient"))
def test_it_is_used_as_before_and_has_no_gradient(name):
    """Rollout, Lagrangian and energy to the last bit, under jit and vmap; its gradient is zero, that of others not."""
    model, part = frozen(name)
    y0s = jnp.stack([Y0, 2 * Y0])
    rollout = eqx.filter_jit(lambda model, y0s: jax.vmap(model, (None, 0))(TS, y0s))
    np.testing.assert_array_equal(rollout(part, y0s), rollout(model, y0s))
    if hasattr(model, "energy"):
        np.testing.assert_array_equal(part.energy(0.1, Y0[:1], Y0[1:]), model.energy(0.1, Y0[:1], Y0[1:]))

    @eqx.filter_jit
    @eqx.filter_grad
    def slope(model):
        return jnp.sum(model(TS, Y0) ** 2)

    found = slope(part)
    still = sum(float(jnp.sum(jnp.abs(x))) for node in parts(found) for x in jax.tree.leaves(node))
    every = sum(float(jnp.sum(jnp.abs(x))) for x in jax.tree.leaves(eqx.filter(found, eqx.is_array)))
    assert still == 0 < every
    assert sum(float(jnp.sum(jnp.abs(x))) for x in jax.tree.leaves(MODELS[name][1](slope(model)))) > 0


OPTIMIZERS = {
    "weight decay": optax.adamw(1e-2, weight_decay=0.5),
    "Muon": optax.contrib.muon(1e-2, weight_decay=0.5),
}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("name", slow_but(MODELS, "a layer", "a coefficient"))
def test_fit_leaves_it_as_it_is_and_trains_the_rest(name, optimizer):
    _, model = frozen(name)
    settings = {"steps": 3, "horizon": 2, "batch_size": 8, "key": KEY}
    result = nl.fit(model, data(), optimizer=OPTIMIZERS[optimizer], **settings)
    assert all(map(same, parts(result.model), parts(model)))
    assert len(parts(result.model)) == len(parts(model)) > 0
    assert not same(result.model, model)
    assert result.history.skipped.sum() == 0


def test_it_is_trained_as_beside_a_constant():
    """The same losses as with the layer in a closure, where JAX cannot see it."""
    _, model = frozen("a layer")
    layer = model.network.layers[0].value
    closed = eqx.tree_at(lambda m: m.network.layers[0], model, lambda x, **_: layer(x))
    settings = {"steps": 4, "horizon": 2, "batch_size": 8, "key": KEY}
    one, other = (nl.fit(each, data(), **settings) for each in (model, closed))
    np.testing.assert_allclose(one.history.loss, other.history.loss, rtol=1e-12 if jnp.float64 == DTYPE else 1e-5)


@pytest.mark.double
@pytest.mark.parametrize("train", [training.polish, training.gauss_newton], ids=["polish", "gauss_newton"])
def test_the_last_digits_leave_it_as_it_is(train):
    """With the mass known the stiffness comes out; nothing else is left to train."""
    _, model = frozen("a coefficient")
    result = train(model, data(), steps=12, horizon=2, windows=32, stepsize_controller=nl.StepsPerSample(2))
    found = result.model.network
    assert same(found.trained["mass"], model.network.trained["mass"])
    assert float(found.coefficients["stiffness"]) == pytest.approx(1.3, rel=1e-5)
    assert float(found.coefficients["mass"]) == pytest.approx(1.3, rel=1e-12)


@pytest.mark.double
@pytest.mark.parametrize("train", [training.polish, training.gauss_newton], ids=["polish", "gauss_newton"])
def test_states_are_estimated_beside_it(train):
    _, model = frozen("a coefficient")
    noisy = add_noise(data(), relative=0.01, key=KEY)
    result = train(model, noisy, steps=4, horizon=3, windows=8, states=noisy.ys)
    assert same(result.model.network.trained["mass"], model.network.trained["mass"])
    assert result.loss[-1] < result.loss[0]


def test_members_of_an_ensemble_keep_each_its_own():
    def make(scale):
        network = small_network(1, 4, out=1)
        network = jax.tree.map(lambda x: scale * x if eqx.is_inexact_array(x) else x, network)
        return nl.NeuralODE(eqx.tree_at(lambda n: n.layers[0], network, replace_fn=Frozen))

    models = eqx.filter_vmap(make)(jnp.asarray([1.0, 2.0], DTYPE))
    running = training.Running(members=2)
    result = nl.fit(models, data(), running=running, steps=3, horizon=2, batch_size=8, key=KEY)
    assert same(result.model.network.layers[0], models.network.layers[0])
    assert not same(result.model.network.layers[1], models.network.layers[1])


def test_files_keep_it(tmp_path):
    model, part = frozen("a layer")
    nl.save(tmp_path / "model", part)
    found = nl.load(tmp_path / "model", jax.tree.map(lambda x: 0 * x if eqx.is_inexact_array(x) else x, part))
    assert same(found, part)
    assert isinstance(found.network.layers[0], Frozen)
    with pytest.raises(ModelFileError, match=r"holds another architecture: .*layers\[0\]"):
        nl.load(tmp_path / "model", model)


def test_wrappers_come_off_and_precision_goes_through():
    model, part = frozen("a part of users")
    assert same(unfrozen(part), model)
    assert not parts(unfrozen(part))
    assert unfrozen(model) is model
    twice = Frozen(Frozen(jnp.ones(2, DTYPE)))
    assert eqx.is_array(unfrozen(twice))
    halved = with_precision(part, jnp.float32)
    assert {leaf.dtype for leaf in jax.tree.leaves(eqx.filter(halved, eqx.is_array))} == {jnp.dtype(jnp.float32)}


def test_parts_are_reached_through_it():
    layer = Frozen(eqx.nn.Linear(2, 3, key=KEY))
    assert layer.in_features == 2
    assert layer.weight.shape == (3, 2)
    np.testing.assert_array_equal(layer(jnp.ones(2)), layer.value(jnp.ones(2)))
    number = Frozen(jnp.asarray([2.0], DTYPE))
    np.testing.assert_array_equal(jnp.asarray([3.0], DTYPE) * number, [6.0])
    np.testing.assert_array_equal(jnp.exp(number), jnp.exp(number.value))
    assert not hasattr(layer, "no_such_name")


@pytest.mark.bad_input
def test_what_it_cannot_be_is_named():
    with pytest.raises(TypeError, match=r"a frozen ArrayImpl cannot be called; .*`unfrozen\(model\)`"):
        Frozen(jnp.ones(2))(jnp.ones(2))
    with pytest.raises(ValueError, match=r"without floating-point arrays that are not `Frozen`"):
        nl.fit(Frozen(nl.NeuralODE(small_network(1, out=1))), data(), key=KEY)

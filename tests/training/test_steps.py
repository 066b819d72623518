"""What one training step is: its batch, what its optimiser is told, and where a stage begins."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import neural_lagrangian as nl

from ..helpers import small_network
from .killed import data, trained

pytestmark = [pytest.mark.double, pytest.mark.optax, pytest.mark.bad_input]
AT_REST = optax.sgd(0.0)  # leaves the weights alone, so that the loss tells the batches apart
ONE_STAGE = {"horizon": 2, "steps": 20, "optimizer": AT_REST, "held_out": None}


def test_a_batch_depends_on_the_key_and_the_number_of_its_step_alone():
    """However the steps are split into stages."""
    one = trained(**ONE_STAGE).history.loss
    two = trained(**ONE_STAGE | {"horizon": (2, 2), "steps": (12, 8)}).history.loss
    np.testing.assert_array_equal(two, one)
    assert len(np.unique(one)) == 20  # no batch comes twice
    assert not np.array_equal(trained(**ONE_STAGE, key=1).history.loss, one)


def told_to_weights():
    """An optimiser that moves every weight by the loss that it is told."""

    def update(updates, state, params=None, *, value, **_):
        return jax.tree.map(lambda x: jnp.full_like(x, value), updates), state

    return optax.GradientTransformationExtraArgs(lambda params: optax.EmptyState(), update)


def test_an_optimiser_is_told_the_loss_of_its_step():
    result = trained(**ONE_STAGE | {"steps": 1, "optimizer": told_to_weights()})
    before, after = (
        jax.tree.leaves(eqx.filter(m, eqx.is_array)) for m in (nl.NeuralODE(small_network(1, 8, out=1)), result.model)
    )
    for one, other in zip(before, after, strict=True):
        np.testing.assert_allclose(other - one, result.history.loss[0], rtol=1e-12)


def test_a_stage_begins_with_the_best_weights_not_the_last():
    """The first stage makes the model worse from look to look, on held-out motion that goes the other way round."""
    wrong = nl.Trajectories(data().ts, data().ys * [1, -1])
    first = {"horizon": 2, "steps": 40, "look_every": 5, "held_out": wrong}
    one = trained(**first, optimizer=optax.adam(1e-2))
    best = int(np.nanargmin(one.history.held_out))
    assert best < 39
    two = trained(**first | {"horizon": (2, 2), "steps": (40, 5)}, optimizer=[optax.adam(1e-2), AT_REST])
    looks = two.history.held_out
    assert looks[-1] == looks[best]
    assert looks[-1] != looks[39]


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"motion": (data().ts, data().ys)}, r"`trajectories` is a tuple; expected `nl.Trajectories\(ts, ys\)`"),
        ({"motion": data().ys}, "`trajectories` is a ndarray"),
        ({"held_out": (data().ts, data().ys)}, "`held_out` is a tuple"),
    ],
)
def test_arrays_in_place_of_trajectories_are_named(keywords, message):
    with pytest.raises(ValueError, match=message):
        trained(**keywords)


@pytest.mark.parametrize("key", [0, None, jnp.zeros(3), "0", jax.random.split(jax.random.key(0), 2)])
def test_what_is_no_random_key_is_named(key):
    model = nl.NeuralODE(small_network(1, 8, out=1))
    with pytest.raises(ValueError, match=r"`key` is .*; expected one JAX random key, such as `jax.random.key\(0\)`"):
        nl.fit(model, data(), key=key)


def test_a_key_of_the_older_kind_is_taken():
    model = nl.NeuralODE(small_network(1, 8, out=1))
    settings = {"steps": 1, "horizon": 2, "batch_size": 8, "optimizer": AT_REST}
    old, new = (nl.fit(model, data(), key=key, **settings) for key in (jax.random.PRNGKey(0), jax.random.key(0)))
    np.testing.assert_array_equal(old.history.loss, new.history.loss)


def test_a_network_in_a_closure_is_named():
    network = small_network(1, 8, out=1)
    with pytest.raises(ValueError, match=r"nothing to train; .* network inside a function \(a closure\): make"):
        nl.fit(lambda ts, y0: jax.vmap(lambda t: y0 + t * network(y0))(ts), data(), key=jax.random.key(0))

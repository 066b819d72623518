"""Members of an ensemble are trained side by side as each would be by itself."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import neural_lagrangian as nl
from neural_lagrangian.training import MEMBER, multiple_shooting, multiple_shooting_mse

from ..helpers import fit_options
from .distributed import make
from .killed import data

pytestmark = [pytest.mark.double, pytest.mark.optax, pytest.mark.bad_input]
KEY = jax.random.key(0)
OPTIMIZER = optax.adam(1e-2)
SETTINGS = {"steps": (12, 8), "horizon": (2, 4), "batch_size": 8, "optimizer": OPTIMIZER, "look_every": 4}


def fit(model, motion, **keywords):
    return nl.fit(model, motion, **fit_options(**keywords))


def stacked(count=3):
    return eqx.filter_vmap(make)(jnp.arange(float(count)))


def member(tree, i):
    return jax.tree.map(lambda x: x[i] if eqx.is_array(x) else x, tree)


@pytest.fixture(scope="module")
def together():
    return fit(stacked(), data(), key=KEY, members=3, held_out=data(0.4), **SETTINGS)


def test_each_is_as_if_trained_alone(together):
    for i, key in enumerate(jax.random.split(KEY, 3)):
        alone = fit(make(float(i)), data(), key=key, held_out=data(0.4), **SETTINGS)
        np.testing.assert_allclose(together.history.loss[:, i], alone.history.loss, rtol=1e-9)
        np.testing.assert_allclose(together.history.held_out[:, i], alone.history.held_out, rtol=1e-9)
        pairs = (jax.tree.leaves(eqx.filter(m, eqx.is_inexact_array)) for m in (member(together.model, i), alone.model))
        for one, other in zip(*pairs, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-8, atol=1e-10)
    assert np.all(together.history.loss[:, 0] != together.history.loss[:, 1])


def test_one_that_is_lost_does_not_touch_the_others(together):
    broken = jax.tree.map(lambda x: x.at[1].set(jnp.nan) if eqx.is_inexact_array(x) else x, stacked())
    with (
        pytest.warns(UserWarning, match="20 of 60 steps had nothing usable"),
        pytest.warns(UserWarning, match=r"did not choose the model of the members \[1\]: .* never finite"),
    ):
        result = fit(broken, data(), key=KEY, members=3, held_out=data(0.4), **SETTINGS)
    for i in (0, 2):
        np.testing.assert_array_equal(result.history.loss[:, i], together.history.loss[:, i])
        assert eqx.tree_equal(member(result.model, i), member(together.model, i))
    assert result.history.skipped[:, 1].all()
    assert not result.history.skipped[:, [0, 2]].any()


def test_a_killed_ensemble_goes_on(tmp_path, together):
    settings = {"members": 3, "held_out": data(0.4), "resume": tmp_path, "checkpoint_every": 0.0, **SETTINGS}
    fit(stacked(), data(), key=KEY, callbacks=[lambda progress: progress.step >= 8], **settings)
    result = fit(stacked(), data(), key=KEY, **settings)
    assert eqx.tree_equal(result.model, together.model)


@pytest.mark.slow
def test_states_are_estimated_by_each(together):
    result = fit(stacked(), data(), key=KEY, members=3, estimate_states=True, loss=multiple_shooting(2), **SETTINGS)
    assert result.states.shape == (3, *data().ys.shape)
    assert np.any(result.states[0] != result.states[1])


@pytest.mark.parametrize(("model", "members"), [(stacked, 4), (stacked, 0), (lambda: make(0.0), 2)])
def test_a_stack_of_another_size_is_named(model, members):
    with pytest.raises(ValueError, match=f"`members` is {members}, but `model` has arrays of shapes"):
        fit(model(), data(), key=KEY, members=members, **SETTINGS)


@pytest.mark.slow
def test_optimisers_and_losses_may_differ_from_member_to_member():
    """Three rates, three weights of a penalty: each as if trained alone with its own."""
    rates, weights = jnp.asarray([0.1, 0.03, 0.01]), jnp.asarray([0.0, 1.0, 2.0])

    def of(which):
        def loss(model, window):
            return multiple_shooting_mse(model, window) + weights[which()] * jnp.mean(
                model.vector_field(0.0, window.ys[0]) ** 2
            )

        def step(updates, params):
            return jax.tree.map(lambda u: -rates[which()] * u, updates)

        return {"loss": loss, "optimizer": optax.stateless(step), "held_out": data(0.4)}

    plain = SETTINGS | {"steps": 12, "horizon": 2}
    same = jax.tree.map(lambda x: jnp.stack([x] * 3) if eqx.is_array(x) else x, make(0.0))
    together = fit(same, data(), key=KEY, members=3, **plain | of(lambda: jax.lax.axis_index(MEMBER)))
    for i, key in enumerate(jax.random.split(KEY, 3)):
        alone = fit(make(0.0), data(), key=key, **plain | of(lambda i=i: i))
        np.testing.assert_allclose(together.history.loss[:, i], alone.history.loss, rtol=1e-9)
        np.testing.assert_allclose(together.history.held_out[:, i], alone.history.held_out, rtol=1e-9)

"""What was compiled for one training serves the next that is equal, and only such."""

from contextlib import contextmanager

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import neural_lagrangian as nl
from neural_lagrangian.training import multiple_shooting, penalized, polish, scale_penalty, trajectory_mae, weighted
from neural_lagrangian.training.alike import Alike, alike

from ..helpers import DTYPE, small_network
from .killed import data

pytestmark = [pytest.mark.optax]
KEY = jax.random.key(0)
LOSS = nl.trajectory_mse


@contextmanager
def counted():
    found = []

    def listen(name, seconds, **_):
        if "backend_compile" in name:
            found.append(name)

    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        yield found
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)


def model():
    return nl.NeuralODE(small_network(1, 4, out=1))


def trained(**keywords):
    settings = {"steps": 4, "horizon": 2, "batch_size": 4, "held_out": data(0.4)}
    return nl.fit(model(), data(), key=KEY, **settings | keywords)


SETTINGS = {
    "defaults": lambda: {},
    "an optimiser": lambda: {"optimizer": optax.adam(1e-3)},
    "a chain with a schedule": lambda: {
        "optimizer": optax.chain(optax.clip(1.0), optax.adamw(optax.cosine_decay_schedule(1e-3, 10), weight_decay=0.1))
    },
    "an optimiser for each stage": lambda: {"horizon": (1, 2), "optimizer": [optax.sgd(0.1), optax.adam(0.1)]},
    "a weighted loss": lambda: {"loss": weighted(LOSS, velocity=np.array([0.1]))},
    "a loss of segments": lambda: {"loss": multiple_shooting(2)},
    "a penalty": lambda: {"loss": penalized(LOSS, scale_penalty(lambda m: 1.0), 0.0)},
}


@pytest.mark.parametrize("name", ["defaults", "a chain with a schedule", "a weighted loss"])
def test_the_second_equal_training_compiles_nothing(name):
    first = trained(**SETTINGS[name]())
    with counted() as compilations:
        second = trained(**SETTINGS[name]())
    assert len(compilations) == 0
    np.testing.assert_array_equal(first.history.loss, second.history.loss)


def test_polishing_again_compiles_nothing():
    def polished():
        return polish(model(), data(), loss=weighted(LOSS, velocity=0.5), horizon=2, steps=2, windows=4)

    polished()
    with counted() as compilations:
        polished()
    assert len(compilations) == 0


def test_another_optimiser_is_not_taken_for_the_same():
    """Negative control: equal code, other values."""
    with counted() as compilations:
        trained(optimizer=optax.adam(1e-3))
    one = trained(optimizer=optax.adam(1e-3))
    with counted() as compilations:
        other = trained(optimizer=optax.adam(2e-3))
    assert len(compilations) > 0
    assert not np.array_equal(one.history.loss, other.history.loss)


def own(scale):
    return lambda params, updates: scale


SCALE = 1.0


def reads_a_variable(model, window):
    return SCALE * LOSS(model, window)


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        (optax.adam(1e-3), optax.adam(1e-3), True),
        (optax.adam(1e-3), optax.adam(2e-3), False),
        (optax.adam(1e-3), optax.adam(1e-3, b1=0.8), False),
        (optax.adam(1e-3), optax.sgd(1e-3), False),
        (optax.contrib.muon(1e-3), optax.contrib.muon(1e-3), True),
        (optax.contrib.muon(1e-3), optax.contrib.muon(1e-3, weight_decay=0.1), False),
        (weighted(LOSS, velocity=0.1), weighted(LOSS, velocity=0.1), True),
        (weighted(LOSS, velocity=0.1), weighted(LOSS, velocity=0.2), False),
        (weighted(LOSS, velocity=np.ones(2)), weighted(LOSS, velocity=np.ones(2)), True),
        (weighted(LOSS, velocity=np.ones(2)), weighted(LOSS, velocity=np.ones(3)), False),
        (weighted(LOSS, velocity=jnp.ones(2)), weighted(LOSS, velocity=jnp.ones(2)), True),
        (weighted(LOSS), weighted(trajectory_mae), False),
        (weighted(reads_a_variable), weighted(reads_a_variable), False),
        (optax.sgd(own(1.0)), optax.sgd(own(1.0)), False),
        (optax.adam(1), optax.adam(1.0), False),
        (optax.adam(0.0), optax.adam(-0.0), False),
    ],
)
def test_what_is_equal_is_known_or_not_claimed(one, other, equal):
    """A user's function may read what changes between one training and the next, so it is equal to itself alone."""
    one, other = alike(one), alike(other)
    assert (one == other) == equal
    if equal:
        assert hash(one) == hash(other)
    assert alike(one) == one


@pytest.mark.bad_input
def test_a_list_that_changes_later_is_not_seen():
    mutable = [1.0]
    made = weighted(LOSS, velocity=mutable)
    one = alike(made)
    mutable[0] = 2.0
    assert isinstance(one, Alike)
    assert alike(made) != one


def test_a_loss_in_a_loop_is_each_time_its_own():
    """The variable of a loop is one for all the functions made in it."""
    losses = []
    for scale in (0.0, 1.0):
        losses.append(trained(loss=lambda model, window: jnp.asarray(scale, DTYPE) * LOSS(model, window)).history.loss)  # noqa: B023
    assert np.all(losses[0] == 0)
    assert np.all(losses[1] > 0)

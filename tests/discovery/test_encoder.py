"""A recurrent network that names coefficients: units, its loss, and that it learns through `fit`."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import neural_lagrangian as nl
from neural_lagrangian.discovery import CoefficientEncoder, encoder_loss
from neural_lagrangian.integrators import Integration, StormerVerlet

from ..helpers import DOUBLE, DTYPE
from .oscillators import FAMILY, TS, drawn, noisy

KEY = jax.random.key(0)
INTEGRATION = Integration(StormerVerlet(), stepsize_controller=nl.StepsPerSample(1))


class Oracle(eqx.Module):
    """An encoder that knows the answer."""

    family = FAMILY
    c: jax.Array

    def __call__(self, data):
        return self.c


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_coefficients_turn_with_the_units(cell):
    """Coordinates times 3 and momenta times 5: every coefficient of these families times 5/3."""
    _, motions = drawn(3)
    encoder = CoefficientEncoder(FAMILY, TS, width=4, cell=cell, key=KEY)
    units = np.asarray([3, 5], DTYPE)
    plain, scaled = encoder.coefficients(motions), encoder.coefficients(motions * units)
    for name in FAMILY.names:
        np.testing.assert_allclose(scaled[name], plain[name] * 5 / 3, rtol=1e-9 if DOUBLE else 1e-3)
    bare = CoefficientEncoder(FAMILY, TS, width=4, cell=cell, scaled=False, key=KEY)
    np.testing.assert_allclose(bare.coefficients(motions)["c1"], bare.coefficients(motions * units)["c1"], rtol=1e-4)


@pytest.mark.parametrize("distance", ["rms", "mae", "huber"])
def test_the_loss_is_least_at_the_truth(distance):
    c, motions = drawn(1)
    window = nl.trajectories.Window(TS, jnp.asarray(motions[0]))
    loss = jax.jit(lambda c: encoder_loss(INTEGRATION, distance=distance)(Oracle(c), window))
    truth = jnp.asarray(c[0], DTYPE)
    assert loss(truth) < 0.02  # the error of the integrator
    for direction in np.eye(3):
        assert loss(truth * jnp.asarray(1 + 0.3 * direction, DTYPE)) > 2 * loss(truth)


def test_weights_and_penalty_enter_as_stated():
    """Of data that are wrong in their momenta alone, and by more than the error of the integrator."""
    c, motions = drawn(1)
    off = noisy(motions, 0.1) - motions
    off[:, 0] = off[:, :, 0] = 0
    ys, wrong = jnp.asarray((motions + off)[0]), Oracle(jnp.asarray(c[0], DTYPE))

    def value(**keywords):
        return float(encoder_loss(INTEGRATION, **keywords)(wrong, nl.trajectories.Window(TS, ys)))

    of_q, of_p = value(beta=0.0), value(alpha=0.0)
    assert of_q < 0.3 * of_p
    penalised = value(alpha=2.0, beta=3.0, penalty=lambda c: 7.0 * c[0])
    assert penalised == pytest.approx(2 * of_q + 3 * of_p + 7 * c[0, 0], rel=1e-5)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: encoder_loss(INTEGRATION, distance="l1"), "`distance` is 'l1'"),
        (lambda: CoefficientEncoder(FAMILY, TS, cell="rnn", key=KEY), "`cell` is 'rnn'"),
        (lambda: CoefficientEncoder(FAMILY, TS, width=0, key=KEY), "`width` is 0"),
    ],
)
def test_bad_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.optax
@pytest.mark.bad_input
@pytest.mark.slow
def test_it_learns_through_fit():
    """On motions alone, and names coefficients of others better than at the start."""
    _, motions = drawn(256)
    times = np.broadcast_to(np.asarray(TS)[::4], (256, 11))
    data = nl.Trajectories(times, motions[:, ::4])
    encoder = CoefficientEncoder(FAMILY, times[0], width=8, key=KEY)
    loss = encoder_loss(INTEGRATION)
    keywords = {"horizon": 10, "steps": 200, "batch_size": 64, "optimizer": optax.adam(1e-2)}
    result = nl.fit(encoder, data, loss=loss, key=KEY, **keywords)
    c, others = drawn(64, seed=9)

    def error(encoder):
        return np.median(np.abs(encoder.coefficients(others[:, ::4])["c1"] / c[:, 0] - 1))

    assert error(result.model) < 0.5 * error(encoder)
    assert result.history.loss[-20:].mean() < 0.5 * result.history.loss[:5].mean()

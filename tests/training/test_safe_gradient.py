"""A diverging sample neither stops nor poisons a step: the gradient is that of the others alone."""

from functools import cache

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.training import safe_gradient
from neural_lagrangian.trajectories import Window

from ..helpers import DTYPE, slow, small_network

pytestmark = pytest.mark.double
TS = jnp.linspace(0.0, 0.3, 4).astype(DTYPE)
CONSTANT = {"stepsize_controller": diffrax.ConstantStepSize(), "dt0": 0.1}
ADAPTIVE = {"stepsize_controller": diffrax.PIDController(1e-6, 1e-6), "max_steps": 64}
SOLVES = {
    "scan": {"stepsize_controller": nl.StepsPerSample(1)},
    "constant, recursive": CONSTANT | {"adjoint": diffrax.RecursiveCheckpointAdjoint()},
    "constant, direct": CONSTANT | {"adjoint": diffrax.DirectAdjoint(), "max_steps": 8},
    "adaptive, recursive": ADAPTIVE | {"adjoint": diffrax.RecursiveCheckpointAdjoint()},
    "adaptive, direct": ADAPTIVE | {"adjoint": diffrax.DirectAdjoint()},
}


class Runaway(eqx.Module):
    """A network whose motion blows up in finite time from states beyond q = 3, and only from those."""

    network: eqx.nn.MLP

    def __call__(self, y):
        q = y[0]
        return self.network(y) + 0.5 * y[1] ** 2 + jnp.where(q > 3, jnp.exp(jnp.where(q > 3, q, 0.0) ** 4), 0)


def batch_of(count, bad):
    rng = np.random.default_rng(0)
    ys = np.repeat(rng.normal(size=(count, 1, 2)) * 0.3, len(TS), axis=1).astype(DTYPE)
    ys[list(bad), :, 0] = 5.0
    return Window(np.broadcast_to(TS, (count, len(TS))), ys)


@cache
def setup(name):
    """Parameters, the loss of one sample, and its safe gradient, compiled once for all tests."""
    model = nl.NeuralLagrangian(Runaway(small_network(1)), dof=1, **SOLVES[name])
    params, static = eqx.partition(model, eqx.is_inexact_array)

    def loss(params, window):
        return nl.trajectory_mse(eqx.combine(params, static), window)

    return params, loss, jax.jit(lambda params, batch: safe_gradient(loss, params, batch))


@pytest.mark.parametrize("name", ["scan", *map(slow, list(SOLVES)[1:])])
def test_gradient_equals_that_of_the_clean_subset(name):
    """1, 10 and 50 of 100 diverging, against the mean of the others' plain gradients."""
    params, loss, together = setup(name)
    of_each = jax.jit(jax.vmap(jax.value_and_grad(loss), (None, 0)))(params, batch_of(100, []))
    for count in (1, 10, 50):
        bad = np.random.default_rng(count).permutation(100)[:count]
        result = together(params, batch_of(100, bad))
        assert int(result.failures) == count
        assert bool(result.usable)
        clean = np.setdiff1d(np.arange(100), bad)
        np.testing.assert_array_equal(np.flatnonzero(result.kept), clean)
        for found, each in zip(*map(jax.tree.leaves, ((result.loss, result.gradient), of_each)), strict=True):
            np.testing.assert_allclose(found, each[clean].mean(axis=0), rtol=1e-10, atol=1e-12)


def test_the_bad_sample_would_have_poisoned_the_plain_gradient():
    """Negative control: zeroing its loss is not enough."""
    params, loss, _ = setup("scan")
    batch = batch_of(4, [1])

    def masked(params):
        losses = jax.vmap(loss, (None, 0))(params, batch)
        return jnp.mean(jnp.where(jnp.isfinite(losses), losses, 0))

    leaves = jax.tree.leaves(jax.jit(jax.grad(masked))(params))
    assert not all(jnp.all(jnp.isfinite(leaf)) for leaf in leaves)


def test_nothing_left_is_not_usable():
    params, _, together = setup("scan")
    result = together(params, batch_of(8, range(8)))
    assert not bool(result.usable)
    assert int(result.failures) == 8


def test_a_sample_that_explodes_but_stays_finite_is_a_failure():
    def loss(scale, x):
        return jnp.sum(scale * x**2)

    x = jnp.asarray([[1.0], [2.0], [3.0], [1e15]], DTYPE)
    result = safe_gradient(loss, jnp.ones((), DTYPE), x)
    np.testing.assert_array_equal(result.kept, [True, True, True, False])
    assert float(result.gradient) == pytest.approx(14 / 3)


@pytest.mark.parametrize("unit", [1e-30, 1.0, 1e30])
@pytest.mark.parametrize(
    ("x", "kept"),
    [
        ([1.0, 2.0, 3.0, 1e15], [True, True, True, False]),
        ([0.0, 0.0, 0.0, 2.0, 3.0], [True] * 5),  # samples at rest, whose loss is zero
        ([0.0, 0.0, 0.0, 2.0, 3.0, 1e9], [True] * 5 + [False]),
        ([0.0, 0.0], [True, True]),
    ],
)
def test_samples_are_left_out_whatever_the_unit_of_the_loss(unit, x, kept):
    result = safe_gradient(lambda scale, x: scale * x**2, jnp.asarray(unit, DTYPE), jnp.asarray(x, DTYPE))
    np.testing.assert_array_equal(result.kept, kept)


def test_a_finite_loss_with_an_infinite_derivative_is_a_failure_too():
    def loss(scale, x):
        return jnp.sqrt(jnp.sum(scale * x**2))

    x = jnp.asarray([[1.0], [0.0], [2.0]], DTYPE)
    result = safe_gradient(loss, jnp.ones((), DTYPE), x)
    np.testing.assert_array_equal(result.kept, [True, False, True])
    assert float(result.gradient) == pytest.approx((0.5 + 1.0) / 2)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (
            lambda x: (x, {"rows": 1}),
            "`loss` returns a tuple; expected one real number .*. Leave out auxiliary",
        ),
        (lambda x: x[None], r"`loss` returns shape \(1,\), dtype float"),
        (lambda x: x > 0, r"`loss` returns shape \(\), dtype bool"),
        (lambda x: None, "`loss` returns a NoneType"),
        (lambda x: {"loss": x}, "`loss` returns a dict"),
    ],
)
def test_a_loss_that_is_no_number_is_named(returned, message):
    with pytest.raises(ValueError, match=message):
        safe_gradient(lambda w, x: returned(w * x), jnp.asarray(1.0), jnp.ones(3))

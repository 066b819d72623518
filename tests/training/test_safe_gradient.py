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

from ..helpers import DTYPE, slow, small_network

pytestmark = pytest.mark.double
TS = jnp.linspace(0.0, 0.3, 4).astype(DTYPE)
CONTROLLERS = {
    "scan": {"stepsize_controller": nl.StepsPerSample(1)},
    "constant": {"stepsize_controller": diffrax.ConstantStepSize(), "dt0": 0.1},
    "adaptive": {"stepsize_controller": diffrax.PIDController(1e-6, 1e-6), "max_steps": 64},
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
    return np.broadcast_to(TS, (count, len(TS))), ys


@cache
def setup(controller):
    """Parameters, the loss of one sample, and its safe gradient, compiled once for all tests."""
    model = nl.NeuralLagrangian(Runaway(small_network(1)), dof=1, **CONTROLLERS[controller])
    params, static = eqx.partition(model, eqx.is_inexact_array)

    def loss(params, ts, ys):
        return nl.trajectory_mse(eqx.combine(params, static), ts, ys)

    return params, loss, jax.jit(lambda params, *batch: safe_gradient(loss, params, batch))


def alone(controller):
    """The loss and the gradient of one sample: the plain ones, or those of a batch that holds nothing else."""
    _, loss, together = setup(controller)
    if controller == "scan":
        return jax.jit(jax.value_and_grad(loss))

    def of_copies(params, ts, ys):
        result = together(params, *(np.broadcast_to(x, (8, *x.shape)) for x in (ts, ys)))
        assert result.kept.all()
        return result.loss, result.gradient

    return of_copies  # compiled already


@pytest.mark.parametrize("controller", ["scan", "adaptive", slow("constant")])
def test_gradient_equals_that_of_the_clean_subset(controller):
    """1, 2 and 5 of 8 diverging, against the mean of the others' gradients taken one by one."""
    params, _, together = setup(controller)
    of_one = alone(controller)
    for bad in ([3], [0, 5], [0, 1, 2, 6, 7]):
        ts, ys = batch_of(8, bad)
        clean = np.setdiff1d(np.arange(8), bad)
        result = together(params, ts, ys)
        assert int(result.failures) == len(bad)
        assert bool(result.usable)
        np.testing.assert_array_equal(np.flatnonzero(result.kept), clean)
        expected = jax.tree.map(lambda *x: np.mean(x, axis=0), *(of_one(params, ts[i], ys[i]) for i in clean))
        jax.tree.map(
            lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12),
            (result.loss, result.gradient),
            expected,
        )


def test_the_bad_sample_would_have_poisoned_the_plain_gradient():
    """Negative control: zeroing its loss is not enough."""
    params, loss, _ = setup("scan")
    ts, ys = batch_of(4, [1])

    def masked(params):
        losses = jax.vmap(loss, (None, 0, 0))(params, ts, ys)
        return jnp.mean(jnp.where(jnp.isfinite(losses), losses, 0))

    leaves = jax.tree.leaves(jax.jit(jax.grad(masked))(params))
    assert not all(jnp.all(jnp.isfinite(leaf)) for leaf in leaves)


def test_nothing_left_is_not_usable():
    params, _, together = setup("scan")
    result = together(params, *batch_of(8, range(8)))
    assert not bool(result.usable)
    assert int(result.failures) == 8


def test_a_sample_that_explodes_but_stays_finite_is_a_failure():
    def loss(scale, x):
        return jnp.sum(scale * x**2)

    x = jnp.asarray([[1.0], [2.0], [3.0], [1e15]], DTYPE)
    result = safe_gradient(loss, jnp.ones((), DTYPE), (x,))
    np.testing.assert_array_equal(result.kept, [True, True, True, False])
    assert float(result.gradient) == pytest.approx(14 / 3)


def test_a_finite_loss_with_an_infinite_derivative_is_a_failure_too():
    def loss(scale, x):
        return jnp.sqrt(jnp.sum(scale * x**2))

    x = jnp.asarray([[1.0], [0.0], [2.0]], DTYPE)
    result = safe_gradient(loss, jnp.ones((), DTYPE), (x,))
    np.testing.assert_array_equal(result.kept, [True, False, True])
    assert float(result.gradient) == pytest.approx((0.5 + 1.0) / 2)

"""Gradients through variational solvers: of parameters, forces, states and steps, by every adjoint."""

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.integrators import StormerVerlet, VariationalMidpoint

from ..helpers import DTYPE, central_difference, inner, random_like, slow, small_network

pytestmark = pytest.mark.double
TS = jnp.asarray([0.0, 0.1, 0.25, 0.4], DTYPE)
Y0 = jnp.asarray([0.4, -0.3, 0.2, 0.5], DTYPE)


class Force(eqx.Module):
    network: eqx.nn.MLP

    def __call__(self, t, q, v):
        return self.network(jnp.concatenate([q, v])) - 0.1 * v


class Driven(eqx.Module):
    """A network, on top of plain masses: a Lagrangian whose step has a solution."""

    network: eqx.nn.MLP

    def __call__(self, t, q, v):
        return 0.5 * jnp.dot(v, v) + 0.3 * self.network(jnp.concatenate([q, v])) + 0.2 * jnp.cos(t) * q[0] * v[1]


def loss_of(solver, **keywords):
    """Of (Lagrangian, force, y0, ts), as a function of their differentiable part."""
    keywords = keywords or {"stepsize_controller": nl.StepsPerSample(2)}
    parts = Driven(small_network()), Force(small_network(out=2, seed=1))
    params, static = eqx.partition(parts, eqx.is_inexact_array)

    def loss(x):
        params, y0, ts = x
        lagrangian, force = eqx.combine(params, static)
        model = nl.NeuralLagrangian.from_lagrangian(lagrangian, solver, dof=2, force=force, **keywords)
        return jnp.sum(jnp.sin(3 * model(ts, y0)[1:]))

    return jax.jit(loss), (params, Y0, TS)


ADJOINTS = {
    "scan": (None, jax.grad),
    "scan forward": (None, jax.jacfwd),
    "recursive": (diffrax.RecursiveCheckpointAdjoint(), jax.grad),
    "direct": (diffrax.DirectAdjoint(), jax.grad),
    "forward": (diffrax.ForwardMode(), None),
}


@pytest.mark.parametrize("name", ["scan", slow("recursive"), slow("scan forward"), slow("direct"), slow("forward")])
def test_gradient_in_lagrangian_force_state_and_times(name):
    adjoint, gradient = ADJOINTS[name]
    loss, x = loss_of(nl.GalerkinGaussLobatto(1), stepsize_controller=nl.StepsPerSample(2), adjoint=adjoint)
    direction = random_like(x)
    if gradient is None:
        ours = jax.jit(lambda x, d: jax.jvp(loss, (x,), (d,))[1])(x, direction)
    else:
        ours = inner(jax.jit(gradient(loss))(x), direction)
    assert float(ours) == pytest.approx(float(central_difference(loss, x, direction, 2e-4)), rel=1e-6)


@pytest.mark.parametrize(
    "solver", [slow(StormerVerlet()), slow(VariationalMidpoint()), slow(nl.GalerkinGaussLobatto(2))], ids=str
)
def test_gradient_of_every_solver_in_each_of_its_parts(solver):
    """A gradient wrong in one part only would hide in a sum: each against its own difference."""
    loss, x = loss_of(solver)
    gradient = jax.jit(jax.grad(loss))(x)
    (lagrangian, force), y0, ts = random_like(x)
    nothing = jax.tree.map(jnp.zeros_like, x)
    (no_lagrangian, no_force), no_y0, no_ts = nothing
    for direction in (
        ((lagrangian, no_force), no_y0, no_ts),
        ((no_lagrangian, force), no_y0, no_ts),
        ((no_lagrangian, no_force), y0, no_ts),
        ((no_lagrangian, no_force), no_y0, ts),
    ):
        difference = float(central_difference(loss, x, direction, 2e-4))
        assert abs(difference) > 1e-4
        assert float(inner(gradient, direction)) == pytest.approx(difference, rel=1e-6)


@pytest.mark.slow
def test_gradient_in_the_step_size():
    """Of `dt0`, of a motion in constant steps whose length it sets: a coarse step errs, and its gradient says so."""
    term = nl.EulerLagrangeTerm(Driven(small_network()))

    @jax.jit
    def end(h):
        solution = diffrax.diffeqsolve(term, StormerVerlet(), 0.0, 3 * h, h, Y0, max_steps=8)
        return jnp.sum(jnp.sin(solution.ys[-1]))

    h = jnp.asarray(0.2)
    difference = central_difference(end, h, jnp.ones(()), 1e-3)
    assert float(jax.jit(jax.grad(end))(h)) == pytest.approx(float(difference), rel=1e-6)


@pytest.mark.slow
def test_hessian_vector_product():
    """Forward over reverse through the scan, against central differences of the gradient."""
    loss, x = loss_of(nl.GalerkinGaussLobatto(1))
    direction = random_like(x)
    gradient = jax.jit(jax.grad(loss))
    product = jax.jit(lambda x, d: jax.jvp(jax.grad(loss), (x,), (d,))[1])(x, direction)
    difference = central_difference(gradient, x, direction, 2e-4)
    error = jax.tree.map(lambda a, b: a - b, product, difference)
    assert float(jnp.sqrt(inner(error, error))) < 1e-6 * float(jnp.sqrt(inner(difference, difference)))


def test_a_gradient_that_drops_the_motion_of_the_root_is_seen():
    """The tolerance tells: of a step of Newton's method held constant, the loss would hardly depend on parameters."""
    loss, x = loss_of(nl.GalerkinGaussLobatto(1))
    gradient = jax.jit(jax.grad(loss))(x)
    direction = random_like(x)
    difference = float(central_difference(loss, x, direction, 2e-4))
    wrong = inner(jax.tree.map(lambda g: g * (1 + 1e-5), gradient), direction)
    assert float(wrong) != pytest.approx(difference, rel=1e-6)


@pytest.mark.slow
def test_gradients_of_a_batch_are_those_of_its_members():
    """Under `vmap` iterations go on until the last member has converged: to the same roots."""
    loss, (params, y0, ts) = loss_of(nl.GalerkinGaussLobatto(1))
    y0s = jnp.stack([y0, -0.5 * y0, 2 * y0])
    gradient = jax.grad(lambda y0: loss((params, y0, ts)))
    together = jax.jit(jax.vmap(gradient))(y0s)
    alone = jnp.stack([jax.jit(gradient)(y0) for y0 in y0s])
    np.testing.assert_allclose(together, alone, rtol=1e-11, atol=1e-12)

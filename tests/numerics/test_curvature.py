"""The step-by-step second derivatives, against forward over reverse mode, and what they cost."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.mechanics import Cholesky
from neural_lagrangian.numerics.curvature import Directions, gradient_and_curvature
from neural_lagrangian.numerics.jaxpr import program_of

from ..helpers import DOUBLE, DTYPE, mlp, slow, small_network

MLP = small_network(2)
WEIGHTS = jnp.asarray(np.random.default_rng(3).normal(size=(4, 4)), DTYPE)


@jax.custom_vjp
def reversed_by_hand(x):
    return jnp.sin(x)


reversed_by_hand.defvjp(lambda x: (jnp.sin(x), x), lambda x, ct: (ct * jnp.cos(x),))


def scanned(x):
    return jnp.sum(jax.lax.scan(lambda h, _: (jnp.tanh(WEIGHTS @ h), None), x, None, length=3)[0])


def branched(x):
    return jax.lax.cond(x[0] > 0, lambda x: jnp.sum(x**3), lambda x: jnp.sum(jnp.cos(x)) * x[1], x)


def spectral(x):
    return jnp.sum(jnp.abs(jnp.fft.rfft(x)) ** 2 * jnp.arange(3.0)) * x[0]


FUNCTIONS = {
    "mlp": MLP,
    "jitted": eqx.filter_jit(MLP),
    "checkpointed": jax.checkpoint(lambda x: jnp.tanh(MLP(x))),
    "bilinear": lambda x: x @ WEIGHTS @ x + jnp.prod(x[:2]) * x[3],
    "matrix of the state": lambda x: x @ jnp.outer(jnp.sin(x), x) @ WEIGHTS @ x,
    "gathered": lambda x: jnp.sum(jnp.sort(x)[jnp.array([0, 3, 3])] ** 3 * jnp.array([1.0, 2.0, 3.0], x.dtype)),
    "scanned": scanned,
    "branched": branched,
    "custom reverse rule": lambda x: jnp.sum(reversed_by_hand(WEIGHTS @ x) ** 2),
    "complex": spectral,
    "linear": lambda x: jnp.sum(WEIGHTS @ x),
    "constant": lambda x: jnp.ones((), x.dtype),
    "through integers": lambda x: x[jnp.argmax(x)] ** 2 + jnp.floor(x[0]) * x[1] ** 2,
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_against_forward_over_reverse(name):
    f = FUNCTIONS[name]
    x, *directions = np.random.default_rng(0).normal(size=(4, 4)).astype(DTYPE)
    U = np.stack(directions)

    @jax.jit
    def ours(x):
        program = program_of(f, x)
        return program(x), *gradient_and_curvature(program, (x,), (Directions(0, jnp.asarray(U)),), 2)

    @jax.jit
    def theirs(x):
        gradient = jax.grad(f)
        return f(x), gradient(x), (jax.jacfwd(gradient) if name == "custom reverse rule" else jax.hessian(f))(x)

    (value, (gradient,), curvature), (f_x, df_dx, H) = ours(x), theirs(x)
    tolerance = 1e-12 if DOUBLE else 2e-5
    np.testing.assert_allclose(gradient, df_dx, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(curvature, U @ H @ U[:2].T, rtol=tolerance, atol=10 * tolerance)
    np.testing.assert_allclose(value, f_x, rtol=tolerance)


def test_directions_that_reach_only_some_arguments():
    """Rows that are zero in an argument are never pushed: the same second derivatives as with their zeros."""
    x, y, u, w = jnp.asarray(np.random.default_rng(2).normal(size=(4, 4)), DTYPE)

    @jax.jit
    def both(x, y, u, w):
        f = program_of(lambda x, y: jnp.sum(jnp.sin(x)) * jnp.prod(y) + MLP(x * y) + MLP(y), x, y)
        sparse = (Directions(2, jnp.stack([w])), Directions(0, jnp.stack([u, w])))
        dense = tuple(Directions(0, d.between(0, 3)) for d in sparse)
        return [jax.tree.leaves(gradient_and_curvature(f, (x, y), d, 2)) for d in (sparse, dense)]

    for a, b in zip(*both(x, y, u, w), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12 if DOUBLE else 1e-4)


def test_integers_are_no_obstacle_to_a_batch():
    f = FUNCTIONS["through integers"]
    x = jnp.asarray(np.random.default_rng(1).normal(size=(5, 4)), DTYPE)
    U = jnp.eye(4, dtype=DTYPE)

    def ours(x):
        return gradient_and_curvature(program_of(f, x), (x,), (Directions(0, U),), 4)[1]

    batched, expected = (jax.jit(jax.vmap(of))(x) for of in (ours, jax.hessian(f)))
    np.testing.assert_allclose(batched, expected, atol=1e-5)


@pytest.mark.parametrize("dof", [1, 2, slow(5)])
def test_products_of_an_acceleration(dof):
    """n + 3 passes through the hidden layer for a state, in place of the 2 n + 4 of forward over reverse mode."""
    width, batch = 64, 16
    network = small_network(dof, width, depth=2, activation=jnp.tanh)
    model = nl.NeuralLagrangian(network, mass_solve=Cholesky())
    y = jnp.zeros((batch, 2 * dof), DTYPE)
    flops = _flops(jax.vmap(lambda y: model.vector_field(0.0, y)), y)
    hidden = 2 * width**2 * batch
    outer = 2 * 2 * dof * width * batch  # one product of the first layer: one a pass, and the gradient's
    elementwise = 100 * width * (dof + 1) * batch
    assert (dof + 3) * hidden < flops < (dof + 3) * (hidden + outer) + elementwise
    if dof > 1:
        assert flops < (2 * dof + 4) * hidden


def test_directions_that_do_not_arrive_cost_nothing():
    """A potential sees one pass forward and one back, whatever the number of degrees of freedom."""
    dof, width, batch = 5, 64, 16
    potential = mlp(dof, width=width, depth=2, activation=jnp.tanh)
    q = jnp.zeros((batch, dof), DTYPE)

    def acceleration(q):
        return nl.acceleration(lambda t, q, v: 0.5 * jnp.dot(v, v) - potential(q), 0.0, q, q, mass_solve=Cholesky())

    hidden, outer = 2 * width**2 * batch, 2 * dof * width * batch
    assert _flops(jax.vmap(acceleration), q) < 2 * (hidden + outer) + 100 * width * batch


def _flops(fn, *args):
    return jax.jit(fn).lower(*args).compile().cost_analysis()["flops"]


def test_a_batch_stays_in_the_rows():
    """No product of a batched network is transposed: vectors come first in every one of them."""
    f = program_of(MLP, jnp.zeros(4, DTYPE))
    batched = jax.make_jaxpr(jax.vmap(f))(jnp.zeros((7, 4), DTYPE))
    products = [eqn for eqn in batched.jaxpr.eqns if eqn.primitive.name == "dot_general"]
    assert products
    assert all(eqn.outvars[0].aval.shape[0] == 7 for eqn in products)
    plain = jax.make_jaxpr(jax.vmap(MLP))(jnp.zeros((7, 4), DTYPE)).jaxpr.eqns
    assert any(eqn.outvars[0].aval.shape[-1] == 7 for eqn in plain if eqn.primitive.name == "dot_general")

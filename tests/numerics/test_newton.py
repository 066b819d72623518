"""Laws of the root finder: round-off, honesty, and the derivative of an implicit function."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from neural_lagrangian.numerics.newton import Inverse, inverse_of, newton_root

from ..helpers import DTYPE, central_difference

EPS = float(jnp.finfo(DTYPE).eps)


def residual(x, parameter):
    """Coupled, nonlinear, of one root near zero."""
    neighbours = jnp.roll(x, 1)
    return x + 0.3 * jnp.sin(neighbours) + 0.2 * x**3 - parameter


def root(parameter, guess=None, inverse=None):
    def F(x):
        return residual(x, parameter)

    return newton_root(F, jax.jacfwd(F), jnp.zeros_like(parameter) if guess is None else guess, inverse)


solve = jax.jit(root)
solve_all = jax.jit(jax.vmap(root))


def parameters(size, count=20):
    return jnp.asarray(np.random.default_rng(size).normal(size=(count, size)), DTYPE)


@pytest.mark.parametrize("size", [1, 4])
def test_roots_are_found_to_round_off(size):
    b = parameters(size)
    x, _, found = solve_all(b)
    assert jnp.all(found)
    assert jnp.max(jnp.abs(jax.vmap(residual)(x, b))) < 8 * EPS
    assert jnp.max(jnp.abs(residual(x[0] + 32 * EPS, b[0]))) > 16 * EPS


def test_a_guess_and_an_inverse_from_nearby_lead_to_the_same_root():
    b = parameters(3)
    x, inverse, _ = solve_all(b)
    again, _, found = solve_all(b + 1e-3, x, inverse)
    fresh, _, _ = solve_all(b + 1e-3)
    assert jnp.all(found)
    np.testing.assert_allclose(again, fresh, rtol=0, atol=8 * EPS)


def test_an_inverse_that_misleads_is_replaced():
    b = parameters(3)[0]
    wrong = Inverse(-5 * jnp.eye(3, dtype=DTYPE), jnp.eye(3, dtype=DTYPE), jnp.ones((), bool))
    x, inverse, found = solve(b, inverse=wrong)
    assert found
    assert jnp.max(jnp.abs(residual(x, b))) < 8 * EPS
    assert jnp.max(jnp.abs(inverse.matrix - wrong.matrix)) > 1


def test_one_jacobian_serves_a_series_of_equations():
    """The point of simplified Newton steps: the Jacobian is evaluated once, not once a step."""
    b = parameters(2)[0]
    counts = []

    def F(x):
        return residual(x, b)

    def counted(x):
        jax.debug.callback(lambda: counts.append(1))
        return jax.jacfwd(F)(x)

    x, inverse, _ = newton_root(F, counted, jnp.zeros(2, DTYPE))
    jax.effects_barrier()
    first = len(counts)
    newton_root(F, counted, x + 1e-4, inverse)
    jax.effects_barrier()
    assert 1 <= first <= 4
    assert len(counts) == first


@pytest.mark.parametrize(
    "equation",
    [
        lambda x: x**2 + 1,
        lambda x: jnp.ones_like(x),
        lambda x: jnp.full_like(x, jnp.nan),
        lambda x: jnp.exp(x),
    ],
    ids=["complex", "constant", "nan", "at infinity"],
)
def test_no_root_is_not_found_and_spoils_no_neighbour(equation):
    def F(x, hopeless):
        return jnp.where(hopeless, equation(x), jnp.cos(x) - x)

    def solve(hopeless):
        return newton_root(lambda x: F(x, hopeless), jax.jacfwd(lambda x: F(x, hopeless)), jnp.full(1, 0.5, DTYPE))

    x, _, found = jax.jit(jax.vmap(solve))(jnp.asarray([False, True, False]))
    np.testing.assert_array_equal(found, [True, False, True])
    np.testing.assert_allclose(x[::2, 0], 0.7390851332151607, rtol=4 * EPS)


def test_vmap_equals_loop():
    b = parameters(4)
    together, _, _ = solve_all(b)
    alone = jnp.stack([solve(row)[0] for row in b])
    np.testing.assert_allclose(together, alone, rtol=0, atol=8 * EPS)


@pytest.mark.double
@pytest.mark.parametrize("size", [3])
def test_derivatives_are_those_of_the_implicit_function(size):
    b, db = parameters(size)[:2]

    def x_of(b):
        return root(b)[0]

    J = jax.jacfwd(residual)(x_of(b), b)
    for jacobian in (jax.jacfwd, jax.jacrev):
        np.testing.assert_allclose(jax.jit(jacobian(x_of))(b), jnp.linalg.inv(J), rtol=1e-13, atol=1e-14)

    def along(f):
        return jax.jit(lambda b: jax.jvp(f, (b,), (db,))[1])

    gradient = jax.jit(jax.grad(lambda b: jnp.sum(jnp.sin(x_of(b)))))
    second = along(gradient)
    np.testing.assert_allclose(second(b), central_difference(gradient, b, db, 1e-3), rtol=1e-9, atol=1e-10)


def test_the_guess_has_no_derivative():
    b = parameters(2)[0]
    by_guess = jax.jacfwd(lambda guess: root(b, guess)[0])(jnp.full(2, 0.1, DTYPE))
    np.testing.assert_array_equal(by_guess, jnp.zeros((2, 2)))


@pytest.mark.parametrize("size", [1, 2, 3, 4, 6])
def test_inverses_of_small_matrices(size):
    A = np.random.default_rng(size).normal(size=(30, size, size)) + 2 * np.eye(size)
    ours = jax.vmap(inverse_of)(jnp.asarray(A, DTYPE))
    scale = np.linalg.cond(A)[:, None, None]
    theirs = np.linalg.inv(A)
    assert np.max(np.abs(ours - theirs) / (np.abs(theirs).max(axis=(1, 2), keepdims=True) * scale)) < 8 * EPS


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_a_singular_matrix_has_no_finite_inverse(size):
    assert not jnp.all(jnp.isfinite(inverse_of(jnp.zeros((size, size), DTYPE))))

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import neural_lagrangian as nl
from neural_lagrangian.mechanics import Cholesky, DampedInverse, PseudoInverse

from ..helpers import DOUBLE, DTYPE, MASS_SOLVES, slow

SIZES = [1, 2, 3, 4, 6]
EPS = float(jnp.finfo(DTYPE).eps)


def symmetric(n, eigenvalues, seed=0):
    U = np.linalg.qr(np.random.default_rng(seed).normal(size=(n, n)))[0]
    return jnp.asarray((U * np.asarray(eigenvalues)) @ U.T, DTYPE)


def vector(n, seed=1):
    return jnp.asarray(np.random.default_rng(seed).normal(size=n), DTYPE)


def spectrum(n, kind):
    full = np.linspace(-2.0, 3.0, n) + 0.1
    if kind == "singular":
        full[0] = 0.0
    if kind == "identity":
        full = np.ones(n)
    if kind == "zero":
        full = np.zeros(n)
    return full


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("kind", ["full", "singular", "identity", "zero"])
def test_pseudoinverse_equals_jax_pinv(n, kind):
    M, b = symmetric(n, spectrum(n, kind)), vector(n)
    np.testing.assert_allclose(PseudoInverse().solve(M, b), jnp.linalg.pinv(M) @ b, rtol=200 * EPS, atol=200 * EPS)


@pytest.mark.double
@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("kind", ["full", "singular", "identity"])
def test_pseudoinverse_derivative_equals_that_of_jax_pinv(n, kind):
    """Along rank-preserving symmetric directions, `M = C D C^T` with C varying: first and second derivatives."""
    D = jnp.diag(jnp.asarray(spectrum(n, kind), DTYPE))
    C0, dC = jnp.asarray(np.random.default_rng(2).normal(size=(2, n, n)), DTYPE)
    b = vector(n)

    def along(apply):
        def f(s):
            C = C0 + s * dC
            M = C @ D @ C.T
            return apply((M + M.T) / 2, b + s * b**2)

        return jax.jit(lambda s: (f(s), jax.jacfwd(f)(s), jax.jacfwd(jax.jacfwd(f))(s)))(jnp.asarray(0.1, DTYPE))

    ours = along(PseudoInverse().solve)
    reference = along(lambda M, b: jnp.linalg.pinv(M) @ b)
    for a, r in zip(ours, reference, strict=True):
        np.testing.assert_allclose(a, r, rtol=1e-6, atol=1e-6 * jnp.abs(r).max())


@pytest.mark.double
@pytest.mark.parametrize("lost", [False, True])
def test_the_acceleration_s_rule_equals_jax_pinv_at_lost_rank(lost):
    """The rule for rank-deficient Lagrangians: a redundant coordinate, in a batch with regular ones."""

    def lagrangian(shape):
        def L(t, q, v):
            w = jnp.stack([v[0] + shape * v[1], jnp.where(lost, 0.0, 1.0) * (v[1] - 0.3 * v[0])])
            return 0.5 * (1 + q[0] ** 2) * jnp.sum(w**2) - jnp.sin(q[0]) * q[1]

        return L

    def ours(shape, q, v):
        return jnp.sum(nl.acceleration(lagrangian(shape), 0.0, q, v) ** 3)

    def plain(shape, q, v):
        L = lagrangian(shape)
        M = jax.hessian(L, 2)(0.0, q, v)
        mixed = jax.jacfwd(jax.grad(L, 2), 1)(0.0, q, v)
        return jnp.sum((jnp.linalg.pinv(M) @ (jax.grad(L, 1)(0.0, q, v) - mixed @ v)) ** 3)

    q, v = vector(10).reshape(5, 2), vector(10, 4).reshape(5, 2)
    shapes = jnp.linspace(0.5, 1.5, 5)
    derivatives = [jax.jit(jax.vmap(jax.grad(f, argnums=(0, 1, 2))))(shapes, q, v) for f in (ours, plain)]
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-8), *derivatives)


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("kind", [slow("full"), "singular", slow("identity"), "zero"])
def test_damped_inverse_is_finite_to_second_order(n, kind):
    """Exactly singular, zero and repeated: finite value, gradient and Hessian, in M and in b."""
    M, b = symmetric(n, spectrum(n, kind)), vector(n)
    solve = DampedInverse().solve

    def f(M, b):
        return jnp.sum(solve((M + M.T) / 2, b))

    @jax.jit
    def to_second_order(M, b):
        return solve(M, b), *(derivative(f, argnums=(0, 1))(M, b) for derivative in (jax.grad, jax.hessian))

    value, *derivatives = to_second_order(M, b)
    for out in jax.tree.leaves([value, derivatives]):
        assert np.all(np.isfinite(out))
    if kind == "zero":
        np.testing.assert_array_equal(value, 0)


def _singular_lagrangian(kind):
    stiffness = jnp.asarray([1.0, 0.5], DTYPE)
    masses = {"identity": [1.0, 1.0], "singular": [1.0, 0.0], "zero": [0.0, 0.0]}[kind]

    def lagrangian(theta, t, q, v):
        kinetic = 0.5 * jnp.sum(jnp.asarray(masses, DTYPE) * v**2)
        return theta[0] * kinetic + theta[1] * jnp.prod(q) * v[0] - jnp.sum(stiffness * q**2) * theta[2]

    return lagrangian


@pytest.mark.parametrize("kind", [slow("identity"), "singular", slow("zero")])
def test_accelerations_are_finite_to_second_order_with_damped_inverse(kind):
    lagrangian = _singular_lagrangian(kind)
    q, v = vector(2), vector(2, 2)

    def f(theta, q, v):
        a = nl.acceleration(lambda *x: lagrangian(theta, *x), 0.0, q, v, mass_solve=DampedInverse())
        return jnp.sum(a)

    theta = jnp.ones(3, DTYPE)
    outputs = jax.jit(lambda *x: (f(*x), jax.grad(f, (0, 1, 2))(*x), jax.hessian(f, (0, 1, 2))(*x)))(theta, q, v)
    assert all(jnp.all(jnp.isfinite(out)) for out in jax.tree.leaves(outputs))


@pytest.mark.parametrize("name", MASS_SOLVES)
@pytest.mark.parametrize("n", SIZES)
def test_regular_matrices_are_solved(name, n):
    M, b = symmetric(n, np.linspace(1.0, 4.0, n)), vector(n)
    rtol = 1e-10 if DOUBLE else 1e-4
    np.testing.assert_allclose(M @ MASS_SOLVES[name].solve(M, b), b, rtol=rtol, atol=rtol)


@settings(max_examples=50, deadline=None)
@given(log_scale=st.floats(-3, 3), sign=st.sampled_from([-1, 1]))
@pytest.mark.parametrize("name", ["pseudoinverse", "damped"])
def test_unchanged_under_scale_and_sign(name, log_scale, sign):
    """L -> alpha L leaves the motion alone."""
    alpha = sign * 10.0**log_scale
    M, b = symmetric(2, [2.0, -0.5]), vector(2)
    solve = MASS_SOLVES[name].solve
    np.testing.assert_allclose(solve(alpha * M, alpha * b), solve(M, b), rtol=1e-7 if DOUBLE else 1e-4)


def test_damped_inverse_damps():
    """Negative control: below the damping the gain falls, where the pseudoinverse's grows without bound."""
    M, b = jnp.asarray([[1.0, 1 - 1e-5], [1 - 1e-5, 1.0]], DTYPE), jnp.asarray([1.0, -1.0], DTYPE)
    assert jnp.abs(DampedInverse(1e-2).solve(M, b)[1]) < 1
    assert jnp.abs(PseudoInverse(1e-8).solve(M, b)[1]) > 9e4


def test_cholesky_refuses_an_indefinite_matrix_with_nan():
    for n in (2, 5):
        assert jnp.any(jnp.isnan(Cholesky().solve(symmetric(n, [-1.0] * n), vector(n))))


@pytest.mark.parametrize("eps", [0.1, 0.5])
def test_damping_is_relative_to_each_mass(eps):
    """Of independent coordinates each is divided by its mass and by 1 + eps^2, whatever the masses."""
    m, b = jnp.asarray([2.0, 1e-4, 3e5], DTYPE), vector(3)
    expected = b / (m * (1 + eps**2))
    np.testing.assert_allclose(DampedInverse(eps).solve(jnp.diag(m), b), expected, rtol=1e-10 if DOUBLE else 1e-5)

"""No program of the package has two batched LAPACK calls that may run at the same time: jaxlib 0.10 would hang."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from neural_lagrangian import acceleration
from neural_lagrangian.discovery import shared_least_squares
from neural_lagrangian.numerics import inverse_of
from neural_lagrangian.observation.kalman import corrected, smoothing_gain
from neural_lagrangian.training.jacobians import NormalEquations

from ..concurrency import unordered_lapack
from ..helpers import DTYPE, MASS_SOLVES, Oscillators

BATCH, N, K = 6, 5, 4


def normal(*shape):
    return jnp.asarray(np.random.default_rng(len(shape)).normal(size=shape), DTYPE)


def definite(*shape):
    A = normal(*shape)
    return A @ jnp.swapaxes(A, -1, -2) + jnp.broadcast_to(jnp.eye(shape[-1], dtype=DTYPE), shape)


def solved(A, b):
    return jax.vmap(lambda A, b: jax.scipy.linalg.cho_solve(jax.scipy.linalg.cho_factor(A), b))(A, b)


def derivative_of_acceleration(solve):
    def total(q, v):
        return jnp.sum(jax.vmap(lambda q, v: acceleration(Oscillators(K), 0.0, q, v, mass_solve=solve))(q, v) ** 2)

    return jax.grad(total, (0, 1)), (normal(BATCH, K), normal(BATCH, K))


def damped_step(at, away):
    return shared_least_squares._step(at, 0.1, away, jnp.asarray(0.1, DTYPE))


LINEARIZED = shared_least_squares.Linearized(normal(BATCH, 9), normal(BATCH, 9, N), normal(BATCH, 9, K))
BLOCKS = NormalEquations(normal(N), definite(N, N), normal(BATCH, K), normal(BATCH, N, K), definite(BATCH, K, K))
PROGRAMS = {
    "Gauss-Newton step of weights and states": (
        NormalEquations.step,
        (BLOCKS, jnp.full(N, 0.1, DTYPE), jnp.full(K, 0.1, DTYPE)),
    ),
    "damped step of shared least squares": (damped_step, (LINEARIZED, normal(N))),
    "correction of a filter": (
        jax.vmap(corrected),
        (normal(BATCH, K), definite(BATCH, K, K), normal(BATCH, N), normal(BATCH, N, K)),
    ),
    "gain of a smoother": (jax.vmap(smoothing_gain), tuple(definite(BATCH, K, K) for _ in range(3))),
    "inverse for Newton's method": (jax.grad(lambda A: jnp.sum(jax.vmap(inverse_of)(A))), (definite(BATCH, K, K),)),
} | {
    f"derivative of the acceleration, {name}": derivative_of_acceleration(solve) for name, solve in MASS_SOLVES.items()
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_batched_lapack_calls_have_an_order(name):
    function, args = PROGRAMS[name]
    assert unordered_lapack(function, *args) == []


def test_two_independent_solves_have_none():
    A, b = definite(BATCH, K, K), normal(BATCH, K)
    assert unordered_lapack(lambda A, b: (solved(A, b), solved(2 * A, b)), A, b)
    assert unordered_lapack(lambda A, b: solved(A, solved(2 * A, b)), A, b)  # the factors are independent


def test_calls_in_a_loop_are_seen():
    A, b = definite(BATCH, K, K), normal(BATCH, K)

    def twice(b, _):
        return solved(A, b) + solved(2 * A, b), None

    assert unordered_lapack(lambda b: jax.lax.scan(twice, b, length=2)[0], b)
    assert not unordered_lapack(lambda b: jax.lax.scan(lambda b, _: (solved(A, b), None), b, length=2)[0], b)

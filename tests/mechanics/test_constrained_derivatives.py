"""The implicit derivative rule with constraints, against differentiating a dense solve straight through."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.mechanics import Cholesky, DampedInverse, HolonomicConstraint, multipliers

from ..helpers import DTYPE, LAGRANGIANS, MASS_SOLVES, central_difference, slow, states
from .chains import cartesian, chain

pytestmark = pytest.mark.double

ALPHA, BETA = 0.7, 1.3


def plain_acceleration(lagrangian, force, g, t, q, v):
    """Nested derivatives of every block, and one dense solve of the saddle-point matrix."""
    M = jax.hessian(lagrangian, 2)(t, q, v)
    momentum = jax.grad(lagrangian, 2)
    b = jax.grad(lagrangian, 1)(t, q, v) - jax.jacfwd(momentum, 1)(t, q, v) @ v - jax.jacfwd(momentum, 0)(t, q, v)
    G, g_t = jax.jacfwd(g, 1)(t, q), jax.jacfwd(g, 0)(t, q)
    curvature = jnp.einsum("kij,i,j->k", jax.hessian(g, 1)(t, q), v, v)
    mixed = jax.jacfwd(jax.jacfwd(g, 1), 0)(t, q)
    gamma = curvature + 2 * mixed @ v + jax.jacfwd(jax.jacfwd(g, 0), 0)(t, q)
    s = gamma + 2 * ALPHA * (G @ v + g_t) + BETA**2 * g(t, q)
    zero = jnp.zeros((G.shape[0], G.shape[0]), q.dtype)
    saddle = jnp.concatenate([jnp.concatenate([M, -G.T], 1), jnp.concatenate([G, zero], 1)])
    return jnp.linalg.solve(saddle, jnp.concatenate([b + force(t, q, v), -s]))


def _functions(name, mass_solve):
    """The same scalar of (parameter, state) by our rule and by plain differentiation; the parameter is everywhere."""
    lagrangian, dof = LAGRANGIANS[name]

    def of(acceleration):
        def f(p, x):
            def L(t, q, v):
                return lagrangian(t, q, v) + 0.1 * p * jnp.sum(jnp.cos(q) * v**2)

            def Q(t, q, v):
                return -p * v + jnp.sin(t)

            def g(t, q):
                return jnp.stack([jnp.dot(q, q) - p * jnp.cos(t), q[0] * q[1] + jnp.sin(p * t)])[: dof - 1]

            return jnp.sum(jnp.sin(acceleration(L, Q, g, x[0], x[1 : dof + 1], x[dof + 1 :])))

        return f

    def ours(L, Q, g, t, q, v):
        constraint = HolonomicConstraint(g, damping=ALPHA, stiffness=BETA)
        return nl.acceleration(L, t, q, v, force=Q, constraint=constraint, mass_solve=MASS_SOLVES[mass_solve])

    x = jnp.concatenate([jnp.atleast_1d(s[0]) for s in states(dof, 1, seed=5, scale=0.5)])
    return of(ours), of(lambda *args: plain_acceleration(*args)[:dof]), jnp.asarray(0.8, DTYPE), x


@pytest.mark.parametrize(
    ("name", "mass_solve"),
    [("double_pendulum", "pseudoinverse"), slow("charged_particle", "damped"), slow("oscillators_5", "cholesky")],
)
def test_first_and_second_derivatives(name, mass_solve):
    """Forward, reverse, and forward over reverse, along one direction of parameter and state together."""
    ours, plain, p, x = _functions(name, mass_solve)
    direction = (jnp.ones_like(p), jnp.cos(jnp.arange(x.shape[0], dtype=DTYPE)))

    @jax.jit
    def all_orders(p, x):
        def everything(f):
            return jax.jvp(f, (p, x), direction), jax.jvp(jax.grad(f, argnums=(0, 1)), (p, x), direction)

        return everything(ours), everything(plain)

    by_rule, by_hand = all_orders(p, x)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-7), by_rule, by_hand)


def test_reverse_over_reverse():
    lagrangian, _, _ = chain(1)
    q, v = jnp.split(cartesian(jnp.asarray([0.7, 1.5])), 2)

    def second(acceleration):
        def f(p):
            return jnp.sum(jnp.sin(acceleration(lambda t, q: jnp.atleast_1d(jnp.dot(q, q) - p**2))))

        return jax.grad(jax.grad(f))(jnp.asarray(0.9))

    def ours(g):
        constraint = HolonomicConstraint(g, damping=ALPHA, stiffness=BETA)
        return nl.acceleration(lagrangian, 0.0, q, v, constraint=constraint, mass_solve=Cholesky())

    def plain(g):
        return plain_acceleration(lagrangian, lambda t, q, v: jnp.zeros_like(q), g, jnp.asarray(0.0), q, v)[:2]

    np.testing.assert_allclose(*jax.jit(lambda: (second(ours), second(plain)))(), rtol=1e-9)


def test_batches_equal_loops():
    ours, _, _, x = _functions("charged_particle", "cholesky")
    ps, xs = jnp.linspace(0.5, 1.0, 3), x[None] + 0.1 * jnp.arange(3.0)[:, None]
    gradient = jax.grad(ours, argnums=(0, 1))
    batched, one = jax.jit(jax.vmap(gradient))(ps, xs), jax.jit(gradient)
    for i in range(3):
        jax.tree.map(lambda a, b, i=i: np.testing.assert_allclose(a[i], b, rtol=1e-11), batched, one(ps[i], xs[i]))


def test_derivatives_of_the_multipliers():
    lagrangian, dof = LAGRANGIANS["charged_particle"]
    _, q, v = (x[0] for x in states(dof, 1, seed=5, scale=0.5))
    g = lambda t, q: jnp.stack([jnp.dot(q, q) - jnp.cos(t)])  # noqa: E731
    constraint = HolonomicConstraint(g, damping=ALPHA, stiffness=BETA)

    def ours(t, q, v):
        return multipliers(lagrangian, t, q, v, constraint=constraint)

    def plain(t, q, v):
        return plain_acceleration(lagrangian, lambda t, q, v: jnp.zeros_like(q), g, t, q, v)[dof:]

    @jax.jit
    def everything(t, q, v):
        return [(f(t, q, v), jax.jacrev(f, (0, 1, 2))(t, q, v)) for f in (ours, plain)]

    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-9), *everything(0.3, q, v))


def test_a_strongly_damped_solve_of_constrained_motion():
    """The derivative of a damped solve holds the constraint force too."""
    lagrangian, constraint, _ = chain(1)
    q, v = jnp.split(cartesian(jnp.asarray([0.7, 1.5])), 2)
    a = jnp.asarray([0.3, -0.8])

    @jax.jit
    def f(scale):
        def L(t, q, v):
            return lagrangian(t, q, v) + scale * jnp.dot(a, v) ** 2 * q[0] ** 2

        solve = DampedInverse(0.5)
        return jnp.sum(jnp.sin(nl.acceleration(L, 0.0, q, v, constraint=constraint, mass_solve=solve)))

    at = jnp.asarray(0.4)
    np.testing.assert_allclose(jax.jit(jax.grad(f))(at), central_difference(f, at, jnp.ones(()), 1e-3), rtol=1e-8)

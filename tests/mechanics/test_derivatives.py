"""The implicit derivative rule, against differentiating the published formula straight through."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.mechanics import DampedInverse
from neural_lagrangian.systems import DoublePendulum

from ..helpers import DTYPE, LAGRANGIANS, MASS_SOLVES, central_difference, plain_acceleration, slow, states

pytestmark = pytest.mark.double


def _dense(name):
    if name != "damped":
        return None

    def solve(M, b):
        shift = 1e-6**2 * (jnp.sum(M * M) / b.shape[0] + 1e-8)
        return M @ jnp.linalg.solve(M @ M + shift * jnp.eye(b.shape[0]), b)

    return solve


def _functions(lagrangian, name, x0):
    """The same scalar of (scale, state) by our rule and by plain differentiation; the scale is closed over."""
    dof = (x0.shape[0] - 1) // 2

    def scaled(scale):
        return lambda t, q, v: lagrangian(t, q, v) + scale * jnp.sum(jnp.cos(q) * v**2)

    def split(x):
        return x[0], x[1 : dof + 1], x[dof + 1 :]

    def ours(scale, x):
        return jnp.sum(jnp.sin(nl.acceleration(scaled(scale), *split(x), mass_solve=MASS_SOLVES[name])))

    def plain(scale, x):
        return jnp.sum(jnp.sin(plain_acceleration(scaled(scale), *split(x), solve=_dense(name))))

    return ours, plain


CASES = [
    ("oscillator", "damped"),
    ("charged_particle", "cholesky"),
]
REST = [slow(name, mass) for name in LAGRANGIANS for mass in MASS_SOLVES if (name, mass) not in CASES]


@pytest.mark.parametrize(("name", "mass_solve"), CASES + REST)
def test_first_and_second_derivatives(name, mass_solve):
    lagrangian, dof = LAGRANGIANS[name]
    x = jnp.concatenate([jnp.atleast_1d(s[0]) for s in states(dof, 1, seed=5, scale=0.5)])
    scale = jnp.asarray(0.1, DTYPE)
    ours, plain = _functions(lagrangian, mass_solve, x)

    @jax.jit
    def all_orders(scale, x):
        def everything(f):
            reverse = jax.grad(f, argnums=(0, 1))
            return jax.jacfwd(f, argnums=(0, 1))(scale, x), reverse(scale, x), jax.jacfwd(reverse, 1)(scale, x)

        return everything(ours), everything(plain)

    by_rule, by_hand = all_orders(scale, x)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-7), by_rule, by_hand)


def test_reverse_over_reverse_and_third_order():
    lagrangian, dof = LAGRANGIANS["double_pendulum"]
    x = jnp.concatenate([jnp.atleast_1d(s[0]) for s in states(dof, 1, seed=5, scale=0.5)])
    ours, plain = _functions(lagrangian, "pseudoinverse", x)
    one = jnp.asarray(0.1, DTYPE)

    def orders(f):
        g = lambda s: f(s, x)  # noqa: E731
        return jax.grad(jax.grad(g))(one), jax.grad(jax.jacfwd(jax.grad(g)))(one)

    by_rule, by_hand = jax.jit(lambda: (jnp.stack(orders(ours)), jnp.stack(orders(plain))))()
    np.testing.assert_allclose(by_rule, by_hand, rtol=1e-9)


def test_batched_parameters_and_batched_states():
    """`vmap` over what the Lagrangian closes over equals a loop, gradients included."""
    _, q, v = states(2, 6)
    masses = jnp.linspace(0.5, 2.0, 6)

    def f(m, q, v):
        a = nl.acceleration(lambda t, q, v: DoublePendulum((m, 1.0)).lagrangian(t, q, v), 0.0, q, v)
        return jnp.sum(a**2)

    batched = jax.jit(jax.vmap(jax.grad(f, argnums=(0, 1, 2))))(masses, q, v)
    one = jax.jit(jax.grad(f, argnums=(0, 1, 2)))
    for i in range(6):
        jax.tree.map(
            lambda a, b, i=i: np.testing.assert_allclose(a[i], b, rtol=1e-11), batched, one(masses[i], q[i], v[i])
        )


def test_a_strong_damping_is_differentiated_too():
    """A damping of 1e-6 does not show in derivatives; one of a half does."""
    lagrangian, dof = LAGRANGIANS["charged_particle"]
    q, v = (x[0] for x in states(dof, 1, seed=5, scale=0.5)[1:])

    @jax.jit
    def f(x):
        return jnp.sum(jnp.sin(nl.acceleration(lagrangian, 0.0, *x, mass_solve=DampedInverse(0.5))))

    direction = (jnp.asarray([0.7, -0.4, 0.1]), jnp.asarray([0.2, 0.5, -0.3]))
    gradient = jax.jit(jax.grad(f))((q, v))
    slope = sum(jnp.dot(g, d) for g, d in zip(gradient, direction, strict=True))
    np.testing.assert_allclose(slope, central_difference(f, (q, v), direction, 1e-3), rtol=1e-8)

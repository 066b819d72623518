"""Discrete mechanics against plain derivatives of a discrete Lagrangian written out here."""

from functools import cache

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.integrators import (
    RK4,
    VariationalMidpoint,
    discrete_euler_lagrange_residual,
    discrete_lagrangian,
    discrete_momenta,
    discrete_position_errors,
)

from ..helpers import DOUBLE, DTYPE, slow

SOLVERS = {
    "r0": nl.GalerkinGaussLobatto(0),
    "r1": nl.GalerkinGaussLobatto(1),
    "r3": nl.GalerkinGaussLobatto(3),
    "midpoint": VariationalMidpoint(),
}
each_solver = pytest.mark.parametrize("name", [slow("r0"), "r1", slow("r3"), slow("midpoint")])
TS = jnp.asarray([0.0, 0.1, 0.17, 0.3, 0.38], DTYPE)
ROUND_OFF = 1e-13 if DOUBLE else 1e-5


def lagrangian(t, q, v):
    """Explicit time, a mass matrix that depends on q, a term linear in v."""
    x, y = q
    coupling = jnp.sin(x - y) * (1 + 0.3 * jnp.cos(t))
    kinetic = (1 + 0.5 * y**2) * v[0] ** 2 + 0.4 * coupling * v[0] * v[1] + v[1] ** 2 + 0.05 * v[0] ** 4
    return 0.5 * kinetic + x * v[1] + jnp.cos(x) - 0.5 * (1 + t) * y**2


def force(t, q, v):
    return -0.3 * v * (1 + jnp.sin(t)) + jnp.stack([0.2 * q[1], -0.1 * q[0] ** 2])


@cache
def rollout(name):
    model = nl.NeuralLagrangian.from_lagrangian(lagrangian, SOLVERS[name], dof=2, force=force)
    return eqx.filter_jit(model)(TS, jnp.asarray([0.7, -0.3, 0.4, 0.5], DTYPE))


def nodes_and_weights(name):
    """Control times, nodes and weights on [0, 1]; the inner ones roots of P', by NumPy's Legendre series."""
    if name == "midpoint":
        return [0.0, 1.0], [0.5], [1.0]
    m = int(name[1:]) + 2
    series = np.polynomial.Legendre.basis(m - 1)
    x = np.concatenate([[-1.0], np.sort(series.deriv().roots().real), [1.0]])
    return (x + 1) / 2, (x + 1) / 2, 1 / (m * (m - 1) * series(x) ** 2)


def lagrange_basis(control, s):
    """Values and derivatives of the polynomials of the control points, by their coefficients."""
    rows = []
    for c in control:
        others = [other for other in control if other != c]
        polynomial = np.polynomial.Polynomial.fromroots(others) / np.prod([c - other for other in others])
        rows.append((polynomial(s), polynomial.deriv()(s)))
    return np.asarray(rows)


@cache
def plain(name):
    """Compiled: momenta and L_d between two positions, the inner points eliminated by Newton's method."""
    control, s, b = nodes_and_weights(name)
    inner = len(control) - 2
    B, D = (jnp.asarray(table, DTYPE) for table in np.moveaxis(lagrange_basis(control, np.asarray(s)), 0, -1))
    c, s, b = (jnp.asarray(x, DTYPE) for x in (control, s, b))

    def at_nodes(fn, points, t0, h):
        return jax.vmap(fn)(t0 + s * h, B @ points, D @ points / h)

    def action(points, t0, h, Q):
        """The action, and the work of forces Q that are held."""
        return h * jnp.dot(b, at_nodes(lagrangian, points, t0, h) + jnp.sum(Q * (B @ points), axis=1))

    def gradient(points, t0, h):
        return jax.grad(action)(points, t0, h, at_nodes(force, points, t0, h))

    @jax.jit
    def solved(t0, t1, q0, q1):
        h = t1 - t0

        def points(z):
            return jnp.concatenate([q0[None], z.reshape(inner, 2), q1[None]])

        def equations(z):
            return gradient(points(z), t0, h)[1:-1].reshape(-1)

        z = (q0[None] + c[1:-1, None] * (q1 - q0)[None]).reshape(-1)
        if inner:
            z = jax.lax.fori_loop(0, 6, lambda _, z: z - jnp.linalg.solve(jax.jacfwd(equations)(z), equations(z)), z)
        F = gradient(points(z), t0, h)
        return -F[0], F[-1], action(points(z), t0, h, jnp.zeros((len(b), 2), DTYPE))

    return solved


@each_solver
def test_every_rollout_solves_the_discrete_equations(name):
    """Forces, explicit time and uneven steps; and a position off by little does not."""
    solver, qs = SOLVERS[name], rollout(name)[:, :2]

    @jax.jit
    def residuals(qs):
        def residual(ts, qs):
            return discrete_euler_lagrange_residual(lagrangian, solver, ts, qs, force=force)

        triples = jnp.arange(3)[:, None] + jnp.arange(3)[None]
        errors = discrete_position_errors(lagrangian, solver, TS, qs, force=force)
        return jax.vmap(residual)(TS[triples], qs[triples]), errors

    r, errors = residuals(qs)
    np.testing.assert_allclose(r, 0, atol=100 * ROUND_OFF)  # momenta are differences over h
    np.testing.assert_allclose(errors, 0, atol=ROUND_OFF)
    r, errors = residuals(qs.at[2].add(1e-3))
    assert jnp.all(jnp.max(jnp.abs(r), axis=1) > 1e-3)
    np.testing.assert_allclose(errors[0], -1e-3, rtol=0.02)  # predicted less observed


@each_solver
def test_momenta_are_the_derivatives_of_the_action(name):
    solver, qs = SOLVERS[name], jnp.asarray(np.random.default_rng(1).normal(size=(5, 2)) * 0.1, DTYPE)
    start, end = jax.jit(lambda qs: discrete_momenta(lagrangian, solver, TS, qs, force=force))(qs)
    value = jax.jit(lambda ts, qs: discrete_lagrangian(lagrangian, solver, ts, qs, force=force))
    for i in range(4):
        p0, p1, action = plain(name)(TS[i], TS[i + 1], qs[i], qs[i + 1])
        np.testing.assert_allclose(start[i], p0, rtol=0, atol=100 * ROUND_OFF)
        np.testing.assert_allclose(end[i], p1, rtol=0, atol=100 * ROUND_OFF)
        np.testing.assert_allclose(value(TS[i : i + 2], qs[i : i + 2]), action, rtol=0, atol=ROUND_OFF)


@pytest.mark.parametrize("name", ["r1", slow("midpoint")])
def test_the_action_generates_the_momenta(name):
    r"""Without forces, $p_0 = -D_1 L_d$ and $p_1 = D_2 L_d$ through the inner points, by automatic differentiation."""
    solver, qs = SOLVERS[name], jnp.asarray([[0.3, -0.2], [0.35, -0.1]], DTYPE)

    @jax.jit
    def both(qs):
        return (
            jax.grad(lambda qs: discrete_lagrangian(lagrangian, solver, TS[:2], qs))(qs),
            discrete_momenta(lagrangian, solver, TS[:2], qs),
        )

    D, (start, end) = both(qs)
    np.testing.assert_allclose(-D[0], start[0], rtol=0, atol=100 * ROUND_OFF)
    np.testing.assert_allclose(D[1], end[0], rtol=0, atol=100 * ROUND_OFF)


def test_the_residual_of_a_free_particle_is_its_loss_of_momentum():
    """Before less after: momentum is m times the slope between the positions."""
    m, ts, qs = 1.7, TS[:3], jnp.asarray([[0.1], [0.3], [0.2]], DTYPE)
    residual = discrete_euler_lagrange_residual(lambda t, q, v: 0.5 * m * jnp.dot(v, v), VariationalMidpoint(), ts, qs)
    slopes = jnp.diff(qs, axis=0) / jnp.diff(ts)[:, None]
    np.testing.assert_allclose(residual, m * (slopes[0] - slopes[1]), rtol=100 * ROUND_OFF)


@pytest.mark.double
@pytest.mark.parametrize("name", [slow("r0"), "r1"])
def test_position_errors_are_newton_s_step(name):
    """$-(D_1 D_2 L_d + D_2 F_d^-)^{-1} r$ by differentiation of the plain momenta, on positions that are no motion."""
    solver, qs = SOLVERS[name], jnp.asarray(np.random.default_rng(2).normal(size=(3, 2)) * 0.1, DTYPE)
    errors = jax.jit(lambda qs: discrete_position_errors(lagrangian, solver, TS[:3], qs, force=force))(qs)
    p = plain(name)(TS[0], TS[1], qs[0], qs[1])[1]

    def start(q):
        return plain(name)(TS[1], TS[2], qs[1], q)[0]

    expected = jnp.linalg.solve(jax.jacfwd(start)(qs[2]), p - start(qs[2]))
    np.testing.assert_allclose(errors[0], expected, rtol=1e-10)


@pytest.mark.bad_input
def test_bad_input_is_named():
    qs = jnp.zeros((3, 1), DTYPE)
    free = lambda t, q, v: 0.5 * jnp.dot(v, v)  # noqa: E731
    rule = VariationalMidpoint()
    with pytest.raises(ValueError, match=r"`solver` is RK4.*expected a variational solver"):
        discrete_momenta(free, RK4(), TS[:3], qs)
    with pytest.raises(ValueError, match=r"`ts` has shape \(2,\); expected \(3\)"):
        discrete_euler_lagrange_residual(free, rule, TS[:2], qs)
    with pytest.raises(ValueError, match=r"`qs` has shape \(3, 1\); expected \(2, dof\)"):
        discrete_lagrangian(free, rule, TS[:2], qs)
    with pytest.raises(ValueError, match="expected at least three times"):
        discrete_position_errors(free, rule, TS[:2], qs[:2])
    with pytest.raises(ValueError, match="expected at least two times"):
        discrete_momenta(free, rule, TS[:1], qs[:1])

"""Derivatives where automatic differentiation meets 0/0: right where they exist, and not finite where they do not."""

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.integrators import StormerVerlet, VariationalMidpoint
from neural_lagrangian.mechanics import RayleighDissipation, mass_matrix_report

from ..helpers import DOUBLE, DTYPE, slow, small_network

ATOL = 1e-12 if DOUBLE else 1e-5
REST = jnp.zeros(2, DTYPE)
Q = jnp.asarray([0.3, -0.2], DTYPE)


def norm(x):
    return jnp.linalg.norm(x)


def free(t, q, v):
    return 0.5 * jnp.dot(v, v) - 9.81 * q[1]


EXISTING = {
    "a kinetic energy by the speed": (lambda t, q, v: 0.5 * norm(v) ** 2, free, Q, REST),
    "a spring by the distance": (
        lambda t, q, v: free(t, q, v) - 0.5 * norm(q) ** 2,
        lambda t, q, v: free(t, q, v) - 0.5 * q @ q,
        REST,
        Q,
    ),
    "the third power of a distance": (lambda t, q, v: free(t, q, v) - (q @ q) ** 1.5, free, REST, Q),
    "two points that meet": (
        lambda t, q, v: free(t, q, v) - 0.5 * norm(q[:1] - q[1:]) ** 2,
        lambda t, q, v: free(t, q, v) - 0.5 * (q[0] - q[1]) ** 2,
        jnp.ones(2, DTYPE),
        Q,
    ),
}


@pytest.mark.parametrize("name", EXISTING)
def test_the_equations_of_motion_are_those_of_the_same_function_written_smoothly(name):
    written, smooth, q, v = EXISTING[name]
    if name == "a kinetic energy by the speed":
        smooth = lambda t, q, v: 0.5 * jnp.dot(v, v)  # noqa: E731
    for of in (nl.acceleration, nl.mass_matrix, nl.momentum, nl.energy):
        np.testing.assert_allclose(of(written, 0.0, q, v), of(smooth, 0.0, q, v), rtol=1e-3 * ATOL**0.5, atol=ATOL**0.6)
    slopes = [
        jax.jacrev(lambda q, v, L=L: nl.acceleration(L, 0.0, q, v), argnums=(0, 1))(q, v) for L in (written, smooth)
    ]
    np.testing.assert_allclose(slopes[0], slopes[1], rtol=0, atol=ATOL**0.5)


FORCES = {
    "air drag": lambda c: lambda t, q, v: -c * v * norm(v),
    "of a dissipation": lambda c: RayleighDissipation(lambda q, v: c / 3 * (v @ v) ** 1.5),
    "guarded": lambda c: lambda t, q, v: -c * jnp.where(norm(v) > 0, v / norm(v), 0) * (v @ v),
    "any power": lambda c: lambda t, q, v: -c * v * (v @ v) ** 0.25,
}
SOLVERS = [diffrax.Tsit5(), nl.GalerkinGaussLobatto(1), VariationalMidpoint()]


CASES = [
    (name, solver) if k in (0, j) else slow(name, solver)
    for j, name in enumerate(FORCES)
    for k, solver in enumerate(SOLVERS)
]


@pytest.mark.double
@pytest.mark.parametrize(("name", "solver"), CASES, ids=str)
def test_rollouts_from_rest_and_their_gradients_are_right(name, solver):
    """Against central differences, in the coefficient and in the state at rest."""
    ts = jnp.linspace(0.0, 0.4, 5)

    @jax.jit
    def value_and_gradients(c, y0):
        def loss(c, y0):
            model = nl.NeuralLagrangian.from_lagrangian(
                free, solver, dof=2, force=FORCES[name](c), stepsize_controller=nl.StepsPerSample(2)
            )
            return jnp.sum(jnp.sin(model(ts, y0)[1:]))

        return jax.value_and_grad(loss, argnums=(0, 1))(c, y0)

    c, y0, h = jnp.asarray(0.5), jnp.asarray([0.0, 1.0, 0.0, 0.0]), 1e-5
    value, (by_c, by_y0) = value_and_gradients(c, y0)
    assert np.isfinite(value)
    ends = [value_and_gradients(c + k * h, y0)[0] for k in (1, -1)]
    np.testing.assert_allclose(by_c, (ends[0] - ends[1]) / (2 * h), rtol=1e-6)
    for i in range(4):
        ends = [value_and_gradients(c, y0.at[i].add(k * h))[0] for k in (1, -1)]
        np.testing.assert_allclose(
            by_y0[i], (ends[0] - ends[1]) / (2 * h), rtol=0, atol=1e-4
        )  # the difference's own error


SINGULAR = {
    "dry friction": lambda t, q, v: -v / norm(v),
    "dry friction, guarded": lambda t, q, v: -jnp.where(norm(v) > 0, v / jnp.where(norm(v) > 0, norm(v), 1), 0),
    "a root": lambda t, q, v: -v * (v @ v) ** -0.25,
}


@pytest.mark.parametrize("name", SINGULAR)
def test_a_derivative_that_does_not_exist_is_not_made_up(name):
    """Newton's method of a variational step needs it, and fails; beside it in a batch others go on."""
    model = nl.NeuralLagrangian.from_lagrangian(
        free, StormerVerlet(), dof=2, force=SINGULAR[name], stepsize_controller=nl.StepsPerSample(1)
    )
    y0s = jnp.asarray([[0.0, 1.0, 0.0, 0.0], [0.0, 1.0, 0.7, 0.3]], DTYPE)
    still = lambda t, q, v: 0.5 * jnp.dot(v, v)  # noqa: E731
    slope = jax.jacfwd(lambda v: nl.acceleration(still, 0.0, Q, v, force=SINGULAR[name]))(REST)
    assert not (np.all(np.isfinite(slope)) and np.max(np.abs(slope)) > 1)
    rows = jax.jit(jax.vmap(model, (None, 0)))(jnp.linspace(0.0, 0.1, 3).astype(DTYPE), y0s)
    assert np.all(np.isfinite(rows[1]))


def test_a_cone_and_a_charge_have_no_force_at_their_points():
    for potential in (norm, lambda q: 1 / norm(q)):
        lagrangian = lambda t, q, v, V=potential: 0.5 * v @ v - V(q)  # noqa: E731
        assert not np.any(np.isfinite(nl.acceleration(lagrangian, 0.0, REST, Q)))


def test_a_network_is_not_looked_at():
    """Nothing is computed for functions without roots, powers, logarithms and quotients."""
    network = small_network()
    program = jax.make_jaxpr(lambda q, v: nl.momentum(lambda t, q, v: network(jnp.concatenate([q, v])), 0.0, q, v))
    assert "cond" not in str(program(Q, Q))
    looked = jax.make_jaxpr(lambda q, v: nl.momentum(lambda t, q, v: 0.5 * norm(v) ** 2, 0.0, q, v))
    assert "cond" in str(looked(Q, Q))


def test_the_report_says_which_part_has_no_derivative_and_where():
    ts = jnp.asarray([0.0, 0.5], DTYPE)
    rest, origin = (jnp.stack([jnp.ones(4, DTYPE), jnp.asarray(y, DTYPE)]) for y in ([1, 1, 0, 0], [0, 0, 1, 1]))
    friction = mass_matrix_report(free, ts, rest, force=SINGULAR["dry friction"]).faults
    assert len(friction) == 1
    assert friction[0].startswith(
        "the derivative of the force with respect to the velocities is not finite at 1 states"
    )
    assert "t = 0.5, q = [1. 1.], v = [0. 0.]" in friction[0]
    (charge,) = mass_matrix_report(lambda t, q, v: 0.5 * v @ v + 1 / norm(q), ts, origin).faults
    assert "with respect to the coordinates (potential energy)" in charge
    spring, drag = EXISTING["a spring by the distance"][0], FORCES["air drag"](1.0)
    assert mass_matrix_report(spring, ts, origin, force=drag).faults == []

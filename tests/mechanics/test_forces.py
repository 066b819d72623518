"""Every force enters the equations of motion, and its parameters their derivatives."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.mechanics import (
    AtJoints,
    ControlForce,
    LinearDamping,
    NonconservativePotential,
    RayleighDissipation,
    SampledControl,
    SmoothFriction,
)
from neural_lagrangian.mechanics.forces.force import ForceSum

from ..helpers import DTYPE, central_difference, double_pendulum, inner, random_like, slow_but, small_network, states

KEY = jax.random.key(0)


class NetworkPotential(eqx.Module):
    """K with both parts: q_- . N([q_+, v_+]) + q_+ . G v_-."""

    network: eqx.nn.MLP
    G: jax.Array

    def __call__(self, t, q_minus, v_minus, q_plus, v_plus):
        return q_minus @ self.network(jnp.concatenate([q_plus, v_plus])) + jnp.sin(t) * q_plus @ self.G @ v_minus


class Dissipation(eqx.Module):
    network: eqx.nn.MLP

    def __call__(self, q, v):
        return self.network(jnp.concatenate([q, v])) * jnp.dot(v, v)


FORCES = {
    "rayleigh": RayleighDissipation(Dissipation(small_network())),
    "linear damping": LinearDamping(small_network(out=3), of="state"),
    "constant damping": LinearDamping(jnp.asarray([0.3, 0.5], DTYPE)),
    "dry friction": SmoothFriction(jnp.asarray([0.3, 0.5], DTYPE), 0.4),
    "at joints": AtJoints(LinearDamping(jnp.asarray([0.3, 0.1, 0.5], DTYPE)), [[1, 0], [-1, 1]]),
    "nonconservative": NonconservativePotential(NetworkPotential(small_network(out=2), jnp.eye(2, dtype=DTYPE))),
    "control": ControlForce(
        jnp.asarray([[1.0, 0.5], [0.0, 2.0]], DTYPE),
        SampledControl(jnp.asarray([-9.0, 9.0], DTYPE), jnp.asarray([[1.0, 0.0], [2.0, 3.0]], DTYPE)),
    ),
}
FORCES["sum"] = FORCES["linear damping"] + FORCES["control"] + (lambda t, q, v: jnp.sin(t) * q)


@pytest.mark.parametrize("name", FORCES)
def test_the_force_enters_residual_acceleration_and_vector_field(name):
    force = FORCES[name]
    t, q, v = (x[0] for x in states(2, 1))
    a = jnp.asarray([0.2, -0.4], DTYPE)
    tolerance = {"rtol": 1e-10, "atol": 1e-10} if jnp.float64 == DTYPE else {"rtol": 1e-3, "atol": 1e-3}
    M = nl.mass_matrix(double_pendulum, t, q, v)

    @jax.jit
    def of(t, q, v, a):
        Q = force(t, q, v)
        model = nl.NeuralLagrangian.from_lagrangian(double_pendulum, dof=2, force=force)
        return (
            Q,
            nl.mechanics.euler_lagrange_residual(double_pendulum, t, q, v, a, force=force),
            nl.mechanics.euler_lagrange_residual(double_pendulum, t, q, v, a),
            nl.acceleration(double_pendulum, t, q, v, force=force) - nl.acceleration(double_pendulum, t, q, v),
            model.vector_field(t, jnp.concatenate([q, v]))[2:] - nl.acceleration(double_pendulum, t, q, v),
        )

    Q, residual, free, acceleration, field = of(t, q, v, a)
    np.testing.assert_allclose(residual - free, Q, **tolerance)
    np.testing.assert_allclose(M @ acceleration, Q, **tolerance)
    np.testing.assert_allclose(field, acceleration, **tolerance)


@pytest.mark.double
@pytest.mark.parametrize("name", slow_but(FORCES, "sum", "nonconservative"))
def test_the_derivative_of_an_acceleration_by_the_force_s_parameters(name):
    """The implicit rule against a finite difference, in a random direction of every parameter and of the state."""
    t, q, v = (x[0] for x in states(2, 1))
    params, static = eqx.partition(FORCES[name], eqx.is_inexact_array)

    @jax.jit
    def f(x):
        params, t, q, v = x
        force = eqx.combine(params, static)
        return jnp.sum(jnp.sin(nl.acceleration(double_pendulum, t, q, v, force=force)))

    x = (params, t, q, v)
    direction = random_like(x)
    gradient = jax.jit(jax.grad(f))(x)
    np.testing.assert_allclose(inner(gradient, direction), central_difference(f, x, direction, 1e-4), rtol=1e-7)
    assert any(np.any(leaf != 0) for leaf in jax.tree.leaves(gradient[0]))


def test_forces_add():
    t, q, v = (x[0] for x in states(2, 1))
    total = FORCES["dry friction"] + FORCES["sum"]
    assert isinstance(total, ForceSum)
    assert len(total.terms) == 4
    expected = sum(FORCES[name](t, q, v) for name in ("dry friction", "linear damping", "control")) + jnp.sin(t) * q
    np.testing.assert_allclose(total(t, q, v), expected, rtol=1e-5)


@pytest.mark.bad_input
def test_what_is_not_a_force_is_refused():
    with pytest.raises(ValueError, match="`force` is 3; expected a callable"):
        FORCES["dry friction"] + 3

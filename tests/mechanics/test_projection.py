import jax
import jax.numpy as jnp
import numpy as np
import pytest

from neural_lagrangian.mechanics import HolonomicConstraint, project

from ..helpers import DOUBLE, DTYPE, central_difference
from .chains import Rods, cartesian, chain

TOLERANCE = 1e-12 if DOUBLE else 1e-5
METRIC = jnp.diag(jnp.asarray([1.0, 1.0, 0.3, 0.3], DTYPE))


def _perturbed(count):
    key = jax.random.key(0)
    angles = jax.random.normal(key, (count, 4), DTYPE)
    noise = jax.random.normal(jax.random.fold_in(key, 1), (count, 8), DTYPE)
    return jnp.split(jax.vmap(cartesian)(angles) + 0.1 * noise, 2, axis=1)


@pytest.mark.parametrize("metric", [None, METRIC], ids=["euclidean", "mass"])
def test_projected_states_are_consistent_and_nearest(metric):
    """Nearest: what was moved is normal to the constraints in the metric, and no consistent neighbour is closer."""
    _, constraint, _ = chain(2)
    W = jnp.eye(4, dtype=DTYPE) if metric is None else metric

    @jax.jit
    @jax.vmap
    def laws(q, v):
        q_new, v_new = project(constraint, 0.0, q, v, metric=metric)
        G = constraint.jacobian(0.0, q_new)
        tangents = jnp.linalg.svd(G)[2][2:]
        again = project(constraint, 0.0, q_new, v_new, metric=metric)
        return (
            constraint(0.0, q_new),
            constraint.velocity(0.0, q_new, v_new),
            tangents @ (W @ (q_new - q)),
            tangents @ (W @ (v_new - v)),
            jnp.concatenate(again) - jnp.concatenate([q_new, v_new]),
        )

    for residual in laws(*_perturbed(100)):
        assert jnp.abs(residual).max() < TOLERANCE


def test_onto_a_circle_is_radial():
    _, constraint, _ = chain(1)
    q, v = jnp.asarray([0.5, 1.5], DTYPE), jnp.asarray([1.0, 2.0], DTYPE)
    normal = q / jnp.linalg.norm(q)
    q_new, v_new = project(constraint, 0.0, q, v)
    np.testing.assert_allclose(q_new, 0.9 * normal, atol=TOLERANCE)
    np.testing.assert_allclose(v_new, v - jnp.dot(v, normal) * normal, atol=TOLERANCE)


def test_a_moving_constraint_carries_the_velocity_along():
    constraint = HolonomicConstraint(lambda t, q: q[:1] - jnp.sin(t))
    q, v = project(constraint, 0.4, jnp.asarray([0.0, 1.0], DTYPE), jnp.asarray([0.0, 2.0], DTYPE))
    np.testing.assert_allclose(q, [np.sin(0.4), 1.0], atol=TOLERANCE)
    np.testing.assert_allclose(v, [np.cos(0.4), 2.0], atol=TOLERANCE)


@pytest.mark.slow
def test_redundant_constraints():
    _, constraint, _ = chain(2)
    redundant = HolonomicConstraint(lambda t, q: jnp.concatenate([constraint(t, q)] * 2))
    q, v = (x[0] for x in _perturbed(1))
    for a, b in zip(project(redundant, 0.0, q, v), project(constraint, 0.0, q, v), strict=True):
        np.testing.assert_allclose(a, b, atol=TOLERANCE)


@pytest.mark.double
def test_derivatives_in_the_state_and_in_the_lengths():
    _, constraint, _ = chain(2)
    q, v = (x[0] for x in _perturbed(1))

    def f(x):
        length, q, v = x
        return jnp.concatenate(project(HolonomicConstraint(Rods(length)), 0.0, q, v))

    x = (constraint.g.length, q, v)
    direction = (jnp.asarray([0.3, -0.5]), jnp.cos(jnp.arange(4.0)), jnp.sin(jnp.arange(4.0)))
    expected = central_difference(jax.jit(f), x, direction, 1e-3)
    np.testing.assert_allclose(jax.jit(lambda: jax.jvp(f, (x,), (direction,))[1])(), expected, atol=1e-8)
    gradient = jax.jit(jax.grad(lambda x: jnp.sum(jnp.sin(f(x)))))(x)
    slope = sum(jnp.sum(g * d) for g, d in zip(gradient, direction, strict=True))
    np.testing.assert_allclose(slope, jnp.dot(jnp.cos(f(x)), expected), atol=1e-8)


def test_where_nothing_is_consistent():
    q, v = project(HolonomicConstraint(lambda t, q: q[:1] ** 2 + 1), 0.0, *jnp.ones((2, 2), DTYPE))
    assert jnp.isnan(q).all()
    assert jnp.isnan(v).any()


@pytest.mark.bad_input
def test_bad_arguments_are_named():
    _, constraint, _ = chain(1)
    q = jnp.ones(2)
    with pytest.raises(ValueError, match=r"`constraint` is .*; expected a HolonomicConstraint"):
        project(constraint.g, 0.0, q, q)
    with pytest.raises(ValueError, match=r"`metric` has shape \(3, 3\); expected \(2, 2\)"):
        project(constraint, 0.0, q, q, metric=jnp.eye(3))

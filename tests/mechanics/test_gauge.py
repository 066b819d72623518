import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.mechanics import gauge_fix
from neural_lagrangian.mechanics.symmetries.boundary_term import BoundaryTerm

from ..helpers import LAGRANGIANS, slow, states

pytestmark = pytest.mark.double


@pytest.mark.parametrize("name", ["oscillator", "double_pendulum", slow("oscillators_5")])
def test_equivalent_lagrangians_become_equal(name):
    lagrangian, dof = LAGRANGIANS[name]
    t, q, v = states(dof, 20)

    def total_derivative(q, v):
        return jax.jvp(lambda q: jnp.sum(jnp.sin(q)) * q[0] ** 2 + q[-1] ** 3, (q,), (v,))[1]

    def disguised(t, q, v):
        return -2.7 * lagrangian(t, q, v) + total_derivative(q, v) + 5.0

    reference = jnp.full(dof, 0.3)
    fixed = [jax.jit(jax.vmap(gauge_fix(L, reference)))(t, q, v) for L in (lagrangian, disguised)]
    np.testing.assert_allclose(*fixed, rtol=1e-8, atol=1e-8)


def test_the_motion_stays_and_the_normalisation_holds():
    lagrangian, dof = LAGRANGIANS["double_pendulum"]
    reference = jnp.asarray([0.1, -0.2])
    fixed = gauge_fix(lambda t, q, v: 3 * lagrangian(t, q, v) + q[0] * v[1] + q[1] * v[0] + v[0], reference)
    rest = jnp.zeros(dof)

    @jax.jit
    def at_rest(q):
        return fixed(0.0, q, rest), nl.momentum(fixed, 0.0, q, rest), nl.mass_matrix(fixed, 0.0, q, rest)

    value, _, mass = at_rest(reference)
    assert float(value) == pytest.approx(0, abs=1e-12)
    assert np.trace(mass) == pytest.approx(dof)
    np.testing.assert_allclose(at_rest(jnp.asarray([0.7, 0.4]))[1], 0, atol=1e-9)
    _, q, v = states(dof, 5)
    ours, theirs = (
        jax.jit(jax.vmap(lambda q, v, L=L: nl.acceleration(L, 0.0, q, v)))(q, v) for L in (fixed, lagrangian)
    )
    np.testing.assert_allclose(ours, theirs, rtol=1e-9)


def test_a_different_motion_stays_different():
    """Negative control: another potential does not become the same Lagrangian."""
    lagrangian, dof = LAGRANGIANS["oscillator"]
    t, q, v = states(dof, 20)
    other = gauge_fix(lambda t, q, v: lagrangian(t, q, v) + 0.5 * jnp.sum(q**4), jnp.zeros(dof))
    fixed = gauge_fix(lagrangian, jnp.zeros(dof))
    values = [np.asarray(jax.jit(jax.vmap(L))(t, q, v)) for L in (other, fixed)]
    assert np.abs(values[0] - values[1]).max() > 0.1


def test_a_boundary_term_is_found_from_its_total_derivative():
    """F(t, q) less its value at time zero and the reference, the part that depends on time alone included."""

    def F(t, q):
        return jnp.sin(q[0]) * q[1] ** 2 + t * q[0] ** 3 + t**2 - 0.5 * t

    def derivative(t, q, v):
        return jax.jvp(F, (t, q), (jnp.ones_like(t), v))[1]

    reference = jnp.asarray([0.3, -0.1])
    found = BoundaryTerm(derivative, reference)
    t, q, _ = states(2, 5)
    expected = jax.vmap(F)(t, q) - F(0.0, reference)
    np.testing.assert_allclose(jax.jit(jax.vmap(found))(t, q), expected, rtol=1e-10, atol=1e-10)

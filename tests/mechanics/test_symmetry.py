import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.mechanics import noether_charge

pytestmark = pytest.mark.double

FIELD = 1.3


def kepler(t, q, v):
    return 0.5 * jnp.dot(v, v) + 1 / jnp.linalg.norm(q)


def magnetic(t, q, v):
    return 0.5 * jnp.dot(v, v) + 0.5 * FIELD * (q[0] * v[1] - q[1] * v[0])


def rotation(t, q):
    return jnp.stack([-q[1], q[0]])


def along_x(t, q):
    return jnp.asarray([1.0, 0.0])


def rate(lagrangian, generator, force=None, **keywords):
    """dI/dt along the motion, at some state."""
    t, q, v = 0.3, jnp.asarray([1.1, -0.4]), jnp.asarray([0.2, 0.9])
    a = nl.acceleration(lagrangian, t, q, v, force=force)

    def charge(t, q, v):
        return noether_charge(lagrangian, generator, t, q, v, **keywords)

    return float(jax.jvp(charge, (t, q, v), (1.0, v, a))[1])


def test_rotations_conserve_angular_momentum():
    assert rate(kepler, rotation) == pytest.approx(0, abs=1e-12)
    q, v = jnp.asarray([1.1, -0.4]), jnp.asarray([0.2, 0.9])
    np.testing.assert_allclose(noether_charge(kepler, rotation, 0.0, q, v), q[0] * v[1] - q[1] * v[0])


def test_translations_in_a_magnetic_field_need_their_boundary_term():
    gauge = lambda t, q: 0.5 * FIELD * q[1]  # noqa: E731
    assert rate(magnetic, along_x, gauge=gauge) == pytest.approx(0, abs=1e-12)
    assert abs(rate(magnetic, along_x)) > 0.1  # negative control: without F it is no charge


def test_time_translation_is_minus_the_energy():
    q, v = jnp.asarray([1.1, -0.4]), jnp.asarray([0.2, 0.9])
    charge = noether_charge(magnetic, lambda t, q: jnp.zeros(2), 0.0, q, v, tau=1.0)
    np.testing.assert_allclose(charge, -nl.energy(magnetic, 0.0, q, v), rtol=1e-14)


def test_what_is_no_symmetry_is_not_conserved():
    assert abs(rate(kepler, along_x)) > 0.1


def test_a_force_changes_the_charge_at_the_rate_of_its_torque():
    force = lambda t, q, v: -0.3 * v  # noqa: E731
    q, v = jnp.asarray([1.1, -0.4]), jnp.asarray([0.2, 0.9])
    assert rate(kepler, rotation, force=force) == pytest.approx(float(-0.3 * v @ rotation(0.0, q)), rel=1e-10)


def test_a_generator_of_the_wrong_shape_is_named():
    with pytest.raises(ValueError, match="`generator` returned shape"):
        noether_charge(kepler, lambda t, q: jnp.zeros(3), 0.0, jnp.ones(2), jnp.ones(2))

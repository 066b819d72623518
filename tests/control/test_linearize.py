"""The linearised model is that derived by hand, and its discretisation that of SciPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.signal

import neural_lagrangian as nl
from neural_lagrangian.control import ControlError, linearize
from neural_lagrangian.mechanics import ControlForce
from neural_lagrangian.networks import Frozen

from ..helpers import DOUBLE, DTYPE, mlp
from .machines import UPRIGHT, array, cart_pole, cart_pole_upright

RTOL = 1e-10 if DOUBLE else 1e-4


def test_the_cart_pole_upright_is_that_derived_by_hand():
    found = linearize(cart_pole(), array(*UPRIGHT), array(0.0))
    A, B = cart_pole_upright()
    np.testing.assert_allclose(found.A, A, rtol=RTOL, atol=RTOL)
    np.testing.assert_allclose(found.B, B, rtol=RTOL, atol=RTOL)
    np.testing.assert_allclose(found.drift, np.zeros(4), atol=1e-5)


def test_the_hanging_pole_has_another_linearization():
    hanging = linearize(cart_pole(), array(0.0, 0.0, 0.0, 0.0), array(0.0))
    assert hanging.A[3, 1] < 0 < cart_pole_upright()[0][3, 1]


def test_a_control_in_a_frozen_part_still_acts():
    lagrangian, motor = mlp(4), ControlForce([[1.0], [2.0]])
    y, u = array(0.1, 0.4, -0.3, 0.2), array(0.3)
    free, frozen = (linearize(nl.NeuralLagrangian(lagrangian, force=force), y, u) for force in (motor, Frozen(motor)))
    assert np.abs(free.B[2:]).max() > 0.1
    np.testing.assert_allclose(frozen.B, free.B, rtol=RTOL)
    np.testing.assert_allclose(frozen.A, free.A, rtol=RTOL, atol=RTOL)


def test_a_scaled_model_is_linearized_in_physical_units():
    scaling = nl.trajectories.Scaling(centre=[0.2, 0.0], q_scale=[0.5, 2.0], t_scale=0.25)
    model = nl.Scaled(cart_pole(), scaling)
    y, u, step = array(0.1, 0.4, -0.3, 0.2), array(0.3), 1e-5 if DOUBLE else 1e-2
    found = linearize(model, y, u)

    def f(y, u):
        return nl.models.with_control(model, array(0.0, 9.0), jnp.stack([u, u])).vector_field(0.0, y)

    A = np.stack([(f(y + d, u) - f(y - d, u)) / (2 * step) for d in step * jnp.eye(4, dtype=DTYPE)], axis=1)
    B = (f(y, u + step) - f(y, u - step)) / (2 * step)
    np.testing.assert_allclose(found.A, A, rtol=1e-6 if DOUBLE else 1e-2, atol=1e-6 if DOUBLE else 1e-2)
    np.testing.assert_allclose(found.B[:, 0], B, rtol=1e-6 if DOUBLE else 1e-2, atol=1e-6 if DOUBLE else 1e-2)


def test_zero_order_hold_is_that_of_scipy():
    A, B = cart_pole_upright()
    found = linearize(cart_pole(), array(*UPRIGHT), array(0.0)).zero_order_hold(0.05)
    expected = scipy.signal.cont2discrete((A, B, np.eye(4), np.zeros((4, 1))), 0.05)
    np.testing.assert_allclose(found.A, expected[0], rtol=RTOL, atol=RTOL)
    np.testing.assert_allclose(found.B, expected[1], rtol=RTOL, atol=RTOL)
    assert np.abs(found.A - (np.eye(4) + 0.05 * A)).max() > 1e-3  # not Euler's method


def test_the_drift_of_a_falling_mass_is_held_exactly():
    """y = [0, 0] falls by g dt^2 / 2."""
    falling = nl.NeuralLagrangian.from_lagrangian(lambda t, q, v: 0.5 * v @ v - 9.81 * q[0], force=ControlForce())
    found = linearize(falling, array(0.0, 0.0), array(0.0)).zero_order_hold(0.5)
    np.testing.assert_allclose(found.drift, [-9.81 * 0.125, -9.81 * 0.5], rtol=RTOL)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("model", "y", "u", "kind", "message"),
    [
        (
            lambda: nl.NeuralLagrangian(mlp(4)),
            jnp.zeros(4),
            jnp.zeros(1),
            ControlError,
            "0 control forces; expected one",
        ),
        (
            lambda: nl.NeuralLagrangian(mlp(4), force=ControlForce() + ControlForce()),
            jnp.zeros(4),
            jnp.zeros(2),
            ControlError,
            "2 control forces",
        ),
        (cart_pole, jnp.zeros(3), jnp.zeros(1), ValueError, r"`y` has shape \(3,\)"),
        (cart_pole, jnp.zeros(4), jnp.zeros(2), ValueError, r"`u` has shape \(2,\); expected \(1\)"),
        (lambda: lambda y: y, jnp.zeros(4), jnp.zeros(1), ValueError, "`model` is"),
    ],
)
def test_errors_name_what_is_missing(model, y, u, kind, message):
    with pytest.raises(kind, match=message):
        linearize(model(), y.astype(DTYPE), u.astype(DTYPE))


def test_it_compiles_and_maps():
    ys = jnp.asarray(np.random.default_rng(0).normal(size=(3, 4)), DTYPE)
    model = cart_pole()
    both = jax.jit(jax.vmap(lambda y: linearize(model, y, array(0.1)).A))(ys)
    np.testing.assert_allclose(both[1], linearize(model, ys[1], array(0.1)).A, rtol=RTOL, atol=RTOL)

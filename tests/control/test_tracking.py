"""Computed torque: with the true model the error decays as it says, and with a wrong one it does not."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.control import ComputedTorque, ControlError, closed_loop
from neural_lagrangian.mechanics import ControlForce, LinearDamping

from ..helpers import DTYPE
from .machines import arm, array, cart_pole

pytestmark = pytest.mark.double
TS = jnp.linspace(0.0, 2.0, 2001)


def reference(t):
    return jnp.stack([jnp.sin(2 * t), 0.5 * jnp.cos(3 * t)])


def errors(model, ts=TS):
    """Errors of the tracking of a reference by an arm with friction, from a start beside it."""
    damping = LinearDamping(jnp.asarray([0.4, 0.3], DTYPE))
    system = arm(damping + ControlForce([[2.0, 0.5], [0.0, 1.0]]))
    tracking = ComputedTorque(system if model is None else model, reference, 25.0)
    q, v, _ = tracking.desired(0.0)
    run = jax.jit(lambda y0: closed_loop(system, tracking, ts, y0))(jnp.concatenate([q + 0.1, v]))
    return np.asarray(run.ys[:, :2] - jax.vmap(reference)(ts))


def test_the_error_obeys_the_linear_equation():
    """e = e0 (1 + w t) exp(-w t), critically damped with w = 5, up to the sampling, which is of first order."""
    expected = np.asarray(0.1 * (1 + 5 * TS) * jnp.exp(-5 * TS))[:, None]
    fine = np.abs(errors(None) - expected).max()
    coarse = np.abs(errors(None, TS[::2]) - expected[::2]).max()
    assert fine < 3e-3
    assert 1.8 < coarse / fine < 2.2
    wrong = nl.NeuralLagrangian.from_lagrangian(
        nl.systems.DoublePendulum((1.3, 0.6), (0.4, 0.3)).lagrangian, force=ControlForce([[2.0, 0.5], [0.0, 1.0]])
    )
    assert np.abs(errors(wrong) - expected).max() > 1e-2


def test_the_derivatives_of_the_reference_are_exact():
    tracking = ComputedTorque(arm(), reference, 25.0)
    q, v, a = tracking.desired(0.7)
    np.testing.assert_allclose(v, [2 * np.cos(1.4), -1.5 * np.sin(2.1)], rtol=1e-12)
    np.testing.assert_allclose(a, [-4 * np.sin(1.4), -4.5 * np.cos(2.1)], rtol=1e-12)
    np.testing.assert_allclose(q, reference(0.7), rtol=1e-12)


def test_a_machine_with_fewer_motors_is_refused():
    with pytest.raises(ControlError, match="1 controls for 2 coordinates"):
        ComputedTorque(cart_pole(), reference, 25.0)(0.0, array(0.0, 0.0, 0.0, 0.0))

"""Digital control: samples and holds as it says; gradients through the loop are those of differences."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from neural_lagrangian.control import ClosedLoop, ControlLimits, QuadraticCost, closed_loop, control_report, total_cost
from neural_lagrangian.mechanics import ControlForce, LinearDamping

from ..helpers import DTYPE, central_difference, inner, random_like
from .machines import UPRIGHT, arm, array, cart_pole, mass

TS = jnp.linspace(0.0, 1.0, 21, dtype=DTYPE)


def test_a_held_force_moves_a_mass_in_parabolas():
    """y_{k+1} = [x + v h + u h^2 / 2, v + u h], to round-off."""
    run = closed_loop(mass(), lambda t, y: -3.0 * y[:1] - 2.0 * y[1:], TS, array(1.0, -0.5))
    x, v, h = 1.0, -0.5, 0.05
    for k in range(20):
        u = -3.0 * x - 2.0 * v
        np.testing.assert_allclose(run.us[k], [u], rtol=1e-5, atol=1e-6)
        x, v = x + v * h + u * h**2 / 2, v + u * h
        np.testing.assert_allclose(run.ys[k + 1], [x, v], rtol=1e-5, atol=1e-6)


def test_the_controller_sees_what_is_observed():
    seen = closed_loop(mass(), lambda t, y: y[:1], TS, array(0.3, 0.0), observe=lambda t, y: jnp.round(y))
    np.testing.assert_array_equal(seen.us[:5], np.zeros((5, 1)))
    assert closed_loop(mass(), lambda t, y: y[:1], TS, array(0.3, 0.0)).us[0] > 0


class Feedback(eqx.Module):
    gain: jax.Array

    def __call__(self, t, y):
        return jnp.tanh(self.gain @ y) + jnp.sin(t)


@pytest.mark.double
@pytest.mark.parametrize("adaptive", [False, True])
def test_the_gradient_of_the_closed_loop_cost_is_that_of_differences(adaptive):
    """With respect to the controller, the model and the initial state."""
    force = ControlForce() + LinearDamping(jnp.asarray([0.3, 0.2], DTYPE))
    model = arm(force)
    if adaptive:
        model = eqx.tree_at(lambda m: m.integration.stepsize_controller, model, None)
    cost = QuadraticCost(
        array(0.5, 0.2, 0.0, 0.0), array(1.0, 2.0, 0.1, 0.1), array(0.1, 0.2), array(1.0, 1.0, 1.0, 1.0)
    )
    parameters, rest = eqx.partition((model, Feedback(random_like(jnp.zeros((2, 4), DTYPE)))), eqx.is_inexact_array)

    @jax.jit
    def loss(arguments):
        parameters, y0 = arguments
        model, controller = eqx.combine(parameters, rest)
        return total_cost(cost, closed_loop(model, controller, TS, y0))

    arguments = parameters, array(0.1, -0.2, 0.3, 0.0)
    direction = random_like(arguments, seed=1)
    slope = inner(jax.jit(jax.grad(loss))(arguments), direction)
    np.testing.assert_allclose(slope, central_difference(loss, arguments, direction, 1e-3), rtol=1e-5)
    assert abs(slope) > 1e-2


def test_it_compiles_and_maps():
    y0s = jnp.asarray(np.random.default_rng(0).normal(size=(2, 4)) * 0.1 + UPRIGHT, DTYPE)
    controller, model = Feedback(jnp.ones((1, 4), DTYPE)), cart_pole()
    both = jax.jit(jax.vmap(lambda y0: closed_loop(model, controller, TS, y0)))(y0s)
    one = closed_loop(model, controller, TS, y0s[1])
    np.testing.assert_allclose(both.ys[1], one.ys, rtol=1e-4, atol=1e-5)


def test_it_becomes_a_recording_to_learn_from():
    run = closed_loop(mass(), lambda t, y: -y[:1], TS, array(1.0, 0.0))
    recorded = run.trajectories()
    assert recorded.ys.shape == (1, 21, 2)
    assert recorded.controls.shape == (1, 21, 1)


def test_the_report_says_when_it_settled_and_that_another_did_not():
    ts = jnp.linspace(0.0, 4.0, 5, dtype=DTYPE)
    ys = jnp.asarray([[1.0, 0.0], [0.01, 0.0], [0.5, 0.0], [0.01, 0.0], [0.0, 0.0]], DTYPE)
    us = jnp.asarray([[2.0], [-3.0], [1.0], [0.0], [0.0]], DTYPE)
    limits = ControlLimits(-3.0, 3.0)
    report = control_report(ClosedLoop(ts, ys, us), array(0.0, 0.0), tolerance=0.1, limits=limits)
    assert (float(report.settled_at), float(report.peak_control[0]), float(report.effort)) == (3.0, 3.0, 14.0)
    np.testing.assert_allclose(report.saturated, 0.2, rtol=1e-6)
    assert "settled after 3 s" in str(report)
    early = control_report(ClosedLoop(ts[:3], ys[:3], us[:3]), array(0.0, 0.0), tolerance=0.1)
    assert not bool(early.settled)
    assert "did not settle" in str(early)


@pytest.mark.bad_input
def test_a_controller_of_another_size_is_refused():
    with pytest.raises(ValueError, match=r"`controller` returned shape \(2,\); expected \(1,\)"):
        closed_loop(mass(), lambda t, y: y, TS, array(1.0, 0.0))

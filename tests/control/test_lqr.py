"""The regulator's gain is that of the linearisation by hand; its cost-to-go decreases; bad tasks are refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
import scipy.signal

import neural_lagrangian as nl
from neural_lagrangian.control import (
    ComputedTorque,
    ControlError,
    ControlLimits,
    EnergyShaping,
    attraction_level,
    closed_loop,
    lqr,
)
from neural_lagrangian.mechanics import ControlForce

from ..helpers import DOUBLE, DTYPE
from .machines import AT_CART, UPRIGHT, G, accelerations, arm, array, cart_pole, cart_pole_upright, mass

RTOL = 1e-8 if DOUBLE else 1e-3
Q, R = np.array([1.0, 10.0, 0.5, 2.0]), np.array([0.3])


def regulator(**options):
    return lqr(cart_pole(), array(*UPRIGHT), state_cost=Q, control_cost=R, periodic=[1], **options)


def test_the_gain_is_that_of_the_system_derived_by_hand():
    A, B = cart_pole_upright()
    P = scipy.linalg.solve_continuous_are(A, B, np.diag(Q), np.diag(R))
    found = regulator()
    np.testing.assert_allclose(found.gain, B.T @ P / R[0], rtol=RTOL)
    np.testing.assert_allclose(found.cost_to_go, P, rtol=RTOL)
    assert found.eigenvalues.real.max() < -0.5


def test_the_sampled_gain_is_that_of_the_sampled_system():
    A, B, *_ = scipy.signal.cont2discrete((*cart_pole_upright(), np.eye(4), np.zeros((4, 1))), 0.1)
    P = scipy.linalg.solve_discrete_are(A, B, np.diag(Q), np.diag(R))
    found = regulator(dt=0.1)
    np.testing.assert_allclose(found.gain, np.linalg.solve(R[0] + B.T @ P @ B, B.T @ P @ A), rtol=RTOL)
    assert np.abs(found.eigenvalues).max() < 1
    assert np.abs(found.gain / regulator().gain - 1).max() > 0.05  # another controller than in continuous time


def test_the_cost_to_go_is_a_lyapunov_function():
    r"""For the linearised system V' = -e' (Q + K' R K) e; with the sign of the gain reversed V grows."""
    A, B = cart_pole_upright()
    found = regulator()
    P, K = np.asarray(found.cost_to_go), np.asarray(found.gain)
    for sign, e in ((1, np.array([0.1, -0.2, 0.3, 0.1])), (-1, np.array([0.0, 0.1, 0.0, 0.3]))):
        rate = 2 * e @ P @ (A - sign * B @ K) @ e
        expected = -e @ (np.diag(Q) + sign * K.T @ np.diag(R) @ K) @ e
        if sign == 1:
            np.testing.assert_allclose(rate, expected, rtol=1e-6 if DOUBLE else 1e-2)
        else:
            assert rate > 0


@pytest.mark.double
def test_states_inside_the_level_are_attracted_and_states_far_outside_are_not():
    model, limits = cart_pole(), ControlLimits(-10.0, 10.0)
    found = regulator(limits=limits)
    level = attraction_level(model, found, key=jax.random.key(0))
    assert level > 0.1
    draw = np.random.default_rng(1).normal(size=(20, 4))
    values = np.einsum("ki,ij,kj->k", draw, np.asarray(found.cost_to_go), draw)
    edge = UPRIGHT + draw * np.sqrt(0.9 * level / values)[:, None]

    @jax.jit
    @jax.vmap
    def values_along(y0):
        return jax.vmap(found.value)(closed_loop(model, found, jnp.linspace(0.0, 4.0, 401), y0).ys)

    inside = np.asarray(values_along(jnp.asarray(edge)))
    assert np.all(inside[:, -1] < 0.05 * level)
    assert np.all(np.diff(inside, axis=1) < 1e-3 * level)
    hanging = values_along(jnp.asarray([[0.0, 0.1, 0.0, 0.0]]))
    assert hanging[0, -1] > level


def test_angles_a_turn_apart_are_the_same():
    turned = array(0.0, 2 * np.pi, 0.0, 0.0)
    y, found = array(*UPRIGHT) + 0.1, regulator()
    np.testing.assert_allclose(found(0.0, y + turned), found(0.0, y), rtol=1e-4)
    other = lqr(cart_pole(), array(*UPRIGHT), state_cost=Q, control_cost=R)
    assert abs(float((other(0.0, y + turned) - other(0.0, y))[0])) > 10


def test_the_holding_torque_is_found():
    y = array(0.3, -0.4, 0.0, 0.0)
    found = lqr(arm(), y, state_cost=np.ones(4), control_cost=np.ones(2))
    gravity = nl.mechanics.torque_parts(arm().lagrangian, 0.0, y[:2], y[2:], y[2:]).gravity
    np.testing.assert_allclose(found.u, gravity, rtol=RTOL)


def test_a_neural_ode_of_the_same_accelerations_has_the_same_regulator():
    of_arm = array(0.3, -0.4, 0.0, 0.0), {"state_cost": np.ones(4), "control_cost": np.ones(2)}
    of_cart = array(*UPRIGHT), {"state_cost": Q, "control_cost": R}
    for model, matrix, (y, costs) in ((cart_pole(), AT_CART, of_cart), (arm(), None, of_arm)):
        expected, found = (lqr(one, y, **costs) for one in (model, accelerations(model, matrix)))
        np.testing.assert_allclose(found.u, expected.u, rtol=RTOL, atol=RTOL)
        np.testing.assert_allclose(found.gain, expected.gain, rtol=RTOL)


def test_a_controller_that_needs_a_lagrangian_says_so():
    y = array(*UPRIGHT)
    swing = EnergyShaping(accelerations(cart_pole(), AT_CART), y, 0, 3.0, 4.0, 3.0)
    tracking = ComputedTorque(accelerations(arm()), lambda t: jnp.stack([t, t]), 1.0)
    for controller in (swing, tracking):
        with pytest.raises(ControlError, match="no Lagrangian"):
            controller(0.0, y)


def test_the_regulator_keeps_the_precision_of_the_state():
    assert regulator()(0.0, array(*UPRIGHT)).dtype == DTYPE


def uncontrolled():
    return lqr(cart_pole([[0.0], [0.0]]), array(*UPRIGHT), state_cost=Q, control_cost=R)


def two_masses():
    """The second mass drifts, and nothing pushes it."""
    free = nl.NeuralLagrangian.from_lagrangian(lambda t, q, v: v @ v, force=ControlForce([[1.0], [0.0]]), dof=2)
    return lqr(free, array(0.0, 0.0, 0.0, 0.0), state_cost=np.ones(4), control_cost=np.ones(1))


def cart(**options):
    options = {"state_cost": Q, "control_cost": R} | options
    return lqr(cart_pole(), array(*options.pop("y", UPRIGHT)), options.pop("u", None), **options)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("task", "kind", "message"),
    [
        (uncontrolled, ControlError, "cannot be stabilised: the mode in"),
        (two_masses, ControlError, r"the mode in v\[1\] with eigenvalue 0 per second"),
        (lambda: cart(dt=0.1, state_cost=np.zeros(4)), ControlError, "positive `state_cost`"),
        (lambda: cart(y=(0.0, 2.0, 0.0, 0.0)), ControlError, "not an equilibrium"),
        (lambda: cart(y=(0.0, np.pi, 0.0, 3.0)), ControlError, "not an equilibrium"),
        (lambda: cart(u=array(3.0), limits=ControlLimits(-2.0, 2.0)), ControlError, "holding the state needs"),
        (lambda: cart(state_cost=np.ones(3)), ValueError, r"`state_cost` has shape \(3,\)"),
        (lambda: cart(state_cost=-np.ones(4)), ValueError, "positive semidefinite"),
        (lambda: cart(control_cost=np.zeros(1)), ValueError, "positive definite"),
        (lambda: cart(dt=-1.0), ValueError, "`dt` is -1.0"),
        (lambda: ControlLimits(1.0, 1.0), ValueError, "each lower limit below"),
        (
            lambda: jax.jit(lambda y: lqr(mass(), y, state_cost=Q[:2], control_cost=R).gain)(array(0.0, 0.0)),
            ValueError,
            "outside `jit`",
        ),
    ],
)
def test_a_task_without_a_regulator_is_refused_by_name(task, kind, message):
    with pytest.raises(kind, match=message):
        task()


@pytest.mark.double
@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_stabilizability_does_not_depend_on_units(scale):
    """A pendulum on a weak motor, in other units of torque; no motor at all is noticed in all of them."""

    def model(strength):
        pendulum = nl.systems.Pendulum(1.0, 1.0, G)
        return nl.NeuralLagrangian.from_lagrangian(pendulum.lagrangian, force=ControlForce([[strength]]), dof=1)

    options = {"state_cost": np.ones(2), "control_cost": np.ones(1)}
    found = lqr(model(scale), array(np.pi, 0.0), **options)
    assert found.eigenvalues.real.max() < 0
    with pytest.raises(ControlError, match="cannot be stabilised"):
        lqr(model(0.0), array(np.pi, 0.0), **options)


@pytest.mark.double
def test_a_learned_model_that_tilts_a_little_has_nearly_the_same_level():
    """Its own equilibrium is beside the target, where V' is not zero."""
    model = cart_pole()
    tilted = type(model).from_lagrangian(
        lambda t, q, v: model.lagrangian(t, q, v) + 1e-3 * q[1], dof=2, force=ControlForce([[1.0], [0.0]])
    )
    options = {"state_cost": Q, "control_cost": R, "periodic": [1]}
    levels = [
        attraction_level(one, lqr(one, array(*UPRIGHT), **options), key=jax.random.key(0)) for one in (model, tilted)
    ]
    assert levels[0] > 0.1
    np.testing.assert_allclose(levels[1], levels[0], rtol=0.3)

"""Rollouts of models with forces that have internal states: the right motion, its derivatives, and every use of it."""

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optimistix as optx
import pytest
from scipy.integrate import solve_ivp

import neural_lagrangian as nl
from neural_lagrangian.integrators import RK4, AdaptiveSteps
from neural_lagrangian.mechanics import ControlForce, DeadTime, FirstOrderLag, LuGre, Maxwell, SecondOrderLag
from neural_lagrangian.models import WithMemory, with_control, with_precision

from ..helpers import DTYPE, MEMORIES, central_difference, inner, random_like, slow, slow_but

STIFFNESS = 4.0
TS, Y0 = np.linspace(0.0, 2.0, 21), np.array([0.5, 0.2])
ACCURATE = AdaptiveSteps(1e-11)
IMPLICIT = diffrax.Kvaerno5(root_finder=diffrax.VeryChord(rtol=1e-12, atol=1e-12, norm=optx.max_norm))


def spring(t, q, v):
    return 0.5 * v @ v - 0.5 * STIFFNESS * q @ q


def free(t, q, v):
    return 0.5 * v @ v


def oscillator(solver=None, *, lagrangian=spring, steps=ACCURATE, **keywords):
    return nl.NeuralLagrangian.from_lagrangian(
        lagrangian, solver, dof=1, stepsize_controller=steps, max_steps=2**15, **keywords
    )


# --- the equations by hand, in NumPy: (t, q, v, z) to force and rate ---


def lugre(t, q, v, z):
    g = 0.3 + 0.2 * np.exp(-((v / 0.4) ** 2))
    rate = v - 60.0 * abs(v) / g * z
    return -(60.0 * z + 0.5 * rate + 0.1 * v)[0], rate


def bouc_wen(t, q, v, z):
    beta, gamma = 0.7, 0.3
    rate = (v - beta * abs(v) * abs(z) ** 0.7 * z - gamma * v * abs(z) ** 1.7) / 0.2
    return -0.8 * z[0], rate


def maxwell(t, q, v, z):
    return -3.0 * z[0], v - z / 0.4


def first_order_lag(t, q, v, z):
    return z[0], (np.sin(3 * t) - z) / 0.2


def second_order_lag(t, q, v, z):
    return z[0], np.array([8.0 * z[1], 8.0 * (np.sin(3 * (t - 0.1)) - z[0] - 0.6 * z[1])])


BY_HAND = {
    "lugre": (lugre, [0.0]),
    "bouc_wen": (bouc_wen, [0.0]),
    "maxwell": (maxwell, [0.0]),
    "first_order_lag": (first_order_lag, [0.0]),
    "second_order_lag": (second_order_lag, [np.sin(-0.3), 0.0]),
}


def reference(name):
    law, z0 = BY_HAND[name]

    def rate(t, x):
        Q, z_dot = law(t, x[0], x[1], x[2:])
        return [x[1], Q - STIFFNESS * x[0], *z_dot]

    options = {"method": "DOP853", "rtol": 1e-12, "atol": 1e-13, "max_step": 0.01}
    return solve_ivp(rate, (0.0, 2.0), [*Y0, *z0], t_eval=TS, **options).y.T


@pytest.mark.double
@pytest.mark.parametrize("solver", [diffrax.Tsit5(), slow(IMPLICIT)], ids=["tsit5", "kvaerno5"])
@pytest.mark.parametrize("name", slow_but(BY_HAND, "lugre", "second_order_lag"))
def test_rollouts_agree_with_scipy(name, solver):
    ys, zs = WithMemory(oscillator(solver), MEMORIES[name]).rollout(TS, Y0)
    np.testing.assert_allclose(jnp.concatenate([ys, zs], axis=1), reference(name), atol=1e-8)


@pytest.mark.double
def test_an_implicit_solver_gives_the_same_motion_of_friction():
    steps = AdaptiveSteps(1e-8)
    explicit, implicit = (
        WithMemory(oscillator(solver, steps=steps), MEMORIES["lugre"])(TS, Y0)
        for solver in (diffrax.Tsit5(), diffrax.Kvaerno5())
    )
    np.testing.assert_allclose(explicit, implicit, atol=1e-5)


@pytest.mark.double
@pytest.mark.parametrize("name", slow_but(MEMORIES, "lugre"))
def test_derivatives_agree_with_differences(name):
    size = MEMORIES[name].size(1)
    model = WithMemory(oscillator(), MEMORIES[name], start=jnp.full(size, 1e-3))
    weights, static = eqx.partition((model, jnp.asarray(Y0)), eqx.is_inexact_array)

    @eqx.filter_jit
    def value(weights):
        model, y0 = eqx.combine(weights, static)
        return jnp.sum(model(TS, y0) ** 2)

    direction = random_like(weights)
    slope = inner(jax.jit(jax.grad(value))(weights), direction)
    np.testing.assert_allclose(slope, central_difference(value, weights, direction, 1e-4), rtol=1e-5)


@pytest.mark.double
def test_energy_is_stored_or_becomes_heat_or_work():
    """dE/dt along the vector field, so no error of an integration stands in between."""
    damping = nl.mechanics.LinearDamping([0.6])
    model = WithMemory(oscillator(force=damping), MEMORIES["lugre"], MEMORIES["maxwell"])
    x = jnp.asarray([0.4, -0.3, 0.004, 0.2])

    def total(x):
        q, v, z = x[:1], x[1:2], x[2:]
        return model.energy(0.0, q, v) + model.stored_energy(0.0, q, v, z)

    q, v, z = x[:1], x[1:2], x[2:]
    gained = jax.jvp(total, (x,), (model.vector_field(0.0, x),))[1]
    work = damping(0.0, q, v) @ v
    np.testing.assert_allclose(gained, work - model.dissipation(0.0, q, v, z), rtol=1e-10)
    assert abs(gained - work) > 1e-2  # the negative control: the forces with memory take part


@pytest.mark.double
def test_steps_do_not_depend_on_units():
    length, time, mass = 2.0**-9, 2.0**5, 2.0**3
    force = mass * length / time**2

    def model(length, time, force, steps):
        law = LuGre(
            [60.0 * force / length],
            coulomb=[0.3 * force],
            breakaway=[0.5 * force],
            stribeck_velocity=[0.4 * length / time],
            viscous=[0.1 * force * time / length],
        )
        m, k = force * time**2 / length, STIFFNESS * force / length
        return WithMemory(oscillator(lagrangian=lambda t, q, v: m * v @ v / 2 - k * q @ q / 2, steps=steps), law)

    y0 = Y0 * np.array([length, length / time])
    for steps, free_of_units in ((AdaptiveSteps(1e-6), True), (diffrax.PIDController(rtol=1e-6, atol=1e-6), False)):
        here = model(1.0, 1.0, 1.0, steps).solve(TS, Y0)
        there = model(length, time, force, steps).solve(TS * time, y0)
        if free_of_units:
            assert here.stats["num_steps"] == there.stats["num_steps"]
            np.testing.assert_allclose(np.asarray(there.ys) / np.array([length, length / time]), here.ys, atol=1e-9)
        else:  # the negative control
            assert here.stats["num_steps"] != there.stats["num_steps"]


def test_an_element_relaxes_exponentially():
    fixed = oscillator(lagrangian=lambda t, q, v: 0.5e9 * v @ v, steps=None)
    _, zs = WithMemory(fixed, Maxwell([1.0], [0.4]), start=jnp.ones(1)).rollout(TS, np.zeros(2))
    np.testing.assert_allclose(zs[:, 0], np.exp(-TS / 0.4), atol=1e-5)


def test_actuators_respond_to_a_step_as_their_orders_say():
    step = ControlForce(control=lambda t: jnp.ones(1))
    first, second = FirstOrderLag(step, 0.3), SecondOrderLag(step, 5.0, 0.4)
    table = oscillator(lagrangian=free, steps=None)
    _, zs = WithMemory(table, first, second, start=jnp.zeros(3)).rollout(TS, np.zeros(2))
    np.testing.assert_allclose(zs[:, 0], 1 - np.exp(-TS / 0.3), atol=1e-4)
    damped, decay = 5.0 * np.sqrt(1 - 0.4**2), 0.4 * 5.0
    ring = np.exp(-decay * TS) * (np.cos(damped * TS) + decay / damped * np.sin(damped * TS))
    np.testing.assert_allclose(zs[:, 1], 1 - ring, atol=1e-4)
    _, steady = WithMemory(table, first, second).rollout(TS, np.zeros(2))  # they start at the first command
    np.testing.assert_allclose(steady, np.broadcast_to([1.0, 1.0, 0.0], (21, 3)), atol=1e-6)


@pytest.mark.double
def test_the_derivative_in_a_dead_time():
    """A mass of 1 kg: v(T) is the integral of u(t - d), so dv(T)/dd = u(-d) - u(T - d).

    It is exact for a smooth command. Samples of a command have kinks within the steps, whose error is of first order.
    """
    late = DeadTime(ControlForce(control=lambda t: jnp.sin(3 * t)[None]), 0.13)
    smooth = oscillator(lagrangian=free, force=late, steps=AdaptiveSteps(1e-9))
    us = np.sin(3 * TS)[:, None]

    def slope(model):
        return jax.grad(lambda d: eqx.tree_at(lambda m: m.force.delay, model, d)(TS, Y0)[-1, 1])(jnp.asarray(0.13))

    expected = np.sin(-3 * 0.13) - np.sin(3 * (2.0 - 0.13))
    np.testing.assert_allclose(slope(smooth), expected, atol=1e-6)
    kinked = us[0, 0] - np.interp(2.0 - 0.13, TS, us[:, 0])
    np.testing.assert_allclose(slope(with_control(smooth, TS, us)), kinked, rtol=1e-2)


def test_single_precision():
    laws = (MEMORIES["lugre"], MEMORIES["bouc_wen"], MEMORIES["first_order_lag"])
    model = with_precision(WithMemory(oscillator(steps=None), *laws), jnp.float32)
    ys, zs = model.rollout(TS.astype(np.float32), Y0.astype(np.float32))
    assert ys.dtype == zs.dtype == jnp.float32
    assert bool(jnp.all(jnp.isfinite(ys)))


def recorded(model):
    return nl.Trajectories(jnp.asarray(TS, DTYPE), model(TS.astype(DTYPE), Y0.astype(DTYPE))[None])


def test_training_files_and_scaling_take_the_model(tmp_path):
    """Gauss-Newton finds the constants of a noise-free motion; a file keeps them; so do other units."""
    table = oscillator(RK4(), steps=nl.StepsPerSample(2))
    true = WithMemory(table, Maxwell([3.0], [0.4]))
    wrong = WithMemory(table, Maxwell([2.0], [0.7]))
    found = nl.training.gauss_newton(wrong, recorded(true), steps=12, horizon=20).model
    np.testing.assert_allclose(found.forces[0].stiffness, [3.0], rtol=1e-3)
    np.testing.assert_allclose(found.forces[0].relaxation_time, [0.4], rtol=1e-3)
    nl.save(tmp_path / "model", found)
    loaded = nl.load(tmp_path / "model", like=wrong)
    np.testing.assert_array_equal(loaded.forces[0].stiffness, found.forces[0].stiffness)
    scaling = nl.trajectories.Scaling([0.0], [0.1], 0.5)
    outside = nl.Scaled(loaded, scaling)(TS * 0.5, Y0 * np.array([0.1, 0.2]))
    np.testing.assert_allclose(np.asarray(outside) / np.array([0.1, 0.2]), loaded(TS, Y0), atol=1e-5)


def test_recorded_commands_reach_the_actuator():
    model = WithMemory(oscillator(lagrangian=free, steps=None), FirstOrderLag(ControlForce(), 0.2))
    assert bool(jnp.all(model(TS, np.zeros(2)) == 0))  # no command yet
    driven = with_control(model, TS, np.full((21, 1), 2.0))
    np.testing.assert_allclose(driven(TS, np.zeros(2))[:, 1], 2.0 * TS, atol=1e-4)


def refusals():
    table, law = oscillator(), MEMORIES["maxwell"]
    variational = nl.NeuralLagrangian.from_lagrangian(free, nl.GalerkinGaussLobatto(2), dof=1)
    scaling = nl.trajectories.Scaling([0.0], [1.0], 1.0)
    model = WithMemory(table, law)
    window = nl.trajectories.Window(TS, np.zeros((21, 2)), accelerations=np.zeros((21, 1)))
    driven = nl.trajectories.Window(TS, window.ys, accelerations=window.accelerations, controls=np.zeros((21, 1)))
    ode = nl.NeuralODE(lambda y: -y[:1], dof=1)
    return {
        "variational": (lambda: WithMemory(variational, law), "variational solver"),
        "scaled": (lambda: WithMemory(nl.Scaled(table, scaling), law), r"Scaled\(WithMemory"),
        "no_lagrangian": (lambda: WithMemory(ode, law), "expected a model with a Lagrangian"),
        "no_force": (lambda: WithMemory(table), "`forces` is empty"),
        "plain_force": (lambda: WithMemory(table, nl.mechanics.LinearDamping([1.0])), "`forces` is"),
        "start": (lambda: WithMemory(table, law, start=jnp.zeros(2))(TS, Y0), "`start` has shape"),
        "args": (lambda: model.solve(TS, Y0, args=1), "`args` is"),
        "accelerations": (lambda: nl.training.acceleration_mse(model, window), "trajectory_mse"),
        "torques": (lambda: nl.training.torque_mse(model, driven), "forces with memory"),
        "state": (lambda: model.vector_field(0.0, jnp.zeros(2)), r"\[q, v, z\]"),
    }


@pytest.mark.parametrize("name", refusals())
def test_uses_that_need_more_than_rollouts_are_refused(name):
    use, message = refusals()[name]
    with pytest.raises(ValueError, match=message):
        use()


def push(t):
    """A command that sets in at time zero."""
    return jnp.where(t >= 0, jnp.ones(1), 0.0)


@pytest.mark.parametrize("delay", [0.37, 1.0])
@pytest.mark.parametrize("lag", [None, slow(0.2)])
def test_adaptive_steps_pass_the_moment_at_which_motion_sets_in(delay, lag):
    """From exact rest before a dead time: there is nothing to compare errors with until the command arrives."""
    motor = DeadTime(ControlForce(control=push), delay=jnp.asarray(delay, DTYPE))
    if lag is None:
        model = nl.NeuralLagrangian.from_lagrangian(free, dof=1, force=motor)
    else:
        body = nl.NeuralLagrangian.from_lagrangian(free, dof=1)
        model = WithMemory(body, FirstOrderLag(motor, time_constant=jnp.asarray(lag, DTYPE)))
    solution = model.solve(TS.astype(DTYPE), jnp.zeros(2, DTYPE))
    assert solution.result == diffrax.RESULTS.successful
    assert solution.stats["num_steps"] < 400
    t = np.maximum(TS - delay, 0)
    expected = t**2 / 2 if lag is None else t**2 / 2 - lag * t + lag**2 * (1 - np.exp(-t / lag))
    np.testing.assert_allclose(solution.ys[:, 0], expected, atol=2e-5 if np.float32 == DTYPE else 1e-8)

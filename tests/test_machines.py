"""The machines of the examples: delay, limits and encoders act as they say, and a pendubot stands up on its plan."""

import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian import control

EXAMPLES = Path(__file__).parents[1] / "examples"
if not (EXAMPLES / "machines").exists():
    pytest.skip("the examples are not here", allow_module_level=True)
pytest.importorskip("mujoco")
sys.path.insert(0, str(EXAMPLES))
from machines import MACHINES  # noqa: E402
from machines.loop import Replanning, applied, drive  # noqa: E402

NAMES = sorted(MACHINES)


@pytest.mark.parametrize("name", NAMES)
def test_a_command_acts_after_the_delay(name):
    """From rest at the bottom, the first step of the motion is that of the command, `delay` after it was given."""
    machine = MACHINES[name]
    _, _, us, ys = machine.run(lambda t, q: 0.5 * machine.limit, np.zeros(4), 0.03, 0, measure_every=0.001)
    moves = np.abs(ys).max(axis=1) > 0
    assert us[0, 0] == 0.5 * machine.limit
    assert np.argmax(moves) == round(machine.delay / 0.001) + 1
    idle = machine.run(lambda t, q: 0.0, np.zeros(4), 0.03, 0, measure_every=0.001)[3]
    assert np.abs(idle).max() == 0


@pytest.mark.parametrize("name", NAMES)
def test_the_motor_is_limited(name):
    machine = MACHINES[name]
    strong, stronger = (machine.run(lambda t, q, k=k: k * machine.limit, np.zeros(4), 0.2, 0) for k in (1.0, 7.0))
    np.testing.assert_array_equal(strong[3], stronger[3])
    weak = machine.run(lambda t, q: 0.9 * machine.limit, np.zeros(4), 0.2, 0)
    assert np.abs(weak[3] - strong[3]).max() > 1e-4


@pytest.mark.parametrize("name", NAMES)
def test_encoders_are_coarse_and_noisy(name):
    """They read whole steps. Their error has the variance of the noise, plus a twelfth of the squared step."""
    machine = MACHINES[name]
    _, qs, _, ys = machine.run(lambda t, q: 0.3 * machine.limit * np.sin(9 * t), [0.1, 0.4, 0, 0], 8.0, 0)
    steps = qs / machine.resolution
    np.testing.assert_allclose(steps, np.round(steps), atol=1e-6)
    expected = np.square(machine.noise) + np.square(machine.resolution) / 12
    np.testing.assert_allclose(np.var(qs - ys[:, :2], axis=0), expected, rtol=0.2)


@pytest.mark.parametrize("name", NAMES)
def test_its_inertia_is_that_of_its_motion(name):
    r"""$M a = u - c$ of `inertia`, against the acceleration of the first steps from rest, a motor at full power."""
    machine = MACHINES[name]
    q = np.array([0.3, 0.8])
    M, gravity = machine.inertia(q)
    _, _, _, ys = machine.run(lambda t, q: machine.limit, [*q, 0, 0], 0.03, 0, measure_every=0.001)
    late = round(machine.delay / 0.001)
    a = (ys[late + 2, 2:] - ys[late, 2:]) / 0.002
    force = np.array([machine.limit, 0.0]) - gravity
    np.testing.assert_allclose(M @ a, force, atol=0.05 * machine.limit)  # friction, and the motion meanwhile
    assert np.abs(np.diag(np.diag(M)) @ a - force).max() > 0.1 * machine.limit  # the coupling of the links counts


@pytest.mark.parametrize("name", NAMES)
def test_the_applied_control_is_the_mean_of_each_row(name):
    """With a command that jumps between rows, against the area of the late, held command over the row."""
    machine = MACHINES[name]
    ts, _, us, _ = machine.run(lambda t, q: np.sin(40 * t), np.zeros(4), 0.5, 0)
    rows = applied(machine, ts, us)[:, 0]

    def area(t):
        """Integral of the acting control from 0 to t."""
        starts = np.arange(0.0, 0.6, machine.sample)
        held = np.clip(t - starts - machine.delay, 0, machine.sample)
        return np.sum(held * np.sin(40 * starts))

    expected = [(area(t + 0.01) - area(t)) / 0.01 for t in ts[:-2]]
    np.testing.assert_allclose(rows[:-2], expected, atol=1e-9)
    assert np.abs(rows[:-2] - us[:-2, 0]).max() > 0.1


def two_links(machine):
    """The Lagrangian of two links that hang from a motor, its constants from MuJoCo."""
    M, _ = machine.inertia([0.0, 0.0])
    _, weight = machine.inertia([np.pi / 2, 0.0])
    c, b = M[1, 1], M[0, 1] - M[1, 1]

    def lagrangian(t, q, v):
        k = b * jnp.cos(q[1])
        kinetic = 0.5 * (M[0, 0] - 2 * b + 2 * k) * v[0] ** 2 + (c + k) * v[0] * v[1] + 0.5 * c * v[1] ** 2
        return kinetic + (weight[0] - weight[1]) * jnp.cos(q[0]) + weight[1] * jnp.cos(q[0] + q[1])

    return lagrangian


def test_two_links_have_the_inertia_of_mujoco():
    machine, q = MACHINES["pendubot"], np.array([0.7, 1.1])
    M, weight = machine.inertia(q)
    lagrangian, at = two_links(machine), (0.0, jnp.asarray(q), jnp.zeros(2))
    np.testing.assert_allclose(nl.mass_matrix(lagrangian, *at), M, rtol=1e-6)
    np.testing.assert_allclose(-jax.grad(lagrangian, 1)(*at), weight, rtol=1e-6)


@pytest.mark.slow
@pytest.mark.double
def test_a_pendubot_stands_up_on_its_plan():
    """From hanging, with delay, friction and encoders. Without plans the regulator alone leaves it hanging."""
    machine, up = MACHINES["pendubot"], jnp.array([jnp.pi, 0.0, 0.0, 0.0])
    limits = control.ControlLimits(-machine.limit, machine.limit)
    damping = nl.mechanics.LinearDamping(jnp.sqrt(jnp.array([0.01, 0.001])))
    dry = nl.mechanics.SmoothFriction(jnp.array([0.01, 0.001]), jnp.array([0.05, 0.05]))
    model, observer = (
        nl.NeuralLagrangian.from_lagrangian(
            two_links(machine),
            nl.integrators.RK4(),
            dof=2,
            force=friction + nl.mechanics.ControlForce([[1.0], [0.0]]),
            stepsize_controller=nl.StepsPerSample(1),
            mass_solve=nl.mechanics.Cholesky(),
        )
        for friction in (damping, damping + dry)  # a plan needs smooth forces
    )
    weights = {"state_cost": jnp.array([10.0, 10.0, 0.1, 0.1]), "control_cost": jnp.array([1.0])}
    hold = control.lqr(model, up, dt=machine.sample, limits=limits, periodic=[0, 1], **weights)
    level = control.attraction_level(model, hold, key=jax.random.key(1))
    on_the_way = jnp.array([0.5, 0.5, 0.01, 0.01]), jnp.array([0.05]), 3 * hold.cost_to_go
    renew = Replanning(
        model,
        hold,
        level,
        lambda y: [control.QuadraticCost(up * side, *on_the_way) for side in (1.0, -1.0)],
        jnp.linspace(0.0, 2.5, 126),
        2.4,
    )
    start = np.array([0.1, -0.1, 0.0, 0.0])
    run = drive(machine, observer, renew.idle, start, 5.0, 0, renew)
    alone = drive(machine, observer, hold, start, 5.0, 0)
    tolerance = jnp.array([0.3, 0.3, 1.5, 1.5])
    settled, hanging = (
        control.control_report(motion, up, tolerance=tolerance, periodic=[0, 1]).settled for motion in (run, alone)
    )
    assert bool(settled)
    assert not bool(hanging)

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
from machines.formulas import LAGRANGIANS, of_mujoco  # noqa: E402
from machines.learning import applied, without_dry_friction  # noqa: E402
from machines.loop import Replanning, drive, regulator  # noqa: E402

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
    ts, _, us, _ = machine.run(lambda t, q: machine.limit * np.sin(40 * t), np.zeros(4), 0.5, 0)
    rows = applied(machine, ts, us)[:, 0]

    def area(t):
        """Integral of the acting control from 0 to t."""
        starts = np.arange(0.0, 0.6, machine.sample)
        held = np.clip(t - starts - machine.delay, 0, machine.sample)
        return machine.limit * np.sum(held * np.sin(40 * starts))

    expected = [(area(t + 0.01) - area(t)) / 0.01 for t in ts[:-2]]
    np.testing.assert_allclose(rows[:-2], expected, atol=1e-9)
    assert np.abs(rows[:-2] - us[:-2, 0]).max() > 0.1 * machine.limit


@pytest.mark.double
@pytest.mark.parametrize("name", NAMES)
def test_the_formula_has_the_inertia_and_the_weight_of_mujoco(name):
    """At angles where no sine or cosine is zero; the mass matrix varies, so that of another angle does not fit."""
    machine, rest = MACHINES[name], jnp.zeros(2)
    lagrangian = LAGRANGIANS[name](machine)
    for q in np.random.default_rng(0).uniform(-3, 3, (5, 2)):
        M, weight = machine.inertia(q)
        np.testing.assert_allclose(nl.mass_matrix(lagrangian, 0.0, jnp.asarray(q), rest), M, rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(-jax.grad(lagrangian, 1)(0.0, jnp.asarray(q), rest), weight, rtol=1e-6, atol=1e-9)
    assert not np.allclose(nl.mass_matrix(lagrangian, 0.0, jnp.asarray(q) + 1.0, rest), M, rtol=1e-2)


@pytest.mark.double
@pytest.mark.parametrize("name", NAMES)
def test_the_true_model_moves_as_mujoco(name):
    """Under the motor, with friction and fast turning, where the velocity-dependent forces count."""
    machine = MACHINES[name]
    start, force = np.array([0.2, 2.0, 3.0, -4.0]), 0.3 * machine.limit
    ts, _, _, ys = machine.run(lambda t, q: force, start, 0.3, 0, measure_every=0.001)
    late = round(machine.delay / 0.001)
    model = of_mujoco(name, widths=jnp.array([1e-3, 1e-3]))
    held = jnp.full((2, 1), force)
    moved = nl.models.with_control(model, jnp.array([0.0, 1.0]), held)(jnp.asarray(ts[late:]), jnp.asarray(ys[late]))
    np.testing.assert_allclose(moved, ys[late:], atol=2e-3)
    idle = model(jnp.asarray(ts[late:]), jnp.asarray(ys[late]))
    assert np.abs(idle - ys[late:]).max() > 0.1


@pytest.mark.slow
@pytest.mark.double
def test_a_pendubot_stands_up_on_its_plan():
    """From hanging, with delay, friction and encoders. Without plans the regulator alone leaves it hanging."""
    machine, up = MACHINES["pendubot"], jnp.array([jnp.pi, 0.0, 0.0, 0.0])
    model = of_mujoco("pendubot", widths=jnp.array([0.05, 0.05]))
    weights = {"state_cost": jnp.array([10.0, 10.0, 0.1, 0.1]), "control_cost": jnp.array([1.0])}
    hold, level = regulator(machine, model, up, weights, periodic=[0, 1])
    on_the_way = jnp.array([0.5, 0.5, 0.01, 0.01]), jnp.array([0.05]), 3 * hold.cost_to_go
    planning = Replanning(
        without_dry_friction(model),  # a plan needs smooth forces
        hold,
        level,
        lambda y: [control.QuadraticCost(up * side, *on_the_way) for side in (1.0, -1.0)],
        dt=0.02,
        steps=125,
        every=2.4,
    )
    starts = np.array([[0.1, -0.1, 0.0, 0.0]])
    tolerance = jnp.array([0.3, 0.3, 1.5, 1.5])
    settled, hanging = (
        control.control_report(run, up, tolerance=tolerance, periodic=[0, 1]).settled
        for controller in (planning, hold)
        for run in drive(machine, model, controller, starts, 5.0)
    )
    assert bool(settled)
    assert not bool(hanging)


@pytest.mark.double
def test_runs_side_by_side_are_those_alone():
    """Of some starts the first is driven as if it were alone, and another start is driven otherwise."""
    machine, up = MACHINES["cart_pole"], jnp.array([0.0, jnp.pi, 0.0, 0.0])
    model = of_mujoco("cart_pole", widths=jnp.array([0.02, 0.05]))
    weights = {"state_cost": jnp.array([2.0, 10.0, 0.5, 0.5]), "control_cost": jnp.array([0.05])}
    hold, _ = regulator(machine, model, up, weights, periodic=[1])
    starts = np.array([[0.1, 3.0, 0.0, 0.0], [-0.1, 3.2, 0.0, 0.0], [0.0, 3.1, 0.5, 0.0]])
    together = drive(machine, model, hold, starts, 1.0)
    (alone,) = drive(machine, model, hold, starts[:1], 1.0)
    np.testing.assert_allclose(together[0].ys, alone.ys, atol=1e-8)
    assert np.abs(together[1].ys - alone.ys).max() > 0.1


@pytest.mark.double
def test_a_plan_that_does_not_arrive_is_not_followed():
    """From hanging, half a second is too short to swing up: the machine brakes. Close to upright the plan arrives."""
    machine, up = MACHINES["cart_pole"], jnp.array([0.0, jnp.pi, 0.0, 0.0])
    true, brake = of_mujoco("cart_pole", jnp.array([0.02, 0.05])), jnp.array([[0.0, 0.0, 3.0, 0.0]])
    model = without_dry_friction(true)
    weights = {"state_cost": jnp.array([2.0, 10.0, 0.5, 0.5]), "control_cost": jnp.array([0.05])}
    hold, _ = regulator(machine, true, up, weights, periodic=[1])
    ys = jnp.array([[0.0, 0.1, 0.5, 0.3], [0.0, 3.0, 0.0, 0.0]])
    level = 0.5 * float(hold.value(ys[1]))
    costs = lambda y: [control.QuadraticCost(up, *weights.values(), 10 * hold.cost_to_go)]  # noqa: E731
    sizes = {"dt": machine.sample, "steps": 25, "every": 1.0, "iterations": 20}
    plans = Replanning(model, hold, level, costs, brake=brake, **sizes).renewed(jnp.asarray(0.21), ys, None)
    hanging, near = (jax.tree.map(lambda x, i=i: x[i], plans) for i in (0, 1))
    np.testing.assert_allclose(hanging(0.3, ys[0]), -brake @ ys[0])
    np.testing.assert_allclose([hanging.ts[0] + 1.0, near.ts[0]], [0.21 + 0.5, 0.21])
    assert hold.value(near.ys[-1]) < level
    followed = Replanning(model, hold, level, costs, **sizes).renewed(jnp.asarray(0.21), ys, None)
    np.testing.assert_allclose(followed.ts[:, 0], 0.21)

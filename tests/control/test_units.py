"""No controller depends on units: of coordinates, time, energy and control, nor on when the clock began."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian import control
from neural_lagrangian.control import ClosedLoop, ControlLimits, QuadraticCost
from neural_lagrangian.integrators import RK4
from neural_lagrangian.mechanics import Cholesky, ControlForce

from ..helpers import DOUBLE, DTYPE
from ..units import check, every, unregistered

UPRIGHT = np.array([0.0, np.pi, 0.0, 0.0])
TS = np.arange(0, 1.0, 0.0625).astype(DTYPE)
Q, R = np.array([1.0, 10.0, 0.5, 2.0]), np.array([0.3])


def cart_pole(t, q, v):
    return nl.systems.CartPole(1.0, 0.5, 0.8, 9.81).lagrangian(t, q, v)


def arms(t, q, v):
    return nl.systems.DoublePendulum((1.0, 0.6), (0.4, 0.3)).lagrangian(t, q, v)


def machine(u, L=cart_pole, controls=1):
    """With a motor at the first coordinate, or at each; their signals have the units of the forces."""
    matrix = np.eye(2)[:, :controls] * u.force_unit[:, None] / u.force_unit[None, :controls]
    options = {"stepsize_controller": nl.StepsPerSample(1), "mass_solve": Cholesky(), "dof": 2}
    return nl.NeuralLagrangian.from_lagrangian(
        u.lagrangian(L), RK4(), force=ControlForce(jnp.asarray(matrix, DTYPE)), **options
    )


def at(u, y):
    return jnp.asarray(u.state(np.asarray(y)), DTYPE)


def costs(u, state=Q, controls=R, time=1.0):
    """Over the squares of units, and of a time."""
    of_control = u.force_unit[: len(controls)]
    return state / u.of_state(np.zeros(4)) ** 2 / time, controls / of_control**2 / time


def regulator(u, **options):
    state_cost, control_cost = costs(u, time=1.0 if "dt" in options else u.tau)
    options |= {"state_cost": state_cost, "control_cost": control_cost}
    return control.lqr(machine(u), at(u, UPRIGHT), **options)


def regulated(u, dt=None):
    found = regulator(u) if dt is None else regulator(u, dt=dt * u.tau)
    scale = u.of_state(np.zeros(4))
    eigenvalues = np.sort_complex(found.eigenvalues * (u.tau if dt is None else 1))
    return {
        "gain": np.asarray(found.gain) * scale / u.force_unit[:1, None],
        "cost to go": np.asarray(found.cost_to_go) * np.outer(scale, scale),
        "real": eigenvalues.real,
        "imaginary": eigenvalues.imag,
    }


def held(u):
    """An arm that two motors hold against its weight."""
    state_cost, control_cost = costs(u, controls=np.ones(2), time=u.tau)
    y = at(u, [0.3, -0.4, 0.0, 0.0])
    found = control.lqr(machine(u, arms, 2), y, state_cost=state_cost, control_cost=control_cost)
    scale = u.of_state(np.zeros(4))
    return {"u": found.u / u.force_unit, "gain": np.asarray(found.gain) * scale / u.force_unit[:, None]}


def linearized(u):
    found = eqx.filter_jit(control.linearize)(
        machine(u), at(u, [0.1, 0.5, 0.2, -0.3]), jnp.asarray(u.force_unit[:1], DTYPE)
    )
    step = found.zero_order_hold(0.1 * u.tau)
    scale = u.of_state(np.zeros(4))
    of_A, of_B = scale / scale[:, None], u.force_unit[:1] / scale[:, None]
    return {
        "A": np.asarray(found.A) * of_A * u.tau,
        "B": np.asarray(found.B) * of_B * u.tau,
        "drift": found.drift / scale * u.tau,
        "A of a step": np.asarray(step.A) * of_A,
        "B of a step": np.asarray(step.B) * of_B,
    }


def attracted(u):
    limits = [10 * float(sign * u.force_unit[0]) for sign in (-1, 1)]
    free, limited = regulator(u), regulator(u, limits=ControlLimits(*limits))
    options = {"key": jax.random.key(0), "directions": 32}
    return {"levels": np.array([control.attraction_level(machine(u), one, **options) for one in (free, limited)])}


def quadratic(u):
    state_cost, control_cost = (jnp.asarray(x, DTYPE) for x in costs(u, time=u.tau))
    return QuadraticCost(at(u, UPRIGHT), state_cost, control_cost, 10 * u.tau * state_cost)


def swung(u):
    """The machine under its regulator, and the report."""
    run = control.closed_loop(machine(u), regulator(u), u.times(TS), at(u, UPRIGHT + np.array([0.2, 0.1, 0.0, 0.3])))
    limits = ControlLimits(-2 * float(u.force_unit[0]), 2 * float(u.force_unit[0]))
    tolerance = at(u, [0.2, 0.1, 0.5, 0.2])
    report = control.control_report(run, at(u, UPRIGHT), tolerance=tolerance, limits=limits, cost=quadratic(u))
    return {
        "ys": u.natural(run.ys),
        "us": np.asarray(run.us) / u.force_unit[:1],
        "final error": u.natural(report.final_error),
        "peak": report.peak_control / u.force_unit[:1],
        "effort": report.effort / (u.force_unit[0] ** 2 * u.tau),
        "saturated": report.saturated,
        "cost": report.cost,
        "total": control.total_cost(quadratic(u), run),
    }


def settled(u):
    """When a motion that is given has settled."""
    fading = u.state(UPRIGHT[None] + np.exp(-3 * TS)[:, None])
    run = ClosedLoop(jnp.asarray(u.times(TS)), jnp.asarray(fading, DTYPE), jnp.ones((len(TS), 1), DTYPE))
    report = control.control_report(run, at(u, UPRIGHT), tolerance=at(u, [0.2, 0.2, 0.3, 0.3]))
    return {"at": report.settled_at / u.tau - u.clock}


def planned(u, L=cart_pole, controls=1, bound=np.inf, **options):
    state_cost, control_cost = (jnp.asarray(x, DTYPE) for x in costs(u, controls=R.repeat(controls), time=u.tau))
    cost = QuadraticCost(at(u, [0.5, 0.3, 0.0, 0.0]), state_cost, control_cost, 10 * u.tau * state_cost)
    limits = jnp.asarray(bound * u.force_unit[:controls], DTYPE)
    y0 = at(u, [0.0, 0.0, 0.0, 0.1])
    plan = control.optimize_trajectory(
        machine(u, L, controls), cost, u.times(TS), y0, limits=ControlLimits(-limits, limits), **options
    )
    scale = u.of_state(np.zeros(4))
    return {
        "cost": plan.cost,
        "us": np.asarray(plan.us) / u.force_unit[:controls],
        "ys": u.natural(plan.ys),
        "gains": np.asarray(plan.gains) * scale / u.force_unit[:controls, None],
        "converged": bool(plan.converged),
    }


def on_a_track(u):
    track = float(0.4 * u.s[0])
    return planned(u, constraint=lambda t, y: y[:1] / track - 1.0)


def swinging(u):
    """The control of energy shaping, and how far a state is from those of a recording."""
    of_energy_gain = u.s[0] ** 2 / (u.tau**3 * u.alpha**2)
    gains = [jnp.asarray(gain, DTYPE) for gain in (of_energy_gain, 3 / u.tau**2, 2 / u.tau)]
    shaping = control.EnergyShaping(machine(u), at(u, UPRIGHT), 0, *gains)
    ys = u.state(np.random.default_rng(0).normal(size=(30, 4)))
    region = control.TrainedRegion.of(nl.Trajectories(u.times(np.arange(30.0)), ys.astype(DTYPE)))
    y = at(u, [0.3, 1.0, -0.2, 0.5])
    return {"u": shaping(0.0, y) / u.force_unit[:1], "distance": region.distance(y)}


CASES = {
    "linearize": linearized,
    "lqr": regulated,
    "lqr, sampled": lambda u: regulated(u, dt=0.1),
    "lqr, two motors": held,
    "attraction_level": attracted,
    "closed_loop, control_report, total_cost": swung,
    "control_report, settled": settled,
    "optimize_trajectory": planned,
    "optimize_trajectory, limits": lambda u: planned(u, bound=0.8),
    "optimize_trajectory, two motors": lambda u: planned(u, arms, 2),
    "optimize_trajectory, constraint": on_a_track,
    "EnergyShaping, TrainedRegion": swinging,
}
LONG = ["optimize_trajectory, limits", "optimize_trajectory, constraint"]


def test_every_function_is_in_the_registry():
    assert unregistered(control, CASES, {}) == set()


@pytest.mark.parametrize(("case", "change"), every(CASES, long=LONG))
def test_the_answer_is_the_same(case, change):
    check(CASES[case], change, rtol=1e-5 if DOUBLE else 2e-3)

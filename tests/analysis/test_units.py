"""No answer of the analysis depends on units, nor on when the clock began."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian import analysis
from neural_lagrangian.integrators import RK4

from ..helpers import DTYPE
from ..units import Units, check, every, friction, unregistered

TS = jnp.arange(0.0, 6.0, 0.125, dtype=DTYPE)
Y0S = jnp.asarray(np.random.default_rng(0).normal(size=(3, 4)), DTYPE)


def pendulums(t, q, v):
    """Two pendulums, one on the other."""
    return v[0] ** 2 + 0.5 * v[1] ** 2 + v[0] * v[1] * jnp.cos(q[0] - q[1]) + 2 * jnp.cos(q[0]) + jnp.cos(q[1])


def model(u, force=None):
    force = None if force is None else u.force(force)
    steps = nl.StepsPerSample(4)
    return nl.NeuralLagrangian.from_lagrangian(u.lagrangian(pendulums), RK4(), force=force, stepsize_controller=steps)


def motions(u):
    """Of the model and of another one with friction."""
    times, y0s = u.times(TS), u.state(Y0S)
    return times, *(analysis.rollouts(model(u, force), times, y0s) for force in (None, friction))


def of_angles(u):
    """Coordinates in radians, as these errors are defined; any unit of time."""
    u = Units(np.ones_like(u.s), u.tau, u.alpha, u.clock)
    times, true, other = motions(u)
    at, window = [float(times[20]), float(times[40])], float(times[9] - times[0])
    return {
        "rmse": analysis.angle_rmse(other, true, times, at, window=window),
        "valid": analysis.valid_time(other, true, times, tolerance=0.2) / u.tau,
    }


def relative(u):
    """Positions and velocities have one norm by definition: in any one unit of length."""
    u = Units(np.full_like(u.s, u.s[0]), 1.0, u.alpha, u.clock)
    times, true, other = motions(u)
    return {"error": analysis.relative_rollout_error(other, true, times)}


def of_energy(u):
    times, true, other = motions(u)

    def energy(t, q, v):
        return nl.energy(u.lagrangian(pendulums), t, q, v)

    given = (energy, other, times, jnp.asarray(2.0 * u.alpha, DTYPE))
    return {
        "along": analysis.along(energy, true, times) / u.alpha,
        "error": analysis.energy_error(*given),
        "by": analysis.energy_error(*given, at=[float(times[20])]),
        "drift": analysis.energy_drift(*given) * u.tau,
    }


def phases(u):
    """Of oscillations, one of which lags."""
    t = np.asarray(TS)
    true, other = (np.stack([np.sin(x), np.sin(2 * x), 3 * np.cos(x), np.cos(x)], axis=1) for x in (4 * t, 4 * t - 0.2))
    true, other = (jnp.asarray(u.state(ys)[None], DTYPE) for ys in (true, other))
    means = analysis.mean_phase_shift(other, true, u.times(TS))
    return {"phase": analysis.phase_shift(other, true), "mean": means}


def section(u):
    times, true, _ = motions(u)
    level = float(0.1 * u.s[1] / u.tau)
    at, states = analysis.poincare_section(times, true[1], coordinate=3, level=level, rising=False)
    return {"count": len(at), "times": at / u.tau - u.clock, "states": u.natural(states)}


def bands(u):
    _, true, other = motions(u)
    members, truth = jnp.stack([true, other, 1.5 * other]), 0.9 * true
    band = analysis.ensemble_band(members)
    return {
        "centre": u.natural(band.centre),
        "half width": u.natural(band.half_width),
        "factor": analysis.calibrated_factor(members, truth, 0.8),
        "coverage": analysis.coverage(band, truth),
    }


def of_rollouts(u):
    times, true, _ = motions(u)
    recording = nl.Trajectories(np.asarray(times), np.asarray(true))
    found = analysis.errors(model(u, friction), recording)
    summary = analysis.summarize(found.by_run[:, 0] / u.s[0])
    return {"values": found.values[:, 1:] / u.s, "rms": found.rms / u.s, "median": summary.median}


def disturbed(u):
    """By a vector with a length in units of each component."""
    times, y0s = u.times(TS), u.state(Y0S)
    size = jnp.asarray(0.1 * u.of_state(np.zeros(4)), DTYPE)
    found = analysis.perturbation_floor(model(u), times, y0s, jax.random.key(0), size=size)
    return {"start": u.natural(found[:, 0] - y0s), "ys": u.natural(found)}


def lyapunov(u):
    found = analysis.lyapunov_exponent(model(u), u.times(TS), u.state(Y0S[0]), jax.random.key(0))
    return {"running": found.running * u.tau, "time": found.time / u.tau}


CASES = {
    "rollouts": lambda u: {"ys": u.natural(motions(u)[2])},
    "angle_rmse, valid_time": of_angles,
    "relative_rollout_error": relative,
    "along, energy_error, energy_drift": of_energy,
    "phase_shift, mean_phase_shift": phases,
    "poincare_section": section,
    "ensemble_band, calibrated_factor, coverage": bands,
    "errors, summarize": of_rollouts,
    "perturbation_floor": disturbed,
    "lyapunov_exponent": lyapunov,
}
FIGURE = "draws a figure: numbers are shown as they are given"
EXEMPT = {
    "wrap_angle": "angles are in radians by definition",
    "power_law": "fits logarithms of costs: units are constants, and the exponent has none",
    "animate": FIGURE,
} | {name: FIGURE for name in analysis.__all__ if name.startswith("plot_")}


def test_every_function_is_in_the_registry():
    assert unregistered(analysis, CASES, EXEMPT) == set()


@pytest.mark.parametrize(("case", "change"), every(CASES))
def test_the_answer_is_the_same(case, change):
    check(CASES[case], change)

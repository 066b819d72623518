"""Errors against predictions that know nothing, and when a model is worth more than these."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.identification.budget import Budget
from neural_lagrangian.identification.candidates.contest import Contest
from neural_lagrangian.identification.chaos import lyapunov_time
from neural_lagrangian.identification.formulas.candidate_terms import MAX_TERMS, library_for
from neural_lagrangian.identification.formulas.search import TIME_IS_UP, Attempt
from neural_lagrangian.identification.judging import Errors, better_than_baselines, rollout_errors
from neural_lagrangian.identification.recordings.columns import Columns
from neural_lagrangian.identification.recordings.measure import Measure
from neural_lagrangian.identification.recordings.region import Region
from neural_lagrangian.identification.recordings.starts import starts_of
from neural_lagrangian.identification.reports.outcome import Outcome
from neural_lagrangian.identification.reports.verdict import verdict, verdict_on
from neural_lagrangian.systems import CoupledPendulums, DoublePendulum
from neural_lagrangian.training import Progress
from neural_lagrangian.trajectories import Trajectories

from ..helpers import DTYPE
from .recordings import FREQUENCY, oscillations

STEADY = Columns("t", ("theta",), ("omega",), None, {}, ("theta",))


def steady(ts, y0):
    return jnp.stack([y0[0] + y0[1] * (ts - ts[0]), jnp.broadcast_to(y0[1], ts.shape)], axis=1)


def oscillating(ts, y0):
    q, v = y0
    angle = FREQUENCY * (ts - ts[0])
    c, s = jnp.cos(angle), jnp.sin(angle)
    return jnp.stack([q * c + v / FREQUENCY * s, v * c - FREQUENCY * q * s], axis=1)


PROGRESS = Progress(1, 9, 2, 0.1, 0, np.nan, 1.0, lambda: None)
UNIT = Measure(np.ones(1), 2 * np.pi / FREQUENCY)


def motion(ys):
    ts = np.linspace(0.0, 4.0, 81).astype(DTYPE)
    return Trajectories(ts, ys(ts).astype(DTYPE))


def going_round(ts):
    return np.stack([2 * ts, np.full_like(ts, 2)], axis=1)[None]


def test_constant_velocity_is_exact_on_steady_motion_and_turns_do_not_count():
    def a_turn_ahead(ts, y0):
        return steady(ts, y0) + jnp.asarray([[2 * np.pi, 0]], y0.dtype)

    starts = starts_of(motion(going_round), 2)
    errors, rollouts = rollout_errors({"ahead": a_turn_ahead}, starts, STEADY, UNIT)
    assert errors.by_name["constant velocity"].max() < 1e-5
    assert errors.by_name["ahead"].max() < 1e-5
    assert errors.by_name["at rest"].max() > 1
    assert rollouts["ahead"].shape == starts.ys.shape


def test_a_model_must_be_better_than_every_baseline():
    starts = starts_of(motion(lambda ts: oscillations(ts, (0.0, 1.0))), 1)
    models = {"right": oscillating, "steady": steady, "lost": lambda ts, y0: oscillating(ts, y0) / 0}
    errors, _ = rollout_errors(models, starts, STEADY, UNIT)
    assert better_than_baselines(errors, "right")
    assert not better_than_baselines(errors, "steady")
    assert not better_than_baselines(errors, "lost")
    assert errors.failures("lost") == len(starts.ys)
    assert errors.failures("right") == 0


def test_one_better_baseline_is_enough_to_refuse_a_model():
    def errors(at_rest):
        sizes = {"model": 1.0, "constant velocity": 2.0, "at rest": at_rest}
        return Errors(np.arange(3.0), {name: np.full((4, 3, 1), size) for name, size in sizes.items()}, UNIT)

    assert better_than_baselines(errors(1.5), "model")
    assert not better_than_baselines(errors(0.5), "model")
    assert not better_than_baselines(errors(1.0 + 1e-6), "model")  # as well as knowing nothing


def test_the_table_has_a_row_for_each_coordinate_and_time():
    starts = starts_of(motion(lambda ts: oscillations(ts, (0.0, 1.0))), 1)
    errors, _ = rollout_errors({"network": oscillating}, starts, STEADY, UNIT)
    header, *rows, valid = errors.table(STEADY)
    assert header == ["RMS error", "network", "constant velocity", "at rest"]
    assert [row[0] for row in rows] == [
        "theta [rad], first 0.5 s (0.24 periods)",
        "theta [rad], first 1.05 s (0.5 periods)",
        "theta [rad], first 2.1 s (1 periods)",
        "theta [rad], first 2.65 s (1.3 periods)",
    ]
    assert all(float(row[1]) < 1e-4 < float(row[2]) for row in rows)
    assert valid[1] == ">= 2.65 s"


@pytest.mark.parametrize(
    ("coordinates", "angles", "terms"),
    [
        (("x",), (), {"x^4", "x^2 x_dot^2"}),
        (("theta",), ("theta",), {"cos(2*theta)", "cos(theta) theta_dot^2"}),
        (("r", "theta"), ("theta",), {"r^2 theta_dot^2", "cos(theta) r"}),
        (("a", "b", "c", "d", "e"), (), {"a b", "a_dot b_dot"}),
        (("x [m]",), (), {"q^2", "v^2"}),
    ],
)
def test_the_library_follows_from_the_coordinates(coordinates, angles, terms):
    library = library_for(Columns("t", coordinates, (), None, {}, angles))
    assert terms <= set(library.names)
    assert len(library) <= MAX_TERMS


def test_horizons_follow_the_motion_not_the_recording():
    """The same motion told in another unit of time has errors at the same periods; a chaotic one at its own time."""
    starts = starts_of(motion(lambda ts: oscillations(ts, (0.0, 1.0))), 1)
    errors, _ = rollout_errors({"network": oscillating}, starts, STEADY, UNIT)
    slow = errors._replace(times=60 * errors.times, measure=UNIT._replace(period=60 * UNIT.period))
    assert slow.reported() == errors.reported()
    chaotic = errors._replace(measure=UNIT._replace(lyapunov_time=0.7))
    assert 0.7 in np.round(errors.times[chaotic.reported()], 6)
    assert 0.7 not in np.round(errors.times[errors.reported()], 6)


def test_the_period_of_an_oscillation_is_found():
    ts = np.linspace(0.0, 4 * np.pi / FREQUENCY, 400, endpoint=False)
    data = Trajectories(ts, oscillations(ts))
    found = Measure.of(data, Columns("t", ("x",), ("v",), None, {}, ()))
    assert found.period == pytest.approx(2 * np.pi / FREQUENCY, rel=1e-6)
    assert found.spreads[0] == pytest.approx(np.sqrt(0.5))


def test_a_prediction_is_valid_until_its_error_exceeds_a_tenth_of_the_spread():
    """An error that grows by 0.1 spreads in a second."""
    starts = starts_of(motion(lambda ts: oscillations(ts, (0.0, 1.0))), 1)

    def drifting(ts, y0):
        return oscillating(ts, y0) + 0.2 * (ts - ts[0])[:, None]

    measure = UNIT._replace(spreads=np.array([2.0]))
    errors, _ = rollout_errors({"drifting": drifting, "exact": oscillating}, starts, STEADY, measure)
    assert errors.valid_time("drifting") == pytest.approx(1.0, abs=0.051)
    assert errors.valid_time("exact") == errors.times[-1]
    assert "for 1 s" in verdict_on(errors, "drifting", "held-out motion") or "for 1.05 s" in verdict_on(
        errors, "drifting", "held-out motion"
    )


def test_lack_of_steps_is_not_called_a_fault_of_the_model():
    starts = starts_of(motion(lambda ts: oscillations(ts, (0.0, 1.0))), 1)
    errors, _ = rollout_errors({"lost": lambda ts, y0: oscillating(ts, y0) / 0}, starts, STEADY, UNIT)
    assert "ran out of integration steps" in verdict_on(
        errors, "lost", "this recording", "4 need more (max_steps_reached)"
    )
    assert "ran out of integration steps" not in verdict_on(
        errors, "lost", "this recording", "4 become NaN (not finite)"
    )
    assert "do not use it" in verdict_on(errors, "lost", "this recording")


def test_states_outside_of_what_was_trained_on_are_told():
    columns = Columns("t", ("x",), ("v",), None, {}, ())
    region = Region.of(motion(oscillations), columns)
    inside = 0.9 * oscillations(np.linspace(0.0, 2.0, 50))[0]
    assert region.outside(inside, ("x", "v")) == ""
    assert "100% of the recording lies outside" in region.outside(inside + np.array([5.0, 0.0]), ("x", "v"))
    assert "x from" in region.outside(inside + np.array([5.0, 0.0]), ("x", "v"))
    angle = Region.of(motion(oscillations), STEADY)  # turns do not count
    assert angle.outside(inside + np.array([5.0, 0.0]), ("theta", "omega")) == ""


@pytest.mark.double
def test_a_lyapunov_time_is_found_of_chaos_alone():
    ts = np.linspace(0.0, 2.0, 41)
    wild, calm = DoublePendulum(), CoupledPendulums()
    for system, y0, chaotic in ((wild, [2.5, 2.0, 0.0, 0.0], True), (calm, [0.1, 0.0, 0.0, 0.0], False)):
        starts = starts_of(nl.simulate(system, ts, np.array([y0])), 1)
        measure = Measure(np.ones(2), 2.0)
        assert np.isfinite(lyapunov_time(system, starts, measure)) == chaotic
        if chaotic:  # as the growth of an infinitesimal disturbance says
            exact = nl.analysis.lyapunov_exponent(system, jnp.arange(0.0, 100.0, 2.0), jnp.array(y0), jax.random.key(0))
            assert lyapunov_time(system, starts, measure) * float(exact.exponent) == pytest.approx(1, rel=0.3)
    steady = starts_of(motion(going_round), 1)
    assert lyapunov_time(oscillating, steady, UNIT) == np.inf  # one degree of freedom is never chaotic


def test_training_ends_after_minutes_not_seconds():
    """Each part of a fit has its share, in the order in which they come. The rest is for what follows."""
    now = [100.0]
    budget = Budget(10.0, clock=lambda: now[0])
    asked = (
        budget.ends_families,
        partial(budget.ends_training, PROGRESS),
        budget.ends_search,
        budget.ends_refinement,
    )

    def at(seconds):
        now[0] = 100.0 + seconds
        return [over() for over in asked]

    assert at(11.0) == [False, False, False, False]
    assert at(241.0) == [True, False, False, False]
    assert at(361.0) == [True, True, False, False]
    assert at(409.0) == [True, True, True, False]
    assert at(479.0) == [True, True, True, False]
    assert at(481.0) == [True, True, True, True]
    assert not Budget(None, clock=lambda: np.inf).is_spent()


@pytest.mark.parametrize("seconds", [6.0, 30.0, 60.0, 90.0, 120.0])
def test_a_short_limit_keeps_time_for_the_finish(seconds):
    """Programs for the report take as long to compile whatever the limit."""
    now = [0.0]
    budget = Budget(seconds / 60, clock=lambda: now[0])
    kept = min(20.0, seconds / 3) if seconds < 100 else 0.2 * seconds
    now[0] = seconds - kept - 1e-3
    assert not budget.ends_refinement()
    now[0] = seconds - kept + 1e-3
    assert budget.ends_refinement()


def test_the_time_limit_is_named_only_if_it_ended_the_search():
    """Training that was cut short does not matter to a search that ended by itself."""

    starts = starts_of(motion(going_round), 1)
    errors, _ = rollout_errors({"network": steady}, starts, STEADY, UNIT)
    nothing = dict.fromkeys(Outcome._fields) | {"rollouts": {}, "cut_short": ("The time limit ended training.",)}
    nothing |= {"contest": Contest((), ()), "trained": None}

    def verdict_of(*faults):
        attempts = [Attempt("somewhere", None, fault) for fault in faults]
        return verdict(Outcome(**nothing)._replace(attempts=attempts, errors=errors, starts=starts))

    assert verdict_of("few data", "no kinetic energy") == ["The data do not determine a formula."]
    assert verdict_of("few data", TIME_IS_UP) == ["No formula was found within the time limit."]

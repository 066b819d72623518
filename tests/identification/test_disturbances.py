"""Rests are left out, and so are spans that do not follow the law of the rest, such as a push."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import neural_lagrangian as nl
from neural_lagrangian.identification.budget import Budget
from neural_lagrangian.identification.candidates import Contest, Trial, known_candidates, said_of, undisturbed
from neural_lagrangian.identification.evidence.undecided import undecided
from neural_lagrangian.identification.fitting import calm as without_pushes
from neural_lagrangian.identification.inspection import inspected
from neural_lagrangian.identification.preparation import prepared
from neural_lagrangian.identification.recordings import Declared
from neural_lagrangian.identification.recordings.rests import sixth_of_a_period, still, without_rests
from neural_lagrangian.identification.wanted import Wanted

G, PERIOD = 12.0, 1.8
NOISE = 0.005
PUSHED = (16.0, 16.3)
PLAN = {"structure": "mechanical", "friction": False, "steps": 10}
DECLARED = Declared(velocities=[], angles=["a"])

pytestmark = pytest.mark.double


def swing(ts, start=1.2, *, linear=0.06, dry=0.0, push=lambda t: 0.0):
    """Angles of a pendulum with friction that starts from rest."""

    def rates(t, y):
        return [y[1], -G * np.sin(y[0]) - linear * y[1] - dry * np.tanh(y[1] / 0.1) + push(t)]

    return solve_ivp(rates, (ts[0], ts[-1]), [start, 0.0], t_eval=ts, rtol=1e-9, atol=1e-11, max_step=0.05).y[0]


def recorded(ts, angles, seed=0, noise=NOISE):
    """Trajectories whose velocities are not used, of one motion or of several."""
    rng = np.random.default_rng(seed)
    runs = [q + noise * rng.normal(size=q.shape) for q in np.atleast_2d(angles)]
    return nl.Trajectories(ts, np.stack([np.stack([q, 0 * q], axis=1) for q in runs]), names=["a"])


def held(rate, noise, *, before=4.0, after=4.0):
    """Held at the start for some time, released, and stopped by hand at the end. Also when it moves."""
    ts = np.arange(0.0, before + 20.0 + after, 1 / rate)
    angles = np.full(len(ts), 1.2)
    moves = (ts >= before) & (ts < before + 20.0)
    angles[moves] = swing(ts[moves] - ts[moves][0])
    angles[ts >= before + 20.0] = angles[moves][-1]
    return recorded(ts, angles, noise=noise), (before, before + 20.0)


@pytest.mark.parametrize(("rate", "noise"), [(8.0, 0.01), (33.0, 0.05), (33.0, 0.0), (300.0, 0.05), (300.0, 1e-4)])
@pytest.mark.parametrize("unit", [1.0, 1e-3])
def test_what_is_held_is_left_out(rate, noise, unit):
    motion, (begin, end) = held(rate, noise)
    motion = nl.Trajectories(unit * motion.ts, motion.ys)
    moving, rests = without_rests(motion, (0,), 7)
    assert len(moving) == 1
    apart = unit * (0.4 * PERIOD + 4 / rate)
    np.testing.assert_allclose(moving.ts[0, [0, -1]], [unit * begin, unit * end], atol=apart)
    assert (moving.ts[0, 0], moving.ts[0, -1]) == (
        pytest.approx(rests[0].end, abs=apart),
        pytest.approx(rests[1].begin, abs=apart),
    )


@pytest.mark.parametrize("rate", [8.0, 33.0, 300.0])
@pytest.mark.parametrize("noise", [0.0, 0.005, 0.05])
@pytest.mark.parametrize("start", [1.2, 3.0])
def test_motion_is_no_rest(rate, noise, start):
    """Not at turning points, and not near the upper equilibrium."""
    motion = recorded(np.arange(0, 30, 1 / rate), swing(np.arange(0, 30, 1 / rate), start), noise=noise)
    moving, rests = without_rests(motion, (0,), 7)
    assert rests == []
    assert moving is motion
    assert not still(motion.ts[0], motion.ys[0, :, :1], np.zeros(1), 3 * sixth_of_a_period(motion, (0,))).any()


@pytest.mark.parametrize("noise", [0.0, 0.1, 0.5])
@pytest.mark.parametrize("rate", [10.0, 300.0])
def test_the_period_is_that_of_the_motion(rate, noise):
    """Of an oscillation, an angle that turns, and both."""
    ts, rng = np.arange(0, 30, 1 / rate), np.random.default_rng(0)
    turning, slow = 2 * np.pi * ts / PERIOD, np.sin(2 * np.pi * ts / PERIOD / 3)
    qs = np.stack([turning, slow], axis=1) + noise * rng.normal(size=(len(ts), 2))
    for i, periodic, sixth in [([0], (0,), PERIOD / 6), ([1], (), PERIOD / 2), ([0, 1], (0,), PERIOD / 6)]:
        motion = nl.Trajectories(ts, np.concatenate([qs[:, i], 0 * qs[:, i]], axis=1))
        assert sixth_of_a_period(motion, periodic) == pytest.approx(sixth, rel=0.3, abs=1.1 / rate)


def test_what_is_read_has_no_rests():
    motion, _ = held(50.0, NOISE)
    found = nl.identification.inspect(motion, angles=["a"], velocities=[])
    assert len(found.trajectories.ts[0]) < 0.8 * len(motion.ts[0])
    assert any("at rest in 2 places, " in str(remark) and "left out" in str(remark) for remark in found.remarks)
    driven = nl.Trajectories(
        motion.ts, motion.ys, controls=np.ones((1, len(motion.ts[0]), 1)) * np.sin(motion.ts)[..., None]
    )
    assert not without_rests(driven, (0,), 7)[1]
    resting = recorded(np.arange(0, 30, 0.02), np.zeros(1500))
    assert without_rests(resting, (0,), 7)[0] is resting


def known_of(motion):
    inspection = inspected(motion, DECLARED)
    return inspection, known_candidates(prepared(inspection, **PLAN))


@pytest.fixture(scope="module")
def pushed():
    """A pendulum that is pushed twice."""
    ts = np.arange(0, 40, 0.02)
    push = {PUSHED: 6.0, (29.0, 29.2): -8.0}
    angles = swing(ts, push=lambda t: sum(size for (begin, end), size in push.items() if begin < t < end))
    return recorded(ts, angles)


def test_a_push_is_left_out(pushed, tmp_path):
    """The law of the rest is found, as without it."""
    told = []
    found = nl.identification.identify(pushed, angles=["a"], velocities=[], tell=lambda *pair: told.append(pair))
    (said,) = [text for topic, text in told if topic == "disturbed"]
    assert said.startswith("from 1")
    assert said.count(" to ") == 2
    assert "left out" in said
    assert found.candidates.winner.leaves_noise
    (gravity,) = [one for one in found.candidates.winner.found.constants if one.name == "g_1"]
    assert abs(gravity.value - G) < 4 * gravity.error < 0.05
    found.report(tmp_path / "report.html")
    assert said in (tmp_path / "report.html").read_text()


def test_spans_without_disturbance_stay(pushed):
    """Of the pushed motion, only that beside the pushes is left out; of a motion without a push, nothing is."""
    inspection, known = known_of(pushed)
    calm = undisturbed(inspection, known)
    assert any(begin <= PUSHED[0] and PUSHED[1] <= end for begin, end in calm.spans)
    window = known.trial.plan.span * 0.02
    assert all(end - begin < window for begin, end in calm.spans)
    assert said_of(calm.spans, several=True).startswith(f"in {len(calm.spans)} places: ")
    ts = np.arange(0, 40, 0.02)
    assert undisturbed(*known_of(recorded(ts, swing(ts)))) is None


def test_a_wrong_law_is_no_disturbance():
    """A drive at all times is in none of the families, so nothing is left out, although a push shows beside it."""

    def push(t):
        return 0.3 * np.sin(1.7 * t) + (6.0 if PUSHED[0] < t < PUSHED[1] else 0.0)

    ts = np.arange(0, 40, 0.02)
    inspection, known = known_of(recorded(ts, swing(ts, push=push)))
    assert undisturbed(inspection, known) is not None
    task = prepared(inspection, **PLAN)
    wanted = Wanted("mechanical", False, None, None, 0, False, None, False, None, (), None)
    assert without_pushes(inspection, task, known, wanted, Budget(None), PLAN) is None


def test_friction_that_is_not_shown_is_undecided():
    """Short swings of nearly the same size do not tell dry friction from linear friction; a long decay does."""

    def undecided_of(motion):
        task = prepared(inspected(motion, DECLARED), **PLAN)
        contest = Contest.of(known_candidates(task).fitted.candidates, [])
        return str(contest.winner.variant), undecided(contest.winner, contest, Trial.of(task))

    friction, short = {"linear": 0.02, "dry": 0.15}, np.arange(0, 3, 0.03)
    swings = [swing(short, start, **friction) for start in 1.7 + 0.1 * np.arange(8)]
    said, (one,) = undecided_of(recorded(short, swings, noise=0.03))
    assert said == "linear friction"
    assert (one.kind, one.name, one.is_likely) == ("dry", "dry friction at joint 1", True)
    assert abs(one.value - 0.15) < 2 * one.error
    assert one.most > 0.15
    decay = np.arange(0, 24, 0.03)
    said, others = undecided_of(recorded(decay, swing(decay, 2.4, **friction), noise=0.02))
    assert "dry friction" in said
    assert others == []

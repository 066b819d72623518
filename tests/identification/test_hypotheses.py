"""The systems that fit tell whether coordinates without a unit are angles, and in which unit."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import neural_lagrangian as nl
from neural_lagrangian.identification.budget import Budget
from neural_lagrangian.identification.candidates import known_candidates
from neural_lagrangian.identification.fitting import fitted
from neural_lagrangian.identification.hypotheses import Fit, hypotheses_of, most_likely
from neural_lagrangian.identification.inspection import inspected
from neural_lagrangian.identification.recordings import Angles, Columns, Declared, possible_angles
from neural_lagrangian.identification.wanted import Wanted

from ..helpers import slow

TS = np.arange(0.0, 20.0, 0.03)
NOISE = 0.01
PLAN = {"structure": "mechanical", "friction": False, "steps": 10}

pytestmark = pytest.mark.double


def moved(force, start=(2.0, 0.0)):
    """Position and velocity of one degree of freedom with linear friction, and noise."""
    found = solve_ivp(lambda t, y: [y[1], force(y[0]) - 0.1 * y[1]], (0, 20), start, t_eval=TS, rtol=1e-9, atol=1e-9)
    return found.y + NOISE * np.random.default_rng(0).normal(size=found.y.shape)


SWING, SPRING = moved(lambda q: -16 * np.sin(q)), moved(lambda q: -16 * q)
WHIRL = moved(lambda q: -16 * np.sin(q), start=(0.0, 20.0))
DEGREES = 180 / np.pi


def written(path, names, *columns):
    np.savetxt(path, np.stack([TS, *columns], axis=1), delimiter=",", header=f"t,{names}", comments="")
    return path


def found(source, **options):
    """The most likely angles, what is said, and how many hypotheses were fitted."""
    tried = []

    def counted():
        for one in hypotheses_of(source, Declared(**options), PLAN):
            tried.append(one)
            yield one

    decision = most_likely(counted(), (), lambda: False)
    assert len(decision.others) == len(tried) - 1
    return decision.best, decision.said, len(tried)


@pytest.mark.parametrize(
    ("heading", "columns", "expected", "tried"),
    [
        ("theta", [SWING[0]], Angles(("theta",)), 1),
        ("theta", [DEGREES * SWING[0]], Angles(("theta",), unit="deg"), 1),
        ("theta,omega", [DEGREES * SWING[0], DEGREES * SWING[1]], Angles(("theta",), unit="deg"), 1),
        ("theta,omega", [DEGREES * SWING[0], SWING[1]], Angles(("theta",), unit="deg"), 1),
        ("theta", [WHIRL[0] % (2 * np.pi)], Angles(("theta",)), 1),
        ("q", [(DEGREES * WHIRL[0]) % 360], Angles(("q",), unit="deg"), 1),
        ("q", [SWING[0]], Angles(("q",), is_usual=False), 2),
        ("q", [DEGREES * SWING[0]], Angles(("q",), unit="deg", is_usual=False), 3),
        ("x", [SPRING[0]], Angles(()), 2),
        ("theta", [SPRING[0]], Angles((), is_usual=False), 2),
        ("x", [1000 * SPRING[0]], Angles(()), 3),
        ("counts", [np.round(2000 / (2 * np.pi) * SWING[0])], Angles(("counts",), "0.18 deg", is_usual=False), 5),
        slow("x", [np.round(2400 / (2 * np.pi) * SWING[0]) + 900], Angles(("x",), "0.15 deg", is_usual=False), 5),
    ],
)
def test_the_motion_tells_angles_from_lengths(tmp_path, heading, columns, expected, tried):
    """A pendulum or a spring, in radians, degrees, metres or millimetres; the name decides nothing by itself."""
    fit, said, count = found(written(tmp_path / "a.csv", heading, *columns), dof=1)
    assert fit.hypothesis.angles == expected
    assert count == tried
    assert fit.best.leaves_noise
    assert ("chain" in fit.best.name) == bool(expected.names)
    (stiffness,) = [one.value for one in fit.known.explains.found.constants if one.name in ("g_1", "k_11")]
    np.testing.assert_allclose(stiffness, 16.0, rtol=0.01)
    name = heading.split(",")[0]
    assert str(said).startswith(f"no unit is given for {name}; assumed: {expected} (angles={list(expected.names)}")


@pytest.mark.parametrize(
    ("heading", "options"),
    [
        ("theta", {"angles": []}),
        ("theta", {"units": {"theta": "cm"}}),
        ("theta [m]", {}),
        ("x [m],theta [rad]", {}),
        ("theta [rad]", {}),
        ("q", {"angles": ["q"]}),
        ("q", {"units": {"q": "deg"}}),
    ],
)
def test_what_is_declared_is_not_tested(tmp_path, heading, options):
    """Nothing is said, and the recording is read in one way."""
    columns = [SWING[0], SPRING[0]][: heading.count(",") + 1]
    path = written(tmp_path / "a.csv", heading, *columns)
    declared = Declared(dof=len(columns), **options)
    assert inspected(path, declared).open == ()
    hypotheses = list(hypotheses_of(path, declared, PLAN))
    assert len(hypotheses) == 1
    assert hypotheses[0].open == hypotheses[0].angles.names == ()


def test_a_small_swing_does_not_tell(tmp_path):
    """Both fit: it is said."""
    small = moved(lambda q: -16 * np.sin(q), start=(0.06, 0.0))
    fit, said, _ = found(written(tmp_path / "a.csv", "x", small[0]), dof=1)
    assert fit.hypothesis.angles == Angles(())
    assert str(said).endswith("; as good: x is an angle in radians")


def test_trajectories_in_memory_are_in_radians():
    motion = nl.Trajectories(TS, (DEGREES * SWING).T, names=["theta"])
    columns = inspected(motion, Declared()).columns
    assert possible_angles(motion, columns, ["theta"], in_si=True) == [Angles(("theta",)), Angles((), is_usual=False)]


def test_names_come_first_and_jumps_decide():
    """Of two coordinates each may be an angle; of three, all, none, or those that are named or jump."""
    rng = np.random.default_rng(0)
    ts, quiet = np.arange(300.0), np.cumsum(rng.normal(size=(300, 3)) * 0.01, axis=0)

    def orders(names, qs):
        dof = len(names)
        columns = Columns("t", tuple(names), (), None, {}, ())
        ys = np.concatenate([qs[:, :dof], 0 * qs[:, :dof]], axis=1)
        return [
            (one.names, one.unit == "deg")
            for one in possible_angles(nl.Trajectories(ts, ys), columns, names, in_si=False)
        ]

    assert orders(("x", "phi"), quiet) == [(("phi",), False), ((), False), (("x", "phi"), False), (("x",), False)]
    assert orders(("a", "b", "c"), quiet) == [((), False), (("a", "b", "c"), False)]
    assert orders(("a", "roll", "c"), quiet)[0] == (("roll",), False)
    wide = 100 * quiet
    assert orders(("x", "phi"), wide)[:2] == [(("phi",), True), (("phi",), False)]
    jumping = np.stack([quiet[:, 0], 5 * ts % 360, quiet[:, 2]], axis=1)
    assert orders(("a", "b"), jumping) == [(("b",), True), (("a", "b"), True)]


def test_the_noise_is_that_of_the_best_estimate():
    """A coordinate that turns has a wrong natural time as a length, and then motion may be taken for smoothed noise."""
    ts, rng = np.arange(0.0, 30.0, 0.02), np.random.default_rng(0)

    def slope(t, y):  # no known system
        return [y[1], -9 * np.sin(y[0]) - 6 * np.sin(3 * y[0] + 1) - 0.02 * y[1] + 8 * np.cos(1.3 * t)]

    q = solve_ivp(slope, (0, 30), (0.0, 9.0), t_eval=ts, rtol=1e-9, atol=1e-9).y[0] + 0.005 * rng.normal(size=len(ts))
    assert np.ptp(q) > 20
    motion = nl.Trajectories(ts, np.stack([q, 0 * q], axis=1), names=["phi"])
    fits = [
        Fit(one, known_candidates(one.task, (), lambda: False))
        for one in hypotheses_of(motion, Declared(velocities=[]), PLAN)
    ]
    turning, plain = fits
    assert turning.hypothesis.angles.names == ("phi",)
    np.testing.assert_allclose(turning.level, 0.005, rtol=0.1)
    assert turning.rest(0.5) == pytest.approx(turning.best.rest * turning.level / 0.5)
    assert plain.level > 10 * turning.level
    decision = most_likely((fit.hypothesis for fit in fits), (), lambda: False)
    assert decision.best.hypothesis.angles.names == ("phi",)


def test_a_push_does_not_decide():
    """It makes all systems err. Without it, those of angles leave nothing but noise."""

    def slope(t, y):
        return [y[1], -16 * np.sin(y[0]) - 0.1 * y[1] + 8 * (17 < t < 17.4)]

    ts = np.arange(0.0, 40.0, 0.02)
    q = solve_ivp(slope, (0, 40), (2.0, 0.0), t_eval=ts, rtol=1e-9, atol=1e-9, max_step=0.05).y[0]
    q += NOISE * np.random.default_rng(0).normal(size=len(ts))
    motion = nl.Trajectories(ts, np.stack([q, 0 * q], axis=1), names=["q"])
    said = []
    wanted = Wanted("mechanical", False, None, None, 0, False, None, False, None, (), lambda *told: said.append(told))
    task, known = fitted(hypotheses_of(motion, Declared(velocities=[]), PLAN), wanted, Budget(None), PLAN)
    assert task.columns.angles == ("q",)
    assert "chain" in known.explains.name
    assert [topic for topic, _ in said] == ["disturbed", "note"]
    assert "q is an angle in radians" in str(said[1][1])

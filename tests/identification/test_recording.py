"""Which columns are what, and what becomes of them."""

from dataclasses import replace

import numpy as np
import pytest

from neural_lagrangian.identification import inspect
from neural_lagrangian.identification.recordings.columns import Columns
from neural_lagrangian.identification.recordings.declared import Declared, columns_of
from neural_lagrangian.identification.recordings.local_polynomials import CANDIDATE_WINDOWS, window_by_cross_validation
from neural_lagrangian.identification.recordings.pieces import cut, dealt
from neural_lagrangian.identification.recordings.recording import read_recording
from neural_lagrangian.identification.recordings.suspicious import suspicious
from neural_lagrangian.trajectories import Trajectories, differentiate, write_trajectories

from .recordings import FREQUENCY, oscillations, write, write_rows

POSITIONS = Columns("t", ("x",), (), None, {}, ())


@pytest.mark.parametrize(
    ("header", "declared", "expected"),
    [
        ("t,x,y,u,w", {"dof": 2}, ("t", ("x", "y"), ("u", "w"))),
        ("t,x,y,note", {"dof": 2}, ("t", ("x", "y"), ())),
        ("run,t,x,u", {"dof": 1, "trajectory": "run"}, ("t", ("x",), ("u",))),
        ("t,x,u,note", {"dof": 1, "velocities": []}, ("t", ("x",), ())),
        ("x,u,t", {"dof": 1, "time": "t"}, ("t", ("x",), ("u",))),
        ("t,u,x,y,w", {"coordinates": ["x", "y"]}, ("t", ("x", "y"), ())),
        ("t,u,x", {"dof": 1, "velocities": ["u"]}, ("t", ("x",), ("u",))),
    ],
)
def test_columns_are_found_by_name_or_by_order(header, declared, expected, tmp_path):
    path = write_rows(tmp_path / "a.csv", header, [range(len(header.split(",")))])
    found = columns_of(path, Declared(**declared))
    assert (found.time, found.coordinates, found.velocities) == expected


def test_columns_survive_json(tmp_path):
    import json

    columns = Columns("t", ("a", "b"), (), "run", {"a": "deg", "t": "ms"}, ("a",))
    assert Columns.of(json.loads(json.dumps(columns.settings))) == columns
    assert columns.rates == ("a_dot", "b_dot")
    np.testing.assert_allclose(columns.state_factors, [np.pi / 180, 1, np.pi / 180, 1])
    assert columns.time_factor == 1e-3


def test_velocities_that_were_not_recorded_are_found(tmp_path):
    """By windows of which none would be much better: within a third of the best that there is."""
    for noise in (1e-4, 1e-2):
        path = write(tmp_path / "a.csv", count=600, velocities=False, noise=noise)
        recording = read_recording(path, POSITIONS)
        ts, truth = 0.02 * np.arange(600), oscillations(0.02 * np.arange(600))[0]
        observed = recording.observed.ys[0, :, :1]

        def error(window, ts=ts, truth=truth, observed=observed):
            return np.sqrt(np.mean((differentiate(ts, observed, window=window).ys[0, :, 1] - truth[:, 1]) ** 2))

        errors = {window: error(window) for window in CANDIDATE_WINDOWS}
        assert errors[recording.window] < 4 / 3 * min(errors.values())
        assert errors[recording.window] < 10 * noise * FREQUENCY


@pytest.mark.parametrize("rate", [100.0, 1000.0, 8000.0])
@pytest.mark.parametrize("turns", [False, True])
def test_velocities_of_an_encoder_are_those_of_the_motion(tmp_path, rate, turns):
    """Of 500 steps, also if it shows each of them several times. More samples make velocities better, not worse."""
    ts = np.arange(0, 10, 1 / rate)
    angle, speed = 1.2 * np.sin(3 * ts) + 4 * ts * turns, 3.6 * np.cos(3 * ts) + 4 * turns
    step = np.ptp(angle) / 500
    path = write_rows(tmp_path / "a.csv", "t,x", np.column_stack([ts, step * np.round(angle / step)]))
    found = read_recording(path, POSITIONS).trajectories
    np.testing.assert_array_less(np.abs(found.ys[0, :, 1] - speed).std(), 0.05 * speed.std())


def test_cross_validation_takes_the_narrowest_window_where_there_is_no_noise():
    ts = np.linspace(0, 10, 400)
    assert window_by_cross_validation([ts], [np.sin(5 * ts)[:, None]]) == min(CANDIDATE_WINDOWS)


def test_angles_are_made_continuous_before_velocities_are_found(tmp_path):
    ts = 0.01 * np.arange(400)
    wrapped = (4 * ts + np.pi) % (2 * np.pi) - np.pi
    path = write_rows(tmp_path / "a.csv", "t,theta", np.column_stack([ts, np.rad2deg(wrapped)]))
    columns = Columns("t", ("theta",), (), None, {"theta": "deg"}, ("theta",))
    motion = read_recording(path, columns).trajectories
    np.testing.assert_allclose(motion.ys[0, :, 1], 4, atol=1e-6)


def test_pieces_share_no_sample_and_each_begins_at_zero():
    ts = np.cumsum(np.random.default_rng(0).uniform(0.1, 1, 203)) + 1e9
    trajectories = Trajectories(ts, np.stack([np.arange(203.0), np.ones(203)], axis=1))
    pieces = cut("a.csv", trajectories, 9)
    assert len(pieces) == 10
    np.testing.assert_array_equal(pieces.ts[:, 0], 0)
    np.testing.assert_array_equal(np.concatenate([y for _, y in pieces])[:, 0], np.arange(203))
    parts = dealt(pieces)
    assert [len(part) for part in parts] == [7, 1, 2]
    rows = np.concatenate([y for part in parts for _, y in part])[:, 0]
    np.testing.assert_array_equal(np.sort(rows), np.arange(203))


@pytest.mark.parametrize("runs", [1, 3])
def test_no_piece_crosses_a_gap(runs):
    """Samples are numbered: a piece leaves none out, and the short run between two gaps is no piece."""
    kept = np.r_[0:80, 90:96, 110:300]
    ys = np.stack([kept, np.ones(len(kept))], axis=1)
    pieces = cut("a.csv", Trajectories([0.1 * kept] * runs, [ys] * runs), 9)
    np.testing.assert_allclose([d for t, _ in pieces for d in np.diff(t)], 0.1)
    assert all((np.diff(y[:, 0]) == 1).all() for _, y in pieces)
    rows = np.concatenate([y for _, y in pieces])[:, 0]
    np.testing.assert_array_equal(rows, np.tile(np.r_[0:80, 110:300], runs))


def test_many_trajectories_stay_whole():
    ys = np.zeros((12, 30, 2))
    pieces = cut("a.csv", Trajectories(np.arange(30.0), ys), 9)
    assert pieces.lengths.tolist() == [30] * 12
    assert [len(part) for part in dealt(pieces)] == [9, 1, 2]


class TestSuspicious:
    ts = 0.02 * np.arange(500)

    def found(self, q, ts=None, columns=POSITIONS):
        ts = self.ts if ts is None else ts
        found = suspicious(Trajectories(ts, np.stack([q, np.zeros_like(q)], axis=1)), columns)
        return list(map(str, found))

    def test_nothing_in_sound_motion(self):
        noise = 0.01 * np.random.default_rng(0).normal(size=500)
        assert self.found(np.cos(3 * self.ts)) == []
        assert self.found(np.cos(3 * self.ts) + noise) == []

    def test_a_spike_is_found_where_it_is(self):
        q = np.cos(3 * self.ts) + 0.001 * np.random.default_rng(0).normal(size=500)
        q[123] += 0.5
        assert self.found(q) == [f"x: samples far from their neighbours: 1 in all, the first at {self.ts[123]:.6g} s"]

    def test_a_gap(self):
        ts = self.ts + np.where(np.arange(500) > 200, 1.0, 0.0)
        (line,) = self.found(np.cos(0.01 * ts), ts)
        assert line == "t: 1 gap, the first of 1.02 s after 4 s; no window crosses it"

    @pytest.mark.parametrize(("turn", "units"), [(2 * np.pi, ""), (360.0, ", units={'x': 'deg'}")])
    def test_a_turn_that_is_lost(self, turn, units):
        line = self.found(turn / 3 * self.ts % turn)[0]
        assert line == f"x: jumps by a turn; declare it an angle (angles=['x']{units}): 3 in all, the first at 2.98 s"

    def test_a_sensor_that_hangs(self):
        q = np.cos(3 * self.ts)
        q[300:315] = q[300]
        assert any("the same value 10 times in a row" in line for line in self.found(q))

    def test_a_name_that_reads_like_an_angle(self):
        small = np.stack([np.cos(3 * self.ts), -3 * np.sin(3 * self.ts)], axis=1)
        motion = Trajectories(self.ts, small, names=["theta_1"])
        (remark,) = inspect(motion).remarks
        assert str(remark) == "theta_1: has the name of an angle, but is not declared as one (angles=['theta_1'])"
        (remark,) = inspect(replace(motion, ys=90 * motion.ys)).remarks
        assert str(remark).endswith("(angles=['theta_1'], units={'theta_1': 'deg'})")
        for angles in (["theta_1"], []):
            assert inspect(motion, angles=angles).remarks == ()


def test_parameters_that_differ_between_runs_are_not_ignored(tmp_path):
    """In memory they are used. In a file a column may be one: that is said. One value for all changes nothing."""
    ts = 0.02 * np.arange(300)
    runs = Trajectories(ts, oscillations(ts, (0.0, 1.0)), parameters={"length": [0.4, 0.9]}, names=["x"])
    assert inspect(runs).columns.parameters == ("length",)
    alike = Trajectories(ts, runs.ys, parameters={"length": [0.4, 0.4]}, names=["x"])
    assert inspect(alike).refusals == inspect(alike).columns.parameters == ()
    for motion, expected in ((runs, 1), (alike, 0)):
        path = tmp_path / "runs.csv"
        write_trajectories(path, motion, velocities=["v"], trajectory="run")
        said = [str(line) for line in inspect(path, coordinates=["x"], velocities=["v"], trajectory="run").remarks]
        assert sum("length: constant in each trajectory, and from 0.4 to 0.9" in line for line in said) == expected
        assert len(said) == expected

"""Numbers that a sensor writes when it has lost what it sees are missing samples, not motion."""

import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.identification import inspect
from neural_lagrangian.identification.hypotheses import hypotheses_of
from neural_lagrangian.identification.recordings import Angles, Declared
from neural_lagrangian.identification.recordings.lost_samples import far_from_others

TS = np.arange(0.0, 20.0, 0.02)
SWING, RATE = 1.2 * np.cos(3 * TS), -3.6 * np.sin(3 * TS)
LOST = {
    "a burst": (slice(300, 310), -999.0),
    "two bursts": (np.r_[40:45, 700:720], -1e4),
    "a spike": (500, 1e6),
    "the end": (slice(990, None), 32767.0),
}
"""Rows and what is written there."""


def written(path, names, *columns):
    np.savetxt(path, np.stack([TS, *columns], axis=1), delimiter=",", header=f"t,{names}", comments="")
    return path


@pytest.mark.parametrize("lost", LOST)
@pytest.mark.parametrize("velocities", [False, True])
def test_lost_samples_are_missing(tmp_path, lost, velocities):
    """The rest of the recording is read as without them, and the angles are not taken for degrees."""
    at, number = LOST[lost]
    angle = SWING.copy()
    angle[at] = number
    columns, kept = [angle, RATE][: 1 + velocities], np.delete(np.arange(len(TS)), at)
    path = written(tmp_path / "a.csv", ",".join(["theta", "omega"][: len(columns)]), *columns)
    found = inspect(path)
    assert list(found.columns.velocities) == ["omega"] * velocities
    ts, ys = next(iter(found.recording.recorded))
    np.testing.assert_allclose(ts, TS[kept])
    np.testing.assert_allclose(ys[:, 0], SWING[kept])
    first = f"theta: samples far from all others, left out as missing ones: {len(TS) - len(kept)} in all, the first at"
    assert str(found.remarks[0]).startswith(first)
    plan = {"structure": "mechanical", "friction": False, "steps": 10}
    assert next(hypotheses_of(path, Declared(), plan)).angles == Angles(("theta",))


def test_points_in_a_video_may_be_lost(tmp_path):
    x, y = 300 + 200 * np.sin(SWING), 100 + 200 * np.cos(SWING)
    x[300:310] = y[300:310] = -99999
    found = inspect(written(tmp_path / "a.csv", "x,y", x, y))
    assert found.columns.tracked == {"theta": ("x", "y")}
    np.testing.assert_allclose(
        next(iter(found.recording.recorded))[1][:, 0], np.delete(SWING, np.r_[300:310]), atol=1e-9
    )
    assert [str(one).split(":")[0] for one in found.remarks if "far from all" in str(one)] == ["x", "y"]


def test_in_memory_too():
    ys = np.stack([SWING, RATE], axis=1)
    ys[100:105] = 1e9
    found = inspect(nl.Trajectories(TS, ys, names=["theta"]), angles=["theta"])
    assert found.recording.recorded.lengths.tolist() == [len(TS) - 5]
    assert sum("far from all others" in str(one) for one in found.remarks) == 2


MOTIONS = {
    "a swing": SWING,
    "an escape": np.exp(np.linspace(-8, 6, 500)),
    "a decay": 100 * np.exp(-np.linspace(0, 20, 500)) * np.cos(np.linspace(0, 80, 500)),
    "a fall after a rest": np.concatenate([np.random.default_rng(0).normal(size=900) * 1e-3, np.arange(100) ** 2 / 10]),
    "a wrapped angle": (7 * TS) % (2 * np.pi),
    "an encoder": np.round(20 * SWING),
    "a constant": np.ones(50),
    "two places": np.repeat([0.0, 10.0], 50),
    "nothing": np.full(5, np.nan),
}


@pytest.mark.parametrize("motion", MOTIONS)
def test_a_motion_stays(motion):
    """However far it goes, it passes through the values between."""
    assert not far_from_others(MOTIONS[motion]).any()

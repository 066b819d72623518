import os
from pathlib import Path

import numpy as np
import pytest

from neural_lagrangian.datasets import kaheman_pendulum
from neural_lagrangian.trajectories import DataFileError

FOLDER = os.environ.get("NEURAL_LAGRANGIAN_DATA", "")
NAME = "kaheman/SinglePendulumDataForParameterEstimation.mat"
needs_recordings = pytest.mark.skipif(
    not (Path(FOLDER) / NAME).is_file() or not FOLDER,
    reason="the recordings are not here: NEURAL_LAGRANGIAN_DATA names no folder that holds them",
)


@needs_recordings
@pytest.mark.parametrize(("arms", "pieces", "seconds"), [("single", 6, 9.167), ("double", 30, 2.667)])
def test_recordings_are_as_their_authors_describe(arms, pieces, seconds):
    trajectories = kaheman_pendulum(arms)
    assert len(trajectories) == pieces
    assert trajectories.dof == {"single": 1, "double": 2}[arms]
    assert np.median(trajectories.lengths) * 1e-3 == pytest.approx(seconds, abs=2e-3)
    q, v = trajectories.ys[0, :, 0], trajectories.ys[0, :, trajectories.dof]
    rate = np.gradient(q, 1e-3)
    assert np.corrcoef(rate, v)[0, 1] > 0.99  # the second half of the state is the rate of the first
    assert abs(np.mean(trajectories.ys[-1, :, 0]) - np.pi) < 0.05  # hanging down is pi


@needs_recordings
def test_even_and_odd_pieces_are_the_whole():
    even, odd = (kaheman_pendulum("double", pieces) for pieces in ("even", "odd"))
    whole = kaheman_pendulum("double")
    for first, part in enumerate((even, odd)):
        for one, other in zip(part, whole.select(slice(first, None, 2)), strict=True):
            np.testing.assert_array_equal(one[0], other[0])
            np.testing.assert_array_equal(one[1], other[1])


@needs_recordings
@pytest.mark.bad_input
@pytest.mark.parametrize("damage", ["flipped", "truncated"])
def test_an_altered_file_is_refused(damage, tmp_path, monkeypatch):
    content = bytearray((Path(FOLDER) / NAME).read_bytes())
    if damage == "flipped":
        content[12345] ^= 1
    copy = tmp_path / NAME
    copy.parent.mkdir()
    copy.write_bytes(content if damage == "flipped" else content[:-1])
    monkeypatch.setenv("NEURAL_LAGRANGIAN_DATA", str(tmp_path))
    with pytest.raises(DataFileError, match="was changed or truncated: its SHA-256 is"):
        kaheman_pendulum("single")


@pytest.mark.bad_input
def test_an_absent_file_is_named(tmp_path, monkeypatch):
    def no_network(*_, **__):
        raise OSError("no network")

    monkeypatch.setattr("pooch.retrieve", no_network)
    monkeypatch.setenv("NEURAL_LAGRANGIAN_DATA", str(tmp_path))
    with pytest.raises(DataFileError, match=r"SinglePendulum.*not in .*no network"):
        kaheman_pendulum("single")


@pytest.mark.bad_input
@pytest.mark.parametrize(("arguments", "name"), [(("triple",), "arms"), (("single", "first"), "pieces")])
def test_unknown_options_are_named(arguments, name):
    with pytest.raises(ValueError, match=f"`{name}` is"):
        kaheman_pendulum(*arguments)

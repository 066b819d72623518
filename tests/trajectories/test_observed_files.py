"""Columns of files that are readings of sensors: units, empty cells, times of their own, and bad input."""

import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.trajectories import DataFileError

T = np.arange(30) * 0.1


def table(**changed):
    """An angle, an encoder in degrees that is empty in every third row, an image in pixels, and an accelerometer."""
    encoder = np.where(np.arange(30) % 3, np.degrees(np.sin(T)), np.nan)
    columns = {"t": T, "q": np.sin(T), "v": np.cos(T), "encoder (deg)": encoder, "u (px)": 5 * T, "w (px)": -5 * T}
    return columns | {"f (cm/s^2)": 100 * T, "length": np.full(30, 0.8)} | changed


CHANNELS = {"encoder": "encoder", "camera": ["u", "w"], "imu": "f"}


def read(columns=None, **options):
    options = {"positions": ["q"], "velocities": ["v"], "observations": CHANNELS} | options
    return nl.read_trajectories(table() if columns is None else columns, **options)


def test_channels_have_their_columns_units_and_missing_values():
    """Known units become SI; pixels stay."""
    motion = read(parameters=["length"])
    assert set(motion.observations) == set(CHANNELS)
    encoder = motion.observations["encoder"][0, :, 0]
    np.testing.assert_array_equal(np.isnan(encoder), np.arange(30) % 3 == 0)
    np.testing.assert_allclose(encoder[1::3], np.sin(T)[1::3], rtol=1e-12)
    np.testing.assert_allclose(motion.observations["camera"][0], np.stack([5 * T, -5 * T], axis=1))
    np.testing.assert_allclose(motion.observations["imu"][0, :, 0], T, rtol=1e-12)
    np.testing.assert_array_equal(motion.parameters["length"], [0.8])
    plain = read(observations=["encoder"], units={"encoder": "rad"})
    np.testing.assert_allclose(plain.observations["encoder"][0, 1::3, 0], np.degrees(np.sin(T))[1::3])


def test_a_sensor_may_have_times_of_its_own():
    """Rows without a state count if a sensor reads something; the state there is a guess between its neighbours."""
    q = np.where(np.arange(30) % 2, np.nan, np.sin(T))
    q[29] = np.sin(T[29])
    motion = read(table(q=q, v=np.where(np.isnan(q), np.nan, np.cos(T))))
    assert motion.ys.shape == (1, 30, 2)
    np.testing.assert_allclose(motion.ys[0, 3], (motion.ys[0, 2] + motion.ys[0, 4]) / 2)
    np.testing.assert_array_equal(motion.ys[0, ::2, 0], np.sin(T)[::2])
    without = read(table(q=q, v=np.cos(T)), observations=None)
    assert without.lengths.sum() == 16  # the other rows are missing samples


def test_angles_that_were_wrapped_are_continuous_before_they_are_interpolated():
    angle = 2 * T
    wrapped = (angle + np.pi) % (2 * np.pi) - np.pi
    q = np.where(np.arange(30) == 16, np.nan, wrapped)  # beside the jump
    motion = read(table(q=q), units={"q": "rad"})
    np.testing.assert_allclose(motion.ys[0, :, 0], angle, atol=1e-12)


def test_observations_alone_and_with_estimated_velocities():
    motion = read(positions=None, velocities=None, dof=2, observations=["encoder"])
    assert motion.ys.shape == (1, 20, 4)  # rows in which nothing is read are no samples
    assert not motion.ys.any()
    assert not np.isnan(motion.observations["encoder"]).any()
    estimated = read(velocities=None)
    assert estimated.observations["camera"].shape == (*estimated.ts.shape, 2)
    np.testing.assert_allclose(estimated.observations["imu"][..., 0], estimated.ts, atol=1e-12)


def test_each_trajectory_has_its_own_readings():
    runs = table(run=np.repeat(["a", "b"], 15), length=np.repeat([0.8, 1.2], 15))
    motion = read(runs, trajectory="run", parameters=["length"])
    assert len(motion) == 2
    np.testing.assert_allclose(motion.observations["imu"][..., 0], motion.ts, atol=1e-12)
    np.testing.assert_array_equal(motion.parameters["length"], [0.8, 1.2])


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("columns", "options", "error", "message"),
    [
        ({}, {"observations": ["radar"]}, DataFileError, "'radar'"),
        ({}, {"observations": {}}, ValueError, "`observations` is"),
        ({}, {"observations": "encoder"}, ValueError, "`observations` is"),
        ({}, {"observations": {"encoder": []}}, ValueError, "`observations` is"),
        ({}, {"observations": ["q"]}, ValueError, "column 'q' is named 2 times"),
        ({}, {"units": {"encoder": "furlong"}}, DataFileError, "not a known unit"),
        ({"encoder (deg)": np.full(30, np.nan)}, {}, DataFileError, "no number in any row; leave this channel out"),
        ({"f (cm/s^2)": np.where(T > 2, np.inf, T)}, {}, DataFileError, "infinite"),
        ({"q": np.full(30, np.nan)}, {}, DataFileError, "first guesses of the states"),
        ({}, {"positions": None, "velocities": None}, ValueError, "`positions` and `dof` are None"),
        ({}, {"positions": None, "velocities": None, "dof": 0}, ValueError, "`dof` is 0"),
        ({}, {"dof": 2}, ValueError, "`dof` is 2, and `positions` names 1"),
        ({}, {"observations": None, "positions": None, "velocities": None}, ValueError, "`positions` is None"),
        ({"length": T}, {"parameters": ["length"]}, DataFileError, "changes in trajectory 0"),
    ],
)
def test_bad_input_is_named(columns, options, error, message):
    with pytest.raises(error, match=message):
        read(table(**columns), **options)

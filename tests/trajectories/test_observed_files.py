"""Columns of files that are readings of sensors: units, empty cells, times of their own, and bad input."""

import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.trajectories import DataFileError, write_trajectories

from .recordings import SUFFIXES, need, same

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


def observed_runs():
    """Two runs of sensors with clocks of their own, missing values, a wide channel and a wide parameter."""
    rng, runs = np.random.default_rng(0), []
    for count in (40, 31):
        clocks = {"encoder": np.arange(count) * 0.1, "camera": np.sort(rng.uniform(0, 0.1 * count, 2 * count))}
        values = {"encoder": rng.normal(size=count) / 3, "camera": 1e-7 * rng.normal(size=(2 * count, 2))}
        values["encoder"][3::5] = np.nan
        runs.append(nl.observation.merge_channels({name: (ts, values[name]) for name, ts in clocks.items()}))
    ts, seen = zip(*runs, strict=True)
    ys = [rng.normal(size=(len(t), 2)) for t in ts]
    by_channel = {name: [values[name] for values in seen] for name in seen[0]}
    known = {"length": np.array([0.8, 1.2]) / 3, "place": rng.normal(size=(2, 3))}
    return nl.Trajectories(list(ts), ys, observations=by_channel, parameters=known, gap=np.inf, names=["q"])


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("named", [False, True])
def test_observations_and_parameters_make_the_round_trip(named, suffix, tmp_path):
    """Values, missing values, times of each sensor, wide channels: bit for bit, by default names and by given ones."""
    need(suffix)
    path, motion = tmp_path / f"seen{suffix}", observed_runs()
    states = {"positions": ["q"], "velocities": ["v"], "trajectory": "run"}
    names = {
        "observations": {"encoder": "encoder", "camera": ["camera_0", "camera_1"]},
        "parameters": {"length": "length", "place": ["place_0", "place_1", "place_2"]},
    }
    if named:
        names["observations"] = {"camera": ["u", "w"], "encoder": "e"}
        names["parameters"] = {"place": ["x", "y", "z"], "length": "l"}
    write_trajectories(path, motion, **states, **names if named else {})
    back = nl.read_trajectories(path, **states, **names, gap=np.inf)
    same(back, motion)
    for kind in ("observations", "parameters"):
        written, read = getattr(motion, kind), getattr(back, kind)
        assert set(read) == set(written)
        for name, values in written.items():
            real = motion.mask if kind == "observations" else np.ones(2, bool)
            np.testing.assert_array_equal(read[name][real], values[real])
    assert np.isnan(back.observations["encoder"][back.mask]).any()
    write_trajectories(path, motion, **states, observations=[], parameters=[])
    with pytest.raises(DataFileError, match="'encoder'"):  # what is left out is not in the file
        nl.read_trajectories(path, **states, observations=["encoder"])


def test_a_unit_of_a_channel_counts_in_both_directions(tmp_path):
    """In `units`, or in the name of the column: the file has degrees, the motion radians."""
    motion = nl.Trajectories(T, np.stack([T, T], axis=1), observations={"encoder": np.sin(T), "imu (cm/s^2)": T})
    path, states = tmp_path / "seen.csv", {"positions": ["q"], "velocities": ["v"]}
    for column, units in (("encoder", {"encoder": "deg"}), ("encoder [deg]", None)):
        channels = {"encoder": column, "imu (cm/s^2)": "imu (cm/s^2)"}
        write_trajectories(path, motion, **states, observations=channels, units=units)
        written = np.genfromtxt(path, delimiter=",", skip_header=1)
        np.testing.assert_allclose(written[:, 3:].T, [np.degrees(np.sin(T)), 100 * T], rtol=1e-12)
        back = nl.read_trajectories(path, **states, observations=channels, units=units)
        np.testing.assert_allclose(back.observations["encoder"][0, :, 0], np.sin(T), rtol=1e-12)
        np.testing.assert_allclose(back.observations["imu (cm/s^2)"][0, :, 0], T, rtol=1e-12)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"observations": ["radar"]},
            "`observations` names .radar.; expected some of .*camera.*, as the trajectories have",
        ),
        ({"observations": ["camera"]}, r"`observations\['camera'\]` names 1 columns; expected 2"),
        ({"observations": "encoder"}, "`observations` is 'encoder'; expected names of columns"),
        ({"parameters": ["mass"]}, "`parameters` names 'mass'"),
        ({"parameters": {"place": ["x", "y"]}}, r"`parameters\['place'\]` names 2 columns; expected 3"),
        ({"observations": {"encoder": "q"}}, "column 'q' is named 2 times"),
        ({"units": {"length": "m"}}, "expected none, since controls and parameters are not converted"),
    ],
)
def test_names_that_do_not_fit_what_is_written_are_refused(options, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        write_trajectories(tmp_path / "a.csv", observed_runs(), velocities=["v"], trajectory="run", **options)
    assert not list(tmp_path.iterdir())


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

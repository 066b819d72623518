"""Which columns are coordinates and velocities, if nobody says."""

import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.identification import inspect
from neural_lagrangian.identification.recordings.columns import Columns

T = np.arange(0.0, 20.0, 1 / 60)
SWING = 1.2 * np.exp(-0.02 * T) * np.cos(3 * T + 0.2 * np.sin(T))
OTHER = 0.3 * np.cos(2.2 * T) + 0.2 * np.sin(4 * T)
CIRCLE = 0.4 * np.sin(T), 0.4 * np.cos(T)
RNG, DEGREES = np.random.default_rng(0), 180 / np.pi


def noisy(x):
    return x + 0.01 * x.std() * np.random.default_rng(round(1e6 * abs(x[1]))).normal(size=x.shape)


def rate(x):
    return np.gradient(x, T)


THETA, OMEGA, ALPHA = noisy(SWING), noisy(rate(SWING)), noisy(rate(rate(SWING)))
X, V = noisy(OTHER), noisy(rate(OTHER))
MOVED = rate(0.45 * SWING.std() / OTHER.std() * OTHER)
EAST, NORTH = map(noisy, CIRCLE)


def written(path, header, *columns):
    np.savetxt(path, np.stack(columns, axis=1), delimiter=",", header=header, comments="", fmt="%.9f")
    return path


@pytest.mark.parametrize(
    ("header", "columns", "time", "coordinates", "velocities"),
    [
        ("t,theta", [T, THETA], "t", ["theta"], []),
        ("theta,t", [THETA, T], "t", ["theta"], []),
        ("angle [deg],stamp [s]", [THETA, T], "stamp", ["angle"], []),
        ("t,theta,omega", [T, THETA, OMEGA], "t", ["theta"], ["omega"]),
        ("t,omega,theta", [T, OMEGA, THETA], "t", ["theta"], ["omega"]),
        ("t [ms],theta,omega", [1000 * T, THETA, OMEGA], "t", ["theta"], ["omega"]),
        ("t,theta,omega", [T, THETA % (2 * np.pi), OMEGA], "t", ["theta"], ["omega"]),
        ("t,theta,omega", [T + 40 * (T > 8), THETA, OMEGA], "t", ["theta"], ["omega"]),
        ("t,theta,omega", [T, THETA, np.degrees(OMEGA)], "t", ["theta"], ["omega"]),
        ("t,theta,omega,alpha", [T, THETA, OMEGA, ALPHA], "t", ["theta"], ["omega"]),
        ("t,q,qd,qdd", [T, SWING, rate(SWING), rate(rate(SWING))], "t", ["q"], ["qd"]),
        ("t,x,vx,theta,omega", [T, X, V, THETA, OMEGA], "t", ["x", "theta"], ["vx", "omega"]),
        ("t,q1,q2,omega1,omega2", [T, X, THETA, V, OMEGA], "t", ["q1", "q2"], ["omega1", "omega2"]),
        ("t,q1,q2,omega1", [T, X, THETA, V], "t", ["q1", "q2"], []),
        ("frame,time,x,y", [np.arange(len(T)), T, EAST, NORTH], "time", ["x", "y"], []),
        ("time,theta_deg,theta_rad", [T, np.degrees(SWING), SWING], "time", ["theta_deg"], []),
        ("t,theta,length,marker", [T, THETA, 0 * T + 0.4, T > 10], "t", ["theta"], []),
        ("t,u,x,likelihood", [T, V, X, RNG.random(len(T))], "t", ["x"], ["u"]),
        (
            "Latest: Time (s),Latest: Position (m),Latest: Velocity (m/s)",
            [T, X, V],
            "Latest: Time",
            ["Latest: Position"],
            ["Latest: Velocity"],
        ),
        ("t,motorAngle,motorSpeed", [T, THETA, OMEGA], "t", ["motorAngle"], ["motorSpeed"]),
        (",t,theta", [np.arange(len(T)), T, THETA], "t", ["theta"], []),
        ("time_step,time,theta", [np.arange(len(T)), T, THETA], "time", ["theta"], []),
        ("T,t,theta", [20 + 0.001 * T + 1e-4 * SWING, T, THETA], "t", ["theta"], []),
        ("x_m,v_ms,t_s", [X, V, T], "t_s", ["x_m"], ["v_ms"]),
        ("millis(),theta", [1000 * T, THETA], "millis()", ["theta"], []),
        ("time,seconds_elapsed,roll", [T, T + 1e-3 * RNG.random(len(T)), THETA], "time", ["roll"], []),
        ("time,stamp.nsecs,theta,omega", [T, T % 1 * 1e9, THETA, OMEGA], "time", ["theta"], ["omega"]),
        ("t,theta_raw,theta_filt", [T, SWING + 0.02 * RNG.normal(size=len(T)), SWING], "t", ["theta_raw"], []),
        ("t,theta,KE,battery", [T, THETA, rate(SWING) ** 2, 5 - 0.01 * T + 0.1 * SWING], "t", ["theta"], []),
        ("t,angle,rpm", [T, THETA, OMEGA * 30 / np.pi], "t", ["angle"], ["rpm"]),
        ("time,xPos,yPos", [T, *CIRCLE[::-1]], "time", ["xPos", "yPos"], []),
        ("sample,time_ms,theta", [np.arange(len(T)), 1000 * T, THETA], "time_ms", ["theta"], []),
        ("millis,pos_mm,vel_mm_s", [1000 * T, 1000 * X, 1000 * V], "millis", ["pos_mm"], ["vel_mm_s"]),
        ("t,angleDeg,omega_deg", [T, np.degrees(THETA), np.degrees(OMEGA)], "t", ["angleDeg"], ["omega_deg"]),
        ("t,x,fixed", [T, X, RNG.normal(size=len(T))], "t", ["x"], []),
    ],
)
def test_names_units_and_values_tell(tmp_path, header, columns, time, coordinates, velocities):
    found = inspect(written(tmp_path / "a.csv", header, *columns), angles=[])
    names = found.columns
    assert (names.time, list(names.coordinates), list(names.velocities)) == (time, coordinates, velocities)
    said = {"time": time, "coordinates": coordinates} | ({"velocities": velocities} if velocities else {})
    assert found.found_roles[0].options == said
    assert inspect(found.path, angles=[], **said).found_roles == ()


@pytest.mark.parametrize(
    ("header", "factors", "units"),
    [
        ("time_ms,theta_deg,omega_deg_s", (1e3, DEGREES, DEGREES), ("ms", "deg", "deg/s")),
        ("millis,thetaDeg,omegaDps", (1e3, DEGREES, DEGREES), ("ms", "deg", "deg/s")),
        ("timestamp_us,theta_rad,omega_rad_per_s", (1e6, 1, 1), ("us", "rad", "rad/s")),
        ("time_0.1ms,theta_deg,omega_deg", (1e4, DEGREES, DEGREES), ("0.1 ms", "deg", "deg/s")),
        ("time_min,theta_rad,rpm", (1 / 60, 1, 30 / np.pi), ("min", "rad", "rpm")),
        ("Time_uS,x_mm,v_ms", (1e6, 1e3, 1), ("us", "mm", "m/s")),
        ("Time-ns,theta1_deg,omega1_deg", (1e9, DEGREES, DEGREES), ("ns", "deg", "deg/s")),
        ("t_s,x_mm,v_m_s", (1, 1e3, 1), (None, "mm", "m/s")),
        ("t,x_m,v_x", (1, 1, 1), (None, None, None)),
        ("t (ms),x_mm (cm),v_mm_s (m/s)", (1e3, 1e2, 1), ("ms", "cm", "m/s")),
    ],
)
def test_names_may_end_in_units(tmp_path, header, factors, units):
    """Units in brackets come first; a single letter may mean anything."""
    swing = np.stack([T, SWING, rate(SWING)])
    path = written(tmp_path / "a.csv", header, *(swing * np.reshape(factors, (3, 1))))
    names = [name.split(" (")[0] for name in header.split(",")]
    found = inspect(path, time=names[0], coordinates=names[1:2], velocities=names[2:])
    assert tuple(found.columns.units.get(name) for name in names) == units
    ts, ys = next(iter(found.recording.recorded))
    np.testing.assert_allclose(np.column_stack([ts, ys]), swing.T, atol=1e-6)


def test_an_end_of_a_name_that_is_no_unit_of_its_column_means_something_else(tmp_path):
    """A velocity is in no unit of time, and declared units override those in names."""
    path = written(tmp_path / "a.csv", "t,x_ms,v_cm", T, SWING, rate(SWING))
    assert inspect(path, coordinates=["x_ms"], velocities=["v_cm"]).columns.units == {"v_cm": "cm/s"}
    columns = inspect(path, coordinates=["x_ms"], velocities=["v_cm"], units={"v_cm": "m/s"}).columns
    assert columns.units == {"v_cm": "m/s"}


def test_what_counts_steps_of_a_sensor_may_be_an_angle(tmp_path):
    path = written(tmp_path / "a.csv", "t,counts", T, np.round(650 * SWING))
    found = inspect(path)
    (said,) = [one for one in found.remarks if "steps of a sensor" in str(one)]
    again = inspect(path, **said.options)
    assert again.columns.angles == ("counts",)
    assert not any("steps of a sensor" in str(one) for one in again.remarks)


def test_what_cannot_be_a_coordinate_is_not_shown_as_one(tmp_path):
    with pytest.raises(nl.identification.UsageError, match="all columns without a role look like velocities"):
        inspect(written(tmp_path / "a.csv", "t,Gyroscope x (rad/s)", T, OMEGA))


@pytest.mark.parametrize(("factor", "unit"), [(1e9, "ns"), (1 / 86400, "d")])
def test_times_that_are_hardly_in_seconds_are_named(tmp_path, factor, unit):
    path = written(tmp_path / "a.csv", "stamp,x", 1e5 * T, X)
    path.write_text("stamp,x\n" + "\n".join(f"{factor * t:.12g},{x}" for t, x in zip(T, X, strict=True)))
    said = inspect(path).remarks[0]
    assert "s apart; give the unit of time" in str(said)
    assert said.options == {"units": {"stamp": unit}}
    assert not any("unit of time" in str(one) for one in inspect(path, **said.options).remarks)


def test_a_date_that_is_not_read_is_no_reason_to_take_another_column(tmp_path):
    rows = (f"3/1/2026 2:00:{t:06.3f} PM,{i},{x}" for i, (t, x) in enumerate(zip(T, X, strict=True)))
    (tmp_path / "a.csv").write_text("\n".join(["Timestamp,Sample,x", *rows]))
    with pytest.raises(nl.trajectories.DataFileError, match="column 'Timestamp': '3/1/2026 2:00:00"):
        inspect(tmp_path / "a.csv")


def test_times_that_repeat_are_named(tmp_path):
    path = written(tmp_path / "a.csv", "t,theta", np.round(T), THETA)
    with pytest.raises(nl.trajectories.DataFileError, match="line 3, column 't': repeats"):
        nl.identification.identify(path)


@pytest.mark.parametrize("names", [["1", "2", "3"], ["first", "second", "third"]])
def test_runs_are_those_of_the_column_that_changes_where_time_begins_again(tmp_path, names):
    rows = [
        f"{name},{t},{q}"
        for name, part in zip(names, np.split(THETA, 3), strict=True)
        for t, q in zip(T[: len(part)], part, strict=True)
    ]
    text = "\n".join(["row,trial,t,theta", *(f"{i},{row}" for i, row in enumerate(rows))])
    (tmp_path / "a.csv").write_text(text)
    found = inspect(tmp_path / "a.csv")
    assert found.columns.trajectory == "trial"
    assert found.recording.recorded.lengths.tolist() == [400] * 3
    assert found.columns.coordinates == ("theta",)


@pytest.mark.parametrize(
    ("header", "columns", "why"),
    [
        (
            "t,theta,torque",
            [THETA, X],
            "'torque' looks like no coordinate: if it drives the motion, name it in `controls`",
        ),
        ("t,theta,F (N)", [THETA, X], "'F (N)' looks like no coordinate"),
        ("t,motorAngle,motorTorque", [THETA, X], "'motorTorque' looks like no coordinate"),
        ("t,field.position0,field.effort0", [THETA, X], "'field.effort0' looks like no coordinate"),
        ("t,theta_ref,theta", [X, THETA], "'theta_ref' looks like no coordinate"),
        ("t,theta,u0", [THETA, X], "'u0' looks like no coordinate"),
        ("t,theta,gyro", [THETA, X], "'gyro' looks like a velocity, but is the rate of change of no column"),
        ("t,theta [deg],wheel [deg/s]", [THETA, X], "'wheel' looks like a velocity"),
        ("t,theta,omega", [THETA, 2 * OMEGA], "'omega' looks like a velocity, but is the rate of change of no column"),
        (
            "t,theta,omega",
            [THETA, OMEGA + MOVED],
            "'omega' looks like a velocity, but is the rate of change of no column",
        ),
        ("t,theta,torque", [THETA, RNG.normal(size=len(T))], "'torque' looks like no coordinate"),
        ("t,theta,theta_desired", [THETA, X], "'theta_desired' looks like no coordinate"),
        ("time_A,theta_A,time_B,theta_B", [THETA, T, X], "'time_A' and 'time_B' are both times"),
        ("t,theta,t.1,theta.1", [THETA, T, X], "'t' and 't.1' are both times"),
        ("t,Run 1 Angle,Run 2 Angle", [THETA, X], "'Run 1 Angle' and 'Run 2 Angle' seem to be two runs"),
        ("t,east,north", [np.cos(T), np.sin(T)], "'east' is the rate of change of 'north', and the reverse"),
        ("t,marker,length", [T > 10, 0 * T + 1], "no column would be the coordinates"),
        (
            "t,Gyroscope x (rad/s),gyro_y",
            [OMEGA, V],
            "all columns without a role look like velocities or accel",
        ),
        (
            "Run 1: Time (s),Run 1: x,Run 2: Time (s),Run 2: x",
            [X, T, THETA],
            "'Run 1: Time' and 'Run 2: Time' are both times",
        ),
    ],
)
def test_what_is_not_clear_is_asked(tmp_path, header, columns, why):
    """Nothing that may drive or show the motion is left out in silence."""
    path = written(tmp_path / "a.csv", header, T, *columns)
    with pytest.raises(nl.identification.UsageError) as failed:
        nl.identification.identify(path)
    assert f"neither `dof` nor `coordinates` is given, and {why}" in str(failed.value)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("0,1", "has 1 samples; expected at least"),
        ("0,1\n1,inf\n2,3\n3,4\n4,4.5\n5,4\n6,3\n7,2", "is infinite"),
        ("0,\n1,\n2,", "columns of numbers beside the time 't' are none"),
        ("0,1\n1,2\n1,2\n0,1\n0,2", "line 4, column 't': repeats"),
    ],
)
def test_a_recording_without_motion_is_refused_in_words(tmp_path, rows, message):
    (tmp_path / "a.csv").write_text(f"t,x\n{rows}\n")
    with pytest.raises(nl.NeuralLagrangianError, match=message):
        nl.identification.identify(tmp_path / "a.csv")


def test_points_on_a_circle_are_an_angle(tmp_path):
    """A video of a pendulum: what would be asked with `dof` is done. A circular orbit stays two coordinates."""
    x, y = 300 + 200 * np.sin(SWING), 100 + 200 * np.cos(SWING)
    found = inspect(written(tmp_path / "a.csv", "t,x,y", T, noisy(x), noisy(y)))
    assert found.columns.coordinates == ("theta",)
    assert found.found_roles[0].options == {"time": "t", "tracked": {"theta": ["x", "y"]}}
    assert found.refusals == ()
    angle = found.recording.trajectories.ys[0, :, 0]
    np.testing.assert_allclose(angle, SWING, atol=0.03)
    path = written(tmp_path / "b.csv", "t,x,y", T, EAST, NORTH)
    assert inspect(path).columns.coordinates == ("x", "y")
    assert inspect(found.path, tracked={}, coordinates=["x", "y"]).columns.coordinates == ("x", "y")
    assert inspect(found.path, dof=2).refusals == inspect(found.path, dof=2).on_circles != ()


def test_points_of_bodies_in_a_video_are_named_after_them(tmp_path):
    """As DeepLabCut writes them: three lines of names, times in images, a fixed pivot that jitters."""
    x, y = 300 + 200 * np.sin(SWING), 100 + 200 * np.cos(SWING)
    jitter = RNG.normal(size=(2, len(T)))
    sure = 0.9 + 0.1 * RNG.random((2, len(T)))
    rows = np.stack([np.arange(len(T)), noisy(x), noisy(y), sure[0], 300 + jitter[0], 100 + jitter[1], sure[1]], axis=1)
    head = "scorer" + ",net" * 6 + "\nbodyparts" + ",bob" * 3 + ",pivot" * 3 + "\ncoords" + ",x,y,likelihood" * 2
    np.savetxt(tmp_path / "video.csv", rows, delimiter=",", header=head, comments="", fmt="%.4f")
    found = inspect(tmp_path / "video.csv", units={"coords": "1/60 s"})
    assert found.found_roles[0].options == {"time": "coords", "tracked": {"theta": ["bob_x", "bob_y"]}}
    np.testing.assert_allclose(found.recording.trajectories.ts[0], T, atol=1e-6)
    np.testing.assert_allclose(found.recording.trajectories.ys[0, :, 0], SWING, atol=0.03)


def test_an_inspection_shows_all_columns_that_are_not_clear(tmp_path):
    path = written(tmp_path / "a.csv", "t,theta,torque", T, THETA, X)
    assert inspect(path).columns.coordinates == ("theta", "torque")
    assert "'torque' looks like no coordinate" in str(inspect(path).found_roles[0])


def test_what_is_said_is_not_found(tmp_path):
    """Columns with a role are left out, and declared velocities are kept."""
    path = written(tmp_path / "a.csv", "t,theta,torque,omega", T, THETA, X, OMEGA)
    assert inspect(path, controls=["torque"]).columns.velocities == ("omega",)
    assert inspect(path, controls=["torque"], velocities=[]).columns.velocities == ()
    by_order = inspect(path, dof=1).columns
    assert (by_order.coordinates, by_order.velocities) == (("theta",), ("torque",))
    assert isinstance(by_order, Columns)

"""Columns that see the state through a sensor: gain, offset, delay and noise are found with the best model."""

import json

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.identification import UsageError, identify, inspect
from neural_lagrangian.identification.evidence import sensors_of
from neural_lagrangian.identification.inspection import inspected
from neural_lagrangian.identification.preparation import prepared
from neural_lagrangian.identification.recordings import Columns, Declared, channel_of, read_calibrated
from neural_lagrangian.observation import Observed, Sensor, Velocity
from neural_lagrangian.trajectories import DataFileError, Trajectories

from ..helpers import slow
from .recordings import write_rows

pytestmark = [pytest.mark.double, pytest.mark.usefixtures("optimized")]

TRUTH = {"gain": 1.07, "offset": 0.03, "delay": 0.021, "noise": 0.05}
OPTIONS = {"coordinates": ["theta"], "angles": ["theta"]}
GYRO = {"gyro": "velocity:theta"}
HEADER = "t,theta,gyro"


@pytest.fixture(scope="module")
def swing():
    """A pendulum, its motion, and what a late gyroscope without noise sees."""
    model = nl.NeuralLagrangian.from_lagrangian(nl.systems.Pendulum().lagrangian, dof=1)
    ts = np.arange(0.0, 16.0, 0.02)
    ys = model(ts, jnp.array([1.5, 0.0]))
    quantities = {name: TRUTH[name] for name in ("gain", "offset", "delay")}
    seen = Observed(model, {"gyro": Sensor(Velocity(), noise=1.0, **quantities)}).readings(ts, ys)
    return model, ts, np.asarray(ys), np.asarray(seen["gyro"])[:, 0]


def rows_of(swing, seed=0, gyro=None):
    """The angle with 10 mrad of noise, beside the gyroscope."""
    _, ts, ys, seen = swing
    rng = np.random.default_rng(seed)
    angle = ys[:, 0] + 0.01 * rng.normal(size=len(ts))
    noisy = seen + TRUTH["noise"] * rng.normal(size=len(ts))
    return np.stack([ts, angle, noisy if gyro is None else gyro(ts, ys, rng)], axis=1)


def found(swing, path, rows, header=HEADER, observations=GYRO):
    """The sensors of a recording, calibrated with the true model."""
    write_rows(path, header, rows)
    task = prepared(
        inspected(path, Declared(**OPTIONS, observations=observations)),
        structure="mechanical",
        friction=False,
        steps=10,
    )
    return sensors_of(swing[0], task)


@pytest.mark.parametrize("seeds", [range(1), slow(range(1, 9))], ids=["one recording", "eight recordings"])
def test_intervals_hold_gain_offset_delay_and_noise(swing, tmp_path, seeds):
    inside = 0
    for seed in seeds:
        sensors = found(swing, tmp_path / "swing.csv", rows_of(swing, seed))
        assert sensors.sentences == ()
        errors = {name: getattr(sensors.by_name["gyro"], name) for name in TRUTH}
        scores = [(one.value - TRUTH[name]) / one.error for name, one in errors.items()]
        assert np.abs(scores).max() < 3.0
        inside += int((np.abs(scores) < 1.96).sum())
        assert errors["gain"].error < 2e-3
        assert errors["delay"].error < 5e-4
    assert inside >= 0.81 * len(TRUTH) * len(seeds)


@pytest.fixture(scope="module")
def chain():
    """A double pendulum whose elbow and link are seen by sensors; the true model, times and states."""
    model = nl.NeuralLagrangian.from_lagrangian(nl.systems.DoublePendulum().lagrangian, dof=2)
    ts = np.arange(0.0, 6.0, 0.02)
    return model, ts, np.asarray(model(ts, jnp.array([0.9, -0.4, 0.0, 0.5])))


SEEN = {
    "acceleration:a": lambda y, a: a[:, 0],
    "cosine:a+b": lambda y, a: np.cos(y[:, 0] + y[:, 1]),
    "velocity:a + b": lambda y, a: y[:, 2] + y[:, 3],
    "sine:a": lambda y, a: np.sin(y[:, 0]),
    "position:b-a": lambda y, a: y[:, 1] - y[:, 0],
    "acceleration:a-b": lambda y, a: a[:, 0] - a[:, 1],
}
"""Declarations of channels of a double pendulum, and formulas of what they see, from states and accelerations."""


@pytest.mark.parametrize(
    "some", [slice(2, 3), slow(slice(2)), slow(slice(3, 6))], ids=["velocity of a sum", "two kinds", "three kinds"]
)
def test_each_kind_of_channel_is_calibrated(chain, tmp_path, some):
    """The late readings are computed by formulas, with accelerations from differences of the velocities."""
    model, ts, ys = chain
    late, h, rng = ts[2:] - TRUTH["delay"], 1e-4, np.random.default_rng(0)
    moments = np.sort(np.concatenate([late - h, late, late + h]))
    before, then, after = (
        np.asarray(model(np.concatenate([[0.0], moments]), ys[0]))[1:].reshape(-1, 3, 4).swapaxes(0, 1)
    )
    accelerations = (after - before)[:, 2:] / (2 * h)
    seen = {
        name: TRUTH["gain"] * formula(then, accelerations) + TRUTH["offset"]
        for name, formula in list(SEEN.items())[some]
    }
    noise = {name: 0.02 * np.std(values) for name, values in seen.items()}
    readings = [values + noise[name] * rng.normal(size=len(values)) for name, values in seen.items()]
    rows = np.column_stack([ts[2:], ys[2:, :2] + 0.003 * rng.normal(size=(len(then), 2)), *readings])
    path = write_rows(tmp_path / "chain.csv", ",".join(["t", "a", "b", *(f"s{k}" for k in range(len(seen)))]), rows)
    sees = {f"s{k}": declared for k, declared in enumerate(seen)}
    declared = Declared(coordinates=["a", "b"], angles=["a", "b"], observations=sees)
    sensors = sensors_of(model, prepared(inspected(path, declared), structure="mechanical", friction=False, steps=10))
    assert sensors.sentences == ()
    for column, name in sees.items():
        size, found = np.std(seen[name]), sensors.by_name[column]
        largest = {"gain": 0.01, "offset": 0.02 * size, "delay": 2e-3, "noise": 0.1 * noise[name]}
        for quantity, truth in (TRUTH | {"noise": noise[name]}).items():
            value, error = getattr(found, quantity)
            assert abs(value - truth) < 3.5 * error, (name, quantity)
            assert error < largest[quantity], (name, quantity)


def test_units_do_not_change_the_answer(swing, tmp_path):
    rows = rows_of(swing)
    rows = np.column_stack([rows[:400], 0.7 * np.sin(rows[:400, 1])])
    sees = {"observations": GYRO | {"tip": "sine:theta"}}
    plain = found(swing, tmp_path / "plain.csv", rows, "t,theta,gyro,tip", **sees).by_name
    scaled = rows * np.array([1e3, 1.0, np.degrees(1.0), 1e3])
    units = found(swing, tmp_path / "units.csv", scaled, "t (ms),theta,gyro (deg/s),tip (mm)", **sees).by_name
    assert [one.unit for one in plain.values()] == ["", ""]
    assert {name: one.unit for name, one in units.items()} == {"gyro": "rad/s", "tip": "m"}
    for column, one in units.items():
        for name in TRUTH:
            np.testing.assert_allclose(getattr(one, name), getattr(plain[column], name), rtol=1e-5)


@pytest.mark.parametrize(
    ("unit", "sees", "factor"),
    [
        ("deg/s^2", "acceleration:theta", np.pi / 180),
        ("deg/s", "velocity:theta", np.pi / 180),
        ("mm", "sine:theta", 1e-3),
    ],
)
def test_readings_are_in_si_units(swing, tmp_path, unit, sees, factor):
    rows = rows_of(swing)
    path = write_rows(tmp_path / "swing.csv", f"t,theta,seen ({unit})", rows)
    read = inspect(path, **OPTIONS, observations={"seen": sees}).trajectories.observations["seen"][0, :, 0]
    np.testing.assert_allclose(read, factor * rows[: len(read), 2], rtol=1e-12)


def test_a_channel_that_sees_another_thing_is_named(swing, tmp_path):
    other = found(swing, tmp_path / "a.csv", rows_of(swing, gyro=lambda t, y, r: np.sin(3.7 * t)))
    assert any("gyro is hardly explained" in line for line in other.sentences)
    angle = found(swing, tmp_path / "b.csv", rows_of(swing, gyro=lambda t, y, r: y[:, 0]))
    assert any("does it see the velocity?" in line for line in angle.sentences)


def test_empty_cells_and_rows_without_coordinates_have_no_part(swing, tmp_path):
    """A gyroscope in every second row, and rows in which it alone has a value."""
    rows = rows_of(swing)
    half = np.where((np.arange(len(rows)) % 2 == 0)[:, None], rows, rows * [1, 1, np.nan])
    cells = [[f"{x:.17g}" if np.isfinite(x) else "" for x in row] for row in half]
    sparse = found(swing, tmp_path / "half.csv", cells)
    alone = [[f"{row[0] + 0.01:.17g}", "", "9.0"] for row in rows]
    mixed = [row for pair in zip(cells, alone, strict=True) for row in pair]
    assert found(swing, tmp_path / "mixed.csv", mixed).by_name == sparse.by_name
    gain = sparse.by_name["gyro"].gain
    assert abs(gain.value - TRUTH["gain"]) < 3 * gain.error


def test_settings_hold_the_sensors(swing, tmp_path):
    sensors = found(swing, tmp_path / "swing.csv", rows_of(swing))
    columns = inspect(tmp_path / "swing.csv", **OPTIONS, observations=GYRO).columns
    assert Columns.of(json.loads(json.dumps(columns.settings))) == columns
    assert read_calibrated(json.loads(json.dumps({"sensors": sensors.settings})), columns) == sensors.by_name
    known = sensors.by_name["gyro"].sensor(columns)
    assert float(known.gain.value) == sensors.by_name["gyro"].gain.value
    assert read_calibrated({}, columns) == {}


@pytest.mark.parametrize("header", [HEADER, "t,theta,gyro (rad/s)"])
def test_info_lists_the_channels(swing, tmp_path, header):
    path = write_rows(tmp_path / "swing.csv", header, rows_of(swing))
    said = str(inspect(path, **OPTIONS, observations=GYRO))
    assert "(velocity of theta)" in said
    assert "ignored" not in said
    assert "ignored: gyro" in str(inspect(path, **OPTIONS))


WRONG = {
    "a column that is absent": ({"imu": "velocity:theta"}, HEADER, DataFileError, "'imu'.*is absent"),
    "no kind": ({"gyro": "theta"}, HEADER, UsageError, "expected what the column sees"),
    "another kind": ({"gyro": "jerk:theta"}, HEADER, UsageError, "sees 'jerk'; expected position, velocity, accel"),
    "a sum of one": (
        {"gyro": "velocity:theta+"},
        HEADER,
        UsageError,
        "expected one of the coordinates, theta, or a sum",
    ),
    "a coordinate twice": ({"gyro": "velocity:theta+theta"}, HEADER, UsageError, "expected each coordinate once"),
    "a unit of a sine": ({"gyro": "sine:theta"}, "t,theta,gyro (m/s)", UsageError, "'m/s' is a unit of velocity"),
    "not a coordinate": ({"gyro": "velocity:phi"}, HEADER, UsageError, "of 'phi'; expected one of the coordinates"),
    "a coordinate": ({"theta": "position:theta"}, HEADER, UsageError, "'theta' is named 2 times"),
    "a unit of another quantity": (GYRO, "t,theta,gyro (deg)", UsageError, "'deg' is a unit of position"),
}


@pytest.mark.bad_input
@pytest.mark.parametrize("fault", WRONG)
def test_wrong_declarations_are_refused(swing, tmp_path, fault):
    observations, header, error, message = WRONG[fault]
    path = write_rows(tmp_path / "swing.csv", header, rows_of(swing)[:100])
    with pytest.raises(error, match=message):
        inspect(path, **OPTIONS, observations=observations)


def test_a_declaration_is_read_as_it_is_written():
    """Names may contain signs and spaces; a text that can be read in two ways is refused."""
    names = ("a", "b-c", "d e")
    for text in ("position:a", "velocity:b-c", "sine:a-b-c+d e", "acceleration:d e-a"):
        channel = channel_of("seen", text, names, {})
        assert str(channel) == text
        assert channel_of("seen", str(channel), names, {}) == channel
    assert channel_of("seen", "position: a  -  b-c", names, {}).title == "position of a - b-c"
    assert channel_of("seen", "position:a (deg)+b-c", names, {"a (deg)": "a"}).coordinates == ("a", "b-c")
    with pytest.raises(UsageError, match="may be a coordinate or a sum or difference"):
        channel_of("seen", "position:a-b", ("a", "b", "a-b"), {})


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("sees", "message"), [("sine:x", "name 'x' in `angles`"), ("position:x-a", "all angles or none")]
)
def test_angles_and_lengths_are_not_mixed(swing, tmp_path, sees, message):
    rows = np.column_stack([rows_of(swing), rows_of(swing)[:, 1]])
    motion = Trajectories(rows[:, 0], rows[:, [1, 3, 1, 3]], names=["x", "a"], observations={"seen": rows[:, 2]})
    with pytest.raises(UsageError, match=message):
        inspect(motion, angles=["a"], velocities=[], observations={"seen": sees})
    path = write_rows(tmp_path / "cart.csv", "t,x (m),seen,a (deg)", rows)
    with pytest.raises(UsageError, match=message):
        inspect(path, coordinates=["x", "a"], observations={"seen": sees})


@pytest.mark.bad_input
def test_what_observations_do_not_go_with_is_refused(swing, tmp_path):
    rows = rows_of(swing)
    path = write_rows(tmp_path / "swing.csv", HEADER, rows)
    with pytest.raises(ValueError, match="expected what each column sees"):
        inspect(path, **OPTIONS, observations=["gyro"])
    with pytest.raises(UsageError, match="`observations` and `parameters` are given"):
        inspect(path, **OPTIONS, observations=GYRO, parameters=["gyro"])
    with pytest.raises(UsageError, match="'LSB' is not a known unit"):
        inspect(path, **OPTIONS, observations=GYRO, units={"gyro": "LSB"})
    bare = write_rows(tmp_path / "bare.csv", HEADER, [[t, q, ""] for t, q, _ in rows])
    with pytest.raises(DataFileError, match=r"'gyro'.*has no number in a row with coordinates"):
        inspect(bare, **OPTIONS, observations=GYRO)
    still = write_rows(tmp_path / "still.csv", HEADER, [[t, q, 1.0] for t, q, _ in rows])
    refused = inspect(still, **OPTIONS, observations=GYRO).refusals
    assert "'gyro' never changes" in str(refused[0])


@pytest.mark.bad_input
def test_observations_in_memory_are_declared(swing):
    rows = rows_of(swing)
    ys = np.stack([rows[:, 1], rows[:, 2]], axis=1)
    motion = Trajectories(rows[:, 0], ys, names=["theta"], observations={"gyro": rows[:, 2]})
    with pytest.raises(UsageError, match="does not say what they see"):
        inspect(motion, angles=["theta"])
    with pytest.raises(UsageError, match="names 'imu'; expected observations of the Trajectories: 'gyro'"):
        inspect(motion, angles=["theta"], observations={"gyro": "velocity:theta", "imu": "velocity:theta"})
    kept = inspect(motion, angles=["theta"], velocities=[], observations=GYRO)
    np.testing.assert_array_equal(kept.trajectories.observations["gyro"][0, :, 0], rows[:, 2])


def test_channels_stay_beside_their_coordinates(swing):
    """Also where late velocities are moved, so that rows at the ends are left out, and in pieces."""
    _, ts, ys, _ = swing
    late = np.stack([ys[:, 0], np.interp(ts - 0.04, ts, ys[:, 1])], axis=1)
    late += 0.01 * np.random.default_rng(0).normal(size=late.shape)
    motion = Trajectories(ts, late, names=["theta"], observations={"copy": late[:, 0]})
    inspection = inspected(motion, Declared(angles=["theta"], observations={"copy": "position:theta"}))
    assert inspection.recording.lag.seconds[0] > 0.03
    assert len(inspection.trajectories.ts[0]) < len(ts)
    task = prepared(inspection, structure="mechanical", friction=False, steps=10)
    seen = task.seen.observations
    np.testing.assert_array_equal(seen["copy"], seen["theta"])
    assert np.ptp(seen["copy"]) > 0
    assert task.parts.train.observations is None


def test_an_angle_seen_twice_may_be_wrapped(swing, tmp_path):
    """Two encoders of a turning motion: jumps by a turn are removed from both, and whole turns between them."""
    ts = np.arange(0.0, 10.0, 0.02)
    angle = 2.0 * ts + 0.3 * np.sin(3 * ts)
    wrapped = (np.degrees(angle) + 180) % 360 - 180
    path = write_rows(tmp_path / "turns.csv", "t,theta (deg),copy (deg)", np.stack([ts, wrapped, wrapped], axis=1))
    read = inspect(path, coordinates=["theta"], observations={"copy": "position:theta"}).recording.recorded
    np.testing.assert_allclose(read.observations["copy"][0, :, 0], read.ys[0, :, 0], atol=1e-9)
    elbow = (-2 * angle + 0.5 * np.cos(2 * ts) + np.pi) % (2 * np.pi) - np.pi
    rows = np.stack([ts, wrapped, (np.degrees(0.5 * np.cos(2 * ts) - angle)), np.degrees(elbow)], axis=1)
    path = write_rows(tmp_path / "arm.csv", "t,theta (deg),phi (deg),elbow (deg)", rows)
    read = inspect(path, coordinates=["theta", "phi"], observations={"elbow": "position:phi-theta"}).recording.recorded
    difference = read.ys[0, :, 1] - read.ys[0, :, 0]
    turns = (read.observations["elbow"][0, :, 0] - difference) / (2 * np.pi)
    np.testing.assert_allclose(turns, 0, atol=1e-9)


@pytest.mark.slow
def test_a_fit_with_a_gyroscope(swing, tmp_path, monkeypatch, capsys):
    """Found, printed, written, read again; a rollout has the column, in its unit."""
    from neural_lagrangian.command_line import main

    monkeypatch.chdir(tmp_path)
    rows = rows_of(swing) * np.array([1.0, 1.0, np.degrees(1.0)])
    tip = 300.0 * np.sin(rows[:, 1]) + np.random.default_rng(1).normal(size=len(rows))
    write_rows(tmp_path / "swing.csv", "t,theta,gyro (deg/s),tip (mm)", np.column_stack([rows, tip]))
    arguments = ["fit", "swing.csv", "--coordinates", "theta", "--angles", "theta"]
    assert main([*arguments, "--observations", "gyro=velocity:theta", "tip=sine:theta"]) == 0
    said = capsys.readouterr().out
    assert "gyro [rad/s]" in said
    page = (tmp_path / "swing-fit" / "report.html").read_text()
    assert "<h2>Sensors</h2>" in page
    learned = inspect("swing-fit")
    assert "gyro [rad/s]" in str(learned)
    gain = learned.calibrated["gyro"].gain
    assert abs(gain.value - TRUTH["gain"]) < 3 * gain.error
    rollout = ["rollout", "swing-fit", "--start", "1", "0", "--until", "0.4", "--step", "0.1"]
    assert main(rollout) == 0
    table = capsys.readouterr().out.splitlines()
    assert table[0] == "t,theta,theta_dot,gyro,tip"
    last = dict(zip(table[0].split(","), map(float, table[-1].split(",")), strict=True))
    ts = jnp.linspace(0.0, 0.4, 5)
    observed = Observed(learned.model, learned.sensors)
    expected = observed.readings(ts, eqx.filter_jit(learned.model)(ts, jnp.array([1.0, 0.0])))["gyro"]
    assert last["tip"] == pytest.approx(300.0 * np.sin(last["theta"]), abs=3.0)
    assert np.radians(last["gyro"]) == pytest.approx(float(expected[-1, 0]), rel=1e-6)
    assert main(["compare", "swing-fit", "swing.csv"]) == 0
    plain = identify("swing.csv", **OPTIONS)
    assert plain.sensors == {}
    assert str(plain.formula) == str(nl.identification.identify("swing.csv", **OPTIONS, observations=GYRO).formula)

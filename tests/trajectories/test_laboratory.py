"""One motion as laboratories write it down: every layout reads as the same numbers, and what is no table is refused."""

import datetime
import math

import numpy as np
import pytest

from neural_lagrangian.trajectories import (
    DataFileError,
    Scaling,
    Trajectories,
    read_trajectories,
    write_trajectories,
)
from neural_lagrangian.trajectories.units import known_unit, si_factor

from .laboratory import (
    COMMAS,
    COUNT,
    FILES,
    HEADED,
    ROWS,
    STAMPS,
    START,
    THETA,
    T,
    X,
    check,
    parabolas,
    text,
)


@pytest.mark.parametrize("file", FILES)
def test_every_layout_reads_as_the_same_motion(file, tmp_path):
    content, columns = FILES[file]
    path = tmp_path / "a.txt"
    path.write_bytes(content)
    motion = read_trajectories(path, **{"positions": ["x", "theta"], "estimate": parabolas} | columns)
    check(motion)
    expected = [name.partition(" (")[0] for name in columns.get("positions", ["x", "theta"])]
    assert list(motion.names) == expected


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".dat"])
def test_the_suffix_of_a_text_does_not_say_its_delimiter(suffix, tmp_path):
    (tmp_path / f"a{suffix}").write_bytes(text(HEADED, COMMAS, ";"))
    check(read_trajectories(tmp_path / f"a{suffix}", positions=["x", "theta"], estimate=parabolas))


def test_decimal_commas_may_come_late(tmp_path):
    rows = [f"{i};{i}" for i in range(8000)]
    (tmp_path / "a.csv").write_text("\n".join(["t;x", *rows, "8000;0,5", "8001,5;2"]))
    motion = read_trajectories(tmp_path / "a.csv", positions=["x"], estimate=parabolas)
    np.testing.assert_array_equal(motion.ts[0, -2:], [8000, 8001.5])
    np.testing.assert_allclose(motion.ys[0, -2:, 0], [0.5, 2.0], atol=1e-9)
    (tmp_path / "a.csv").write_text("\n".join(["t;x", *rows, "8000;0,5", "8001.5;2"]))
    with pytest.raises(DataFileError, match="line 8002, column 'x': '0,5' is not a number"):
        read_trajectories(tmp_path / "a.csv", positions=["x"])


def frame_of(package, columns):
    if package == "mapping":
        return columns
    module = pytest.importorskip(package)
    return module.table(columns) if package == "pyarrow" else module.DataFrame(columns)


@pytest.mark.parametrize("package", ["pandas", "polars", "mapping"])
def test_data_frames_are_read_as_files_are(package):
    columns = {"t (s)": T, "x [cm]": X, "theta (°)": THETA, "note": ["ok"] * COUNT, "run": ["a"] * COUNT}
    frame = frame_of(package, columns)
    check(read_trajectories(frame, positions=["x", "theta"], trajectory="run", estimate=parabolas))
    dated = frame_of(package, columns | {"t (s)": np.array(STAMPS, "M8[us]")})
    check(read_trajectories(dated, positions=["x", "theta"], time="t (s)", estimate=parabolas))
    with pytest.raises(DataFileError, match="column 'y': is absent; the file has 't \\(s\\)', 'x \\[cm\\]'"):
        read_trajectories(frame, positions=["y"])


@pytest.mark.parametrize("unit", [1.0, 1e-3, 1e-6, 1e-9])
@pytest.mark.parametrize("start", [1.75e9, 2e7])
def test_a_clock_that_counts_from_1970_is_known_by_its_numbers(unit, start):
    """Years before 2001 may be times of something else, and a unit that is given counts."""
    times = start / unit + T / unit
    seconds = (times * unit if start > 1e9 else times) if unit < 1 else times
    frame = {"stamp": times, "x": X}
    read = read_trajectories(frame, positions=["x"], time="stamp", estimate=parabolas)
    np.testing.assert_allclose(read.ts[0], seconds, rtol=1e-15)
    given = read_trajectories(frame, positions=["x"], time="stamp", units={"stamp": "s"}, estimate=parabolas)
    np.testing.assert_array_equal(given.ts[0], times)
    times[0] = 0.0  # before the clock was set
    read = read_trajectories(frame, positions=["x"], time="stamp", estimate=parabolas)
    np.testing.assert_allclose(read.ts[0], seconds[1:], rtol=1e-15)


@pytest.mark.parametrize("written", ["{0:.4f} sec", "{0:.6e} sec", "00:{0:07.4f}"])
def test_durations(tmp_path, written):
    """As MATLAB and spreadsheets write them."""
    rows = (f"{written.format(t).replace('e+0', 'e').replace('e-0', 'e-')},{x}" for t, x in zip(T, X, strict=True))
    (tmp_path / "a.csv").write_text("\n".join(["Time,x", *rows]))
    read = read_trajectories(tmp_path / "a.csv", positions=["x"], time="Time", estimate=parabolas)
    np.testing.assert_allclose(read.ts[0], T - T[0], atol=1e-4)


@pytest.mark.parametrize("above", [[], [["Tracker"], ["Rate", 60]]])
@pytest.mark.parametrize("kind", ["numbers", "text", "dates"])
def test_spreadsheets(above, kind, tmp_path):
    pytest.importorskip("python_calamine")
    sheet = pytest.importorskip("openpyxl").Workbook()
    times = [START + datetime.timedelta(seconds=float(t)) for t in T] if kind == "dates" else T.tolist()
    rows = [list(row) for row in zip(times, X.tolist(), THETA.tolist(), ["ok"] * COUNT, strict=True)]
    if kind == "text":
        rows = [[str(cell).replace(".", ",") for cell in row] for row in rows]
    rows.insert(30, [None, None, None, "the door"])
    for row in [*above, ["t" if kind == "dates" else "t (s)", "x (cm)", "theta [°]", "note"], *rows]:
        sheet.active.append(row)
    sheet.save(tmp_path / "a.xlsx")
    motion = read_trajectories(tmp_path / "a.xlsx", positions=["x", "theta"], estimate=parabolas)
    atol = 1e-3 if kind == "dates" else 0  # what a spreadsheet keeps
    np.testing.assert_allclose(motion.ts[0], T, atol=atol)
    np.testing.assert_allclose(motion.ys[0, :, :2], np.stack([X / 100, np.deg2rad(THETA)], axis=1), rtol=1e-12)
    (tmp_path / "b.xlsx").write_bytes(b"nothing")
    with pytest.raises(DataFileError, match="damaged or of another format"):
        read_trajectories(tmp_path / "b.xlsx", positions=["x"])


def test_a_cell_of_a_spreadsheet_that_is_no_number_is_named_with_its_row(tmp_path):
    pytest.importorskip("python_calamine")
    sheet = pytest.importorskip("openpyxl").Workbook()
    rows = [[float(t), float(x)] for t, x in zip(T, X, strict=True)]
    rows[7][1] = "oops"
    for row in [["Tracker"], ["t", "x"], *rows]:
        sheet.active.append(row)
    sheet.save(tmp_path / "a.xlsx")
    with pytest.raises(DataFileError, match="row 10, column 'x': 'oops' is not a number") as caught:
        read_trajectories(tmp_path / "a.xlsx", positions=["x"])
    assert caught.value.row == 10


@pytest.mark.parametrize(
    "stamps",
    [
        ("2026-02-28T23:59:59.5", "2026-03-01T00:00:00", "2026-03-01T00:00:00.5"),
        ("28.02.2026 23:59:59,5", "01.03.2026 00:00:00", "01.03.2026 00:00:00,5"),
        ("2026-03-01 00:59:59.5+01:00", "2026-03-01 01:00:00+01:00", "2026-03-01T00:00:00.5Z"),
    ],
)
def test_a_recording_may_pass_midnight_and_the_end_of_a_month(stamps, tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("\n".join(["when;x", *(f"{stamp};{i}" for i, stamp in enumerate(stamps))]))
    motion = read_trajectories(path, positions=["x"], time="when", estimate=parabolas)
    np.testing.assert_allclose(motion.ts[0], [0, 0.5, 1], atol=1e-9)


def test_empty_cells_are_missing_samples(tmp_path):
    """Where many follow each other there is a gap; one alone is none. One empty coordinate is as good as two."""
    rows = [list(row) for row in ROWS]
    for i in range(20, 40):
        rows[i][1] = ""
    rows[5][2], rows[50] = "NaN", [rows[50][0], "", ""]
    (tmp_path / "a.csv").write_bytes(text(HEADED, rows))
    motion = read_trajectories(tmp_path / "a.csv", positions=["x", "theta"])
    assert motion.lengths.tolist() == [19, 19]
    kept = np.delete(np.arange(COUNT), [5, *range(20, 40), 50])
    np.testing.assert_array_equal(motion.ts[motion.mask], T[kept])
    whole = read_trajectories(tmp_path / "a.csv", positions=["x", "theta"], gap=math.inf)
    assert whole.lengths.tolist() == [38]
    only = read_trajectories(tmp_path / "a.csv", positions=["theta"])
    assert only.lengths.tolist() == [58]
    (tmp_path / "b.csv").write_bytes(text(HEADED, [(*row[:2], "") for row in ROWS]))
    with pytest.raises(DataFileError, match="column 'theta': has no number in any row"):
        read_trajectories(tmp_path / "b.csv", positions=["x", "theta"])


def test_gaps_make_runs_of_what_goes_with_the_motion_too(tmp_path):
    rows = [(*row, row[0], run) for run in ("a", "b") for i, row in enumerate(ROWS) if not 12 <= i < 40]
    (tmp_path / "a.csv").write_bytes(text((*HEADED, "u (N)", "run"), rows))
    names = {"positions": ["x", "theta"], "controls": ["u"], "trajectory": "run"}
    motion = read_trajectories(tmp_path / "a.csv", **names)
    assert motion.lengths.tolist() == [12, 20, 12, 20]
    np.testing.assert_array_equal(motion.controls[motion.mask][:, 0], motion.ts[motion.mask])
    assert read_trajectories(tmp_path / "a.csv", **names, gap=1.0).lengths.tolist() == [32, 32]


@pytest.mark.parametrize(("turn", "unit"), [(360, "deg"), (2 * np.pi, "rad"), (1, "turn")])
@pytest.mark.parametrize("velocities", [None, ["w"]])
def test_wrapped_angles_are_made_continuous(turn, unit, velocities, tmp_path):
    t = 0.02 * np.arange(300)
    angle = 4 * t + np.sin(3 * t)
    rate = 4 + 3 * np.cos(3 * t)
    wrapped = (angle / (2 * np.pi) * turn + turn / 2) % turn - turn / 2
    frame = {f"q ({unit})": wrapped, "w (rad/s)": rate, "t": t}
    motion = read_trajectories(frame, positions=["q"], velocities=velocities)
    np.testing.assert_allclose(motion.ys[0, :, 0], angle, atol=2e-4)
    np.testing.assert_allclose(motion.ys[0, :, 1], rate, atol=0.05)
    fast = {"q (deg)": 250.0 * np.arange(40), "w (deg/s)": 12500.0 + np.zeros(40), "t": 0.02 * np.arange(40)}
    motion = read_trajectories(fast, positions=["q"], velocities=velocities)  # was not wrapped: a few samples a turn
    np.testing.assert_allclose(motion.ys[0, :, 0], np.deg2rad(fast["q (deg)"]), atol=1e-12)


FAULTS = {  # where, and what is said
    "text": (4, (ROWS[1][0], "oops", "1"), "line 4, column 'x .cm.': 'oops' is not a number"),
    "another decimal mark": (4, (ROWS[1][0], '"1,5"', "1"), "'1,5' is not a number; .* have decimal points"),
    "a field too few": (4, ROWS[1][:2], "line 4: has 2 fields; expected 3"),
    "a field too many": (4, (*ROWS[1], "5"), "line 4: has 4 fields; expected 3"),
    "infinity": (4, (ROWS[1][0], "-inf", "1"), "line 4, column 'x': is infinite"),
    "a clock that begins again": (40, ROWS[0], "line 40, column 't': runs backwards: .*`trajectory` is the column"),
    "a time twice": (4, ROWS[1], "line 4, column 't': repeats: 0.0167 s follows 0.0167 s"),
}


@pytest.mark.bad_input
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("above", ["", "# one\n\n# two\n"])
def test_what_is_no_sample_is_refused_at_its_line(fault, above, tmp_path):
    line, row, message = FAULTS[fault]
    rows = list(ROWS)
    rows[line - 2] = row
    moved = above.count("\n")
    (tmp_path / "a.csv").write_bytes(text(HEADED, rows, above=above))
    with pytest.raises(DataFileError, match=message.replace(f"line {line}", f"line {line + moved}")) as caught:
        read_trajectories(tmp_path / "a.csv", positions=["x", "theta"])
    assert caught.value.row == line + moved


@pytest.mark.bad_input
def test_lines_are_counted_with_the_comments_between_them(tmp_path):
    rows = [*ROWS[:10], ("# one",), *ROWS[10:20], ("# two",), *ROWS[20:30], (ROWS[30][0], "inf", "0")]
    (tmp_path / "a.csv").write_bytes(text(HEADED, rows))
    with pytest.raises(DataFileError, match=f"line {len(rows) + 1}, column 'x': is infinite"):
        read_trajectories(tmp_path / "a.csv", positions=["x", "theta"])


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (text(None), "no line of names; add one as the first line"),
        (text(None, COMMAS, ";"), "no line of names; add one as the first line"),
        (b"", "no rows"),
        (text(HEADED, []), "no rows"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(range(256)), "no rows|no line of names"),
        (text(("t", "x", "x")), "column 'x': appears more than once"),
        (text(("t", "x (cm)", "x (deg)")), "column 'x': appears more than once"),
    ],
)
def test_what_is_no_table_is_refused(content, message, tmp_path):
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(DataFileError, match=message):
        read_trajectories(tmp_path / "a.csv", positions=["x"])


@pytest.mark.parametrize(
    ("spelling", "unit"),
    [
        *((unit, unit) for unit in ("s", "ms", "min", "m", "mm", "cm", "deg", "rad", "rpm", "deg/s", "m/s^2")),
        *{"°": "deg", "Degrees": "deg", "°/s": "deg/s", "m s^-1": "m/s", "rad·s⁻²": "rad/s^2", "m/s²": "m/s^2"}.items(),
        *{"rev/min": "rpm", "sec": "s", "deg / sec": "deg/s", "RAD": "rad", "μm": "um", "m/s2": "m/s^2"}.items(),
        *dict.fromkeys(("", "M", "Mm", "N", "px", "left", "kg", "S", "s^2", "1/s", "deg/m")).items(),
    ],
)
def test_units_have_many_spellings(spelling, unit):
    assert known_unit(spelling) == unit
    if unit is not None:
        quantity = {"s": "time", "ms": "time", "min": "time", "rpm": "velocity"}.get(
            unit, "acceleration" if "^2" in unit else "velocity" if "/" in unit else "position"
        )
        assert si_factor(spelling, quantity) == si_factor(unit, quantity)


def test_names_stay_in_files(tmp_path):
    motion = Trajectories(T, np.stack([X, THETA, X, THETA], axis=1), names=["x", "theta"])
    write_trajectories(tmp_path / "a.csv", motion, velocities=["u", "w"])
    again = read_trajectories(tmp_path / "a.csv", positions=["x", "theta"], velocities=["u", "w"])
    assert again.names == motion.names
    assert repr(again) == "Trajectories(1 of 60 samples, x, theta, float64)"
    bare = Trajectories(T, motion.ys)
    with pytest.raises(ValueError, match="`positions` is None; expected 2 names"):
        write_trajectories(tmp_path / "a.csv", bare)


@pytest.mark.bad_input
def test_a_name_does_wherever_an_index_does():
    motion = Trajectories(T, np.stack([X, THETA, X, THETA], axis=1), names=["x", "theta"])
    assert [motion.index(c) for c in ("x", "theta", 0, 1, np.int64(1))] == [0, 1, 0, 1, 1]
    by_name, by_index = (Scaling.of(motion, periodic=[c]) for c in ("theta", 1))
    np.testing.assert_array_equal(by_name.q_scale, by_index.q_scale)
    assert by_name.q_scale[1] == 1
    for unknown in ("phi", 2, -1):
        with pytest.raises(ValueError, match=r"coordinate .* is unknown; expected an index from 0 to 1, or one of 'x'"):
            motion.index(unknown)
    for names in (["x"], ["x", "x"], ["x", ""], [1, 2]):
        with pytest.raises(ValueError, match=r"`names` is .*; expected 2 different names"):
            Trajectories(T, motion.ys, names=names)

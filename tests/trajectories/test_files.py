"""Recordings by column names: exact round trips, and every fault named with its place."""

import contextlib
import functools
import sys
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neural_lagrangian.trajectories import (
    DataFileError,
    Trajectories,
    differentiate,
    read_trajectories,
    without_velocities,
    write_trajectories,
)

NAMES = {"positions": ["theta", "x"], "velocities": ["omega", "u"], "trajectory": "run"}
SUFFIXES = [".csv", ".npz", ".parquet", ".h5"]


def need(suffix):
    if suffix in (".parquet", ".h5"):
        pytest.importorskip({".parquet": "pyarrow", ".h5": "h5py"}[suffix])


def recording(lengths=(5, 3, 4), seed=0):
    rng = np.random.default_rng(seed)
    ts = [np.cumsum(rng.uniform(0.1, 1.0, n)) for n in lengths]
    ys = [rng.normal(size=(n, 4)) * 10.0 ** rng.integers(-30, 30, (n, 4)) for n in lengths]
    return Trajectories(ts, ys, accelerations=[y[:, :2] / 3 for y in ys])


def same(a, b):
    np.testing.assert_array_equal(a.mask, b.mask)
    np.testing.assert_array_equal(a.ts[a.mask], b.ts[b.mask])
    np.testing.assert_array_equal(a.ys[a.mask], b.ys[b.mask])


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_round_trip_is_exact(suffix, tmp_path):
    need(suffix)
    path, data, names = tmp_path / f"motion{suffix}", recording(), {**NAMES, "accelerations": ["alpha", "b"]}
    write_trajectories(path, data, **names)
    back = read_trajectories(path, **names)
    same(back, data)
    np.testing.assert_array_equal(back.accelerations[back.mask], data.accelerations[data.mask])
    write_trajectories(path, data.astype(np.float32), **names)
    same(read_trajectories(path, **names).astype(np.float32), data.astype(np.float32))
    single = data.select([0])
    write_trajectories(path, single, positions=["theta", "x"], velocities=["omega", "u"])
    same(read_trajectories(path, positions=["theta", "x"], velocities=["omega", "u"]), single)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("suffix", [".csv", ".npz"])
def test_controls_make_the_round_trip(suffix, tmp_path):
    path, data = tmp_path / f"motion{suffix}", recording()
    data = Trajectories(*map(list, zip(*data, strict=True)), controls=[y[:, :3] * 2 for _, y in data])
    names = {**NAMES, "controls": ["u0", "u1", "u2"]}
    write_trajectories(path, data, **names)
    back = read_trajectories(path, **names)
    np.testing.assert_array_equal(back.controls[back.mask], data.controls[data.mask])
    one = data.select([0])
    write_trajectories(path, one, **names)
    np.testing.assert_array_equal(read_trajectories(path, **names).controls, one.controls)


def test_controls_come_along_where_velocities_are_estimated(tmp_path):
    path, ts = tmp_path / "motion.csv", np.arange(20.0)
    data = Trajectories(ts, np.stack([ts, np.ones(20)], axis=1), controls=ts[:, None])
    write_trajectories(path, data, positions=["x"], controls=["u"])
    back = read_trajectories(path, positions=["x"], controls=["u"])
    np.testing.assert_array_equal(back.controls[..., 0], back.ts)
    np.testing.assert_allclose(back.ys, data.ys, atol=1e-9)


@pytest.mark.bad_input
def test_controls_that_do_not_fit_are_named(tmp_path):
    path, data = tmp_path / "motion.csv", recording()
    with pytest.raises(ValueError, match="`controls` names 1 columns; expected 0"):
        write_trajectories(path, data, **NAMES, controls=["push"])
    write_trajectories(path, data, **NAMES)
    with pytest.raises(ValueError, match="`controls` is 'u'; expected a sequence of names"):
        read_trajectories(path, **NAMES, controls="u")
    driven = Trajectories(data.ts, data.ys, mask=data.mask, controls=data.ys[..., :1])
    write_trajectories(path, driven, **NAMES, controls=["push"])
    with pytest.raises(DataFileError, match="expected none, since controls are not converted"):
        read_trajectories(path, **NAMES, controls=["push"], units={"push": "deg"})


@settings(max_examples=200, deadline=None)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=2, max_size=20))
def test_every_double_survives_a_text_file(tmp_path_factory, values):
    path = tmp_path_factory.mktemp("text") / "a.csv"
    data = Trajectories(np.arange(float(len(values))), np.array([values, values]).T)
    write_trajectories(path, data, positions=["q"], velocities=["v"])
    same(read_trajectories(path, positions=["q"], velocities=["v"]), data)


def test_columns_are_found_by_name_whatever_else_is_there(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('\ufeffnote, v ,t,q\r\n"a, b",1,0.0,5\r\nc,-2e-1,0.5,"6"\r\n\r\n', encoding="utf-8")
    data = read_trajectories(path, positions=["q"], velocities=["v"])
    np.testing.assert_array_equal(data.ys[0], [[5.0, 1.0], [6.0, -0.2]])


def test_rows_of_several_runs_may_be_mixed_and_runs_may_have_words_for_names(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("t,q,v,run\n0,1,2,second\n0,5,6,first run\n1,3,4,second\n2,7,8,first run\n2,0,0,second\n")
    data = read_trajectories(path, positions=["q"], velocities=["v"], trajectory="run")
    assert list(data.lengths) == [3, 2]
    np.testing.assert_array_equal(data.ys[0], [[1, 2], [3, 4], [0, 0]])
    np.testing.assert_array_equal(data.ys[1, :2], [[5, 6], [7, 8]])


def test_declared_units_become_si_and_back(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("t,theta,x,omega,u\n0,180,1,90,36\n500,-90,250,60,72\n")
    units = {"t": "ms", "theta": "deg", "x": "cm", "omega": "rpm", "u": "km/h"}
    names = {"positions": ["theta", "x"], "velocities": ["omega", "u"]}
    data = read_trajectories(path, **names, units=units)
    np.testing.assert_array_equal(data.ts[0], [0.0, 0.5])
    pi = np.pi
    np.testing.assert_allclose(data.ys[0], [[pi, 0.01, 3 * pi, 10], [-pi / 2, 2.5, 2 * pi, 20]], rtol=1e-15)
    write_trajectories(tmp_path / "b.csv", data, **names, units=units)
    header, row = (tmp_path / "b.csv").read_text().splitlines()[:2]
    assert header == "t,theta,x,omega,u"
    np.testing.assert_allclose([float(x) for x in row.split(",")], [0, 180, 1, 90, 36], rtol=1e-15)


def test_positions_alone_are_differentiated(tmp_path):
    path = tmp_path / "a.npz"
    t = np.cumsum(np.random.default_rng(0).uniform(0.01, 0.03, 60))
    data = Trajectories([t, t[:40]], [np.stack([t**2, 2 * t], axis=1), np.stack([3 * t, 0 * t + 3], axis=1)[:40]])
    write_trajectories(path, data, positions=["q"], trajectory="run")
    read = read_trajectories(path, positions=["q"], trajectory="run")
    np.testing.assert_allclose(read.ys[read.mask], data.ys[data.mask], atol=1e-10)
    wide = read_trajectories(
        path, positions=["q"], trajectory="run", estimate=functools.partial(differentiate, window=21)
    )
    np.testing.assert_allclose(wide.ys[wide.mask], data.ys[data.mask], atol=1e-10)
    np.testing.assert_array_equal(without_velocities(read)[0][1], t[:40])


SOUND = ["t,q,v,run", "0,1,2,0", "1,3,4,0", "2,5,6,0", "0,1,2,1", "1,3,4,1"]
FAULTS = {  # what is done to which line, and the place and words of the error
    "text": (3, "1,oops,4,0", 3, "q", "'oops' is not a number"),
    "decimal comma": (3, "1,3,5,4,0", 3, None, "has 5 fields; expected 4"),
    "too few fields": (3, "1,3", 3, None, "has 2 fields"),
    "underscore": (3, "1_0,3,4,0", 3, "t", "'1_0' is not a number"),
    "blank line": (4, "", 4, None, "is blank"),
    "infinite": (5, "0,inf,2,1", 5, "q", "is infinite"),
    "no run": (5, "0,1,2,", 5, "run", "is missing"),
    "repeated time": (4, "1,5,6,0", 4, "t", "repeats: 1.0 s follows 1.0 s"),
    "decreasing time": (6, "-1,5,6,1", 6, "t", "runs backwards: -1.0 s follows 0.0 s"),
    "absent column": (1, "t,q,w,run", None, "v", "is absent; the file has 't', 'q', 'w', 'run'"),
    "column twice": (1, "t,q,v,q", None, "q", "appears more than once"),
    "endless quote": (3, '1,3,4,"' + "x" * 200_000, 3, None, "field larger than field limit"),
    "lines in a field": (3, '1,3,4,"0\n"', None, None, "spans several lines"),
}


def read_sound(path, **keywords):
    return read_trajectories(path, positions=["q"], velocities=["v"], trajectory="run", **keywords)


@pytest.mark.bad_input
@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_of_a_text_file_is_named_with_line_and_column(fault, tmp_path):
    path, lines = tmp_path / "a.csv", list(SOUND)
    path.write_text("\n".join(lines) + "\n")
    read_sound(path)  # sound before
    line, text, row, column, message = FAULTS[fault]
    lines[line - 1] = text
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(DataFileError) as caught:
        read_sound(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)
    assert (caught.value.path, caught.value.row, caught.value.column) == (path, row, column)
    if row is not None:
        assert f"line {row}" in str(caught.value)


@pytest.mark.bad_input
@pytest.mark.parametrize("content", [b"", b"\n", b"t,q,v,run\n", b"t,q,v,run\n\n\n"])
def test_a_file_without_rows_is_refused(content, tmp_path):
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(DataFileError, match="no rows"):
        read_sound(tmp_path / "a.csv")


@pytest.mark.bad_input
def test_a_text_file_of_other_bytes_is_refused(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"t,q,v,run\n0,1,2,0\n1,\xff\xfe,2,0\n")
    with pytest.raises(DataFileError, match=r"line 3, column 'q': .* is not a number"):
        read_sound(tmp_path / "a.csv")
    (tmp_path / "b.csv").write_bytes(b"\xff\xfet\x00\n1\n")
    with pytest.raises(DataFileError, match="no rows"):
        read_sound(tmp_path / "b.csv")


@pytest.mark.bad_input
@settings(max_examples=300, deadline=None)
@given(fault=st.sampled_from(["inf", "repeat", "backwards"]), place=st.integers(0, 10_000), shuffle=st.booleans())
@pytest.mark.parametrize("suffix", [".csv", ".npz"])
def test_a_fault_anywhere_is_found_at_its_row(tmp_path_factory, suffix, fault, place, shuffle):
    """One fault planted in any row of any run, the runs one after another or mixed, is named by its own row."""
    path = tmp_path_factory.mktemp("planted") / f"a{suffix}"
    data = recording((6, 4, 5), seed=place)
    write_trajectories(path, data, **NAMES)
    rows = 15
    columns = {"run": np.repeat([0.0, 1.0, 2.0], [6, 4, 5]), "t": data.ts[data.mask]}
    columns |= dict(zip(["theta", "x", "omega", "u"], data.ys[data.mask].T, strict=True))
    index = place % rows
    if fault == "inf":
        column = ["t", "theta", "x", "omega", "u"][place % 5]
        columns[column][index] = np.inf
    else:
        column, index = "t", [i for i in range(rows) if i not in (0, 6, 10)][place % (rows - 3)]
        columns["t"][index] = columns["t"][index - 1] - (fault == "backwards") * 0.01
    order = np.argsort(np.random.default_rng(place).random(rows)) if shuffle else np.arange(rows)
    if shuffle:  # runs mixed, each in its own order
        runs = columns["run"][order]
        order = np.concatenate([np.flatnonzero(columns["run"] == run) for run in (0, 1, 2)])[
            np.argsort(np.argsort(runs, kind="stable"), kind="stable")
        ]
    columns = {name: column[order] for name, column in columns.items()}
    if suffix == ".npz":
        np.savez(path, **columns)
    else:
        rows = [",".join(repr(float(x)) for x in row) for row in zip(*columns.values(), strict=True)]
        path.write_text("\n".join([",".join(columns), *rows]))
    with pytest.raises(DataFileError) as caught:
        read_trajectories(path, **NAMES)
    first = {".csv": 2, ".npz": 1}[suffix]
    assert caught.value.row == int(np.flatnonzero(order == index)[0]) + first
    assert caught.value.column == column


@pytest.mark.bad_input
@settings(max_examples=500, deadline=None)
@given(place=st.integers(0, 10_000), byte=st.integers(0, 255), cut=st.booleans())
def test_a_damaged_text_file_is_refused_or_gives_sound_motion(tmp_path_factory, place, byte, cut):
    """Any byte replaced, or the file cut anywhere: a `DataFileError`, or trajectories; never anything else."""
    path = tmp_path_factory.mktemp("damaged") / "a.csv"
    content = ("\n".join(SOUND) + "\n").encode()
    place %= len(content)
    path.write_bytes(content[:place] if cut else content[:place] + bytes([byte]) + content[place + 1 :])
    with contextlib.suppress(DataFileError):
        assert read_sound(path).dof == 1


@pytest.mark.bad_input
@pytest.mark.parametrize("suffix", [".npz", ".parquet", ".h5"])
def test_every_truncation_of_an_archive_is_refused(suffix, tmp_path):
    need(suffix)
    path = tmp_path / f"a{suffix}"
    write_trajectories(path, recording(), **NAMES)
    content = path.read_bytes()
    for length in range(0, len(content), 7):
        path.write_bytes(content[:length])
        with pytest.raises(DataFileError, match=r"damaged or of another format|no rows"):
            read_trajectories(path, **NAMES)


@pytest.mark.bad_input
def test_flipped_bits_of_an_archive_are_refused_or_harmless(tmp_path):
    path, data = tmp_path / "a.npz", recording()
    write_trajectories(path, data, **NAMES)
    content, rng = path.read_bytes(), np.random.default_rng(0)
    refused = 0
    for place in rng.integers(0, len(content), 300):
        flipped = bytearray(content)
        flipped[place] ^= 1 << rng.integers(8)
        path.write_bytes(bytes(flipped))
        try:
            same(read_trajectories(path, **NAMES), data)
        except DataFileError:
            refused += 1
    assert refused > 200


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"q": np.array(["1", "2"])}, "row 1, column 'q': has dtype <U1; expected real numbers"),
        ({"q": np.array([1, "x"], dtype=object)}, "damaged or of another format"),
        ({"q": np.zeros((2, 2))}, r"column 'q': has shape \(2, 2\); expected \(row,\)"),
        ({"q": np.zeros(3)}, "columns have different lengths"),
        ({"q": np.array([1j, 2])}, "dtype complex128"),
        ({name: np.zeros(0) for name in "tqv"}, "no rows"),
        ({"t": np.array([0.0, np.inf])}, "row 2, column 't': is infinite"),
        ({"t": np.array([np.nan, np.nan])}, "column 't': has no number in any row"),
        ({"t": np.array([0.0, np.nan]), "q": np.array([np.nan, 1.0])}, "no row has a number in each of the columns"),
    ],
)
def test_faults_of_an_archive_are_named(change, message, tmp_path):
    np.savez(tmp_path / "a.npz", **{"t": np.arange(2.0), "q": np.zeros(2), "v": np.zeros(2), **change})
    with pytest.raises(DataFileError, match=message):
        read_trajectories(tmp_path / "a.npz", positions=["q"], velocities=["v"])


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("units", "column", "message"),
    [
        ({"t": "fortnight"}, "t", "'fortnight' is not a known unit"),
        ({"t": "cm"}, "t", "'cm' is a unit of position; expected one of time"),
        ({"q": "ms"}, "q", "'ms' is a unit of time; expected one of position"),
        ({"v": "deg"}, "v", "'deg' is a unit of position; expected one of velocity"),
        ({"v": "m/s^2"}, "v", "'m/s^2' is a unit of acceleration; expected one of velocity"),
        ({"v": "m/s^3"}, "v", "'m/s^3' is not a known unit"),
        ({"q": "deg", "v": "m/s"}, "v", "is in m/s, but 'q' is in deg; expected both as angles or both as lengths"),
        ({"w": "s"}, "w", "but not among the named columns"),
    ],
)
def test_units_of_the_wrong_kind_are_refused(units, column, message, tmp_path):
    (tmp_path / "a.csv").write_text("t,q,v\n0,1,2\n1,3,4\n")
    with pytest.raises(DataFileError) as caught:
        read_trajectories(tmp_path / "a.csv", positions=["q"], velocities=["v"], units=units)
    assert message in str(caught.value)
    assert caught.value.column == column


@pytest.mark.bad_input
def test_arguments_that_do_not_fit_are_named(tmp_path):
    path, data = tmp_path / "a.csv", recording()
    with pytest.raises(ValueError, match="`positions` names 1 columns; expected 2"):
        write_trajectories(path, data, positions=["q"])
    with pytest.raises(ValueError, match=r"`velocities` is .*; expected 2 names"):
        write_trajectories(path, data, positions=["q", "x"], velocities=["v"])
    with pytest.raises(ValueError, match="`trajectory` is None"):
        write_trajectories(path, data, positions=["q", "x"])
    with pytest.raises(ValueError, match="column 'q' is named 2 times"):
        write_trajectories(path, data, positions=["q", "x"], velocities=["q", "u"], trajectory="run")
    with pytest.raises(ValueError, match=r"expected a suffix of \.csv, \.npz"):
        write_trajectories(tmp_path / "a.xls", data, **NAMES)
    with pytest.raises(ValueError, match="`gap` is -1"):
        read_trajectories(path, positions=["q"], gap=-1)
    with pytest.raises(FileNotFoundError):
        read_trajectories(path, positions=["q"])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("suffix", "package"), [(".parquet", "pyarrow"), (".h5", "h5py")])
def test_a_missing_package_is_named(suffix, package, tmp_path, monkeypatch):
    path = tmp_path / f"a{suffix}"
    for loaded in [name for name in sys.modules if name.partition(".")[0] == package] + [package]:
        monkeypatch.setitem(sys.modules, loaded, None)
    with pytest.raises(ImportError, match=rf"need {package}: pip install 'neural_lagrangian\[io\]'"):
        write_trajectories(path, recording(), **NAMES)
    assert list(tmp_path.iterdir()) == []
    path.write_bytes(b"x")
    with pytest.raises(ImportError, match=rf"need {package}"):
        read_trajectories(path, **NAMES)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_failed_write_leaves_the_old_file(suffix, tmp_path, monkeypatch):
    need(suffix)
    path = tmp_path / f"a{suffix}"
    write_trajectories(path, recording(), **NAMES)
    before = path.read_bytes()

    def no_space(_):
        raise OSError("no space left")

    monkeypatch.setattr("os.fsync", no_space)
    with pytest.raises(OSError, match="no space left"):
        write_trajectories(path, recording(seed=1), **NAMES)
    assert path.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_memory_is_a_small_multiple_of_the_data(suffix, tmp_path, request):
    """Loading many rows allocates arrays, not an object a number (a Python float with its slot takes 32 bytes)."""
    need(suffix)
    rows, runs = (1_000_000 if request.config.getoption("--slow") else 100_000), 10
    t = np.tile(np.arange(rows // runs) * 1e-3, runs)
    ys = np.random.default_rng(0).normal(size=(runs, rows // runs, 4))
    data = Trajectories(t.reshape(runs, -1), ys)
    path = tmp_path / f"a{suffix}"
    write_trajectories(path, data, **NAMES)
    size = data.ts.nbytes + data.ys.nbytes
    tracemalloc.start()
    try:
        same(read_trajectories(path, **NAMES), data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    sys.stdout.write(f"{suffix}: {rows} rows, peak {peak / size:.1f} times {size / 1e6:.0f} MB\n")
    assert peak < 6 * size

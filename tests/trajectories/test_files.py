"""Recordings by column names: exact round trips, units, and arguments that do not fit."""

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
from neural_lagrangian.trajectories.tables import headings_of

from .recordings import NAMES, SUFFIXES, need, recording, same


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
    with pytest.raises(DataFileError, match="expected none, since controls and parameters are not converted"):
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


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (
            ["scorer,net,net,net,net", "part,bob,bob,tip,tip", "coords,x,y,x,y"],
            ["coords", "bob_x", "bob_y", "tip_x", "tip_y"],
        ),
        (["mass A,,,mass B,,", "t,x,y,t,x,y"], [f"mass {m}_{name}" for m in "AB" for name in "txy"]),
        (["left,left,right", "t,x,y"], ["t", "x", "y"]),
        (["a title", "t,x,x"], ["t", "x", "x"]),
    ],
)
def test_names_that_occur_twice_get_the_words_above_them(lines, expected, tmp_path):
    path = tmp_path / "a.csv"
    rows = [",".join(str(k + 0.5 * i) for i in range(len(expected))) for k in range(9)]
    path.write_text("\n".join([*lines, *rows]))
    assert [heading.name for heading in headings_of(path)] == expected


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

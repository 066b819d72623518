"""Faulty and damaged files are refused, and each fault is named with its place."""

import contextlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neural_lagrangian.trajectories import DataFileError, read_trajectories, write_trajectories

from .recordings import NAMES, need, recording, same

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

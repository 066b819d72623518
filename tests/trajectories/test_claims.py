"""Binary files that claim more than they store: a clear error, before memory is taken for it."""

import io
import tracemalloc
import zipfile

import numpy as np
import pytest

from neural_lagrangian.trajectories import DataFileError, read_trajectories
from neural_lagrangian.trajectories.claims import ALWAYS_READ, check_claim

pytestmark = pytest.mark.bad_input
ROWS = 12
NAMES = ("t", "q", "v")


def columns():
    ts = np.linspace(0.0, 1.0, ROWS)
    return {"t": ts, "q": np.cos(ts), "v": -np.sin(ts)}


def read(path):
    return read_trajectories(path, positions=["q"], velocities=["v"])


def refused(path, message):
    """Within a few MiB."""
    tracemalloc.start()
    try:
        with pytest.raises(DataFileError, match=message):
            read(path)
        assert tracemalloc.get_traced_memory()[1] < 1 << 24
    finally:
        tracemalloc.stop()


def npy_header(shape, dtype="<f8"):
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": dtype, "fortran_order": False, "shape": shape})
    return file.getvalue()


def write_npz(path, entries, method=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in entries.items():
            archive.writestr(f"{name}.npy", content)


def npy(array):
    file = io.BytesIO()
    np.lib.format.write_array(file, array)
    return file.getvalue()


@pytest.mark.parametrize("shape", [(10**13,), (2**62, 4), (ROWS + 1,), (ROWS - 1,)])
def test_a_shape_that_is_not_that_of_the_content_is_refused(shape, tmp_path):
    entries = {name: npy(column) for name, column in columns().items()}
    write_npz(tmp_path / "sound.npz", entries)
    assert read(tmp_path / "sound.npz").ys.shape == (1, ROWS, 2)
    write_npz(tmp_path / "a.npz", entries | {"v": npy_header(shape) + columns()["v"].tobytes()})
    refused(tmp_path / "a.npz", "column 'v': the file is damaged: it claims .* by its shape")


def test_an_archive_that_unpacks_to_many_times_its_size_is_refused(tmp_path):
    rows = 3 * (1 << 20)
    bomb = npy_header((rows,)) + bytes(8 * rows)
    write_npz(tmp_path / "a.npz", dict.fromkeys(NAMES, bomb), zipfile.ZIP_DEFLATED)
    assert (tmp_path / "a.npz").stat().st_size < 1 << 20
    refused(tmp_path / "a.npz", r"claims columns of 72 MiB and stores .* KiB for them")


def test_an_array_without_an_archive_is_refused(tmp_path):
    (tmp_path / "a.npz").write_bytes(npy_header((10**13,)) + bytes(100))
    refused(tmp_path / "a.npz", "not a NumPy archive")


def test_motion_that_compresses_well_is_read(tmp_path):
    """Negative control: columns that do not change, of a long recording."""
    rows = 4 * ALWAYS_READ // 8 // 3
    check_claim(tmp_path, 3 * 8 * rows, 8 * rows // 20)
    np.savez_compressed(tmp_path / "a.npz", t=np.arange(1e5), q=np.zeros(100_000), v=np.zeros(100_000))
    motion = read(tmp_path / "a.npz")
    np.testing.assert_array_equal(motion.ts, np.arange(1e5)[None])
    np.testing.assert_array_equal(motion.ys, np.zeros((1, 100_000, 2)))


def test_parquet_rows_that_are_not_stored_are_refused(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    rows = 3 * (1 << 20)
    table = pyarrow.table({name: pyarrow.array(np.zeros(rows)) for name in NAMES})
    pytest.importorskip("pyarrow.parquet").write_table(table, tmp_path / "a.parquet")
    refused(tmp_path / "a.parquet", "claims columns of 72 MiB")


class TestSheets:
    @pytest.fixture
    def write(self, tmp_path):
        openpyxl = pytest.importorskip("openpyxl")
        pytest.importorskip("python_calamine")

        def written(**places):
            book = openpyxl.Workbook()
            book.active.append(list(NAMES))
            for row in zip(*columns().values(), strict=True):
                book.active.append([float(x) for x in row])
            for place, value in places.items():
                book.active[place] = value
            book.save(tmp_path / "a.xlsx")
            return tmp_path / "a.xlsx"

        return written

    def test_a_cell_far_out_is_refused(self, write):
        """The table itself is read (negative control); with one cell at the last place a reader would take 400 GiB."""
        np.testing.assert_allclose(read(write()).ys[0, :, 0], columns()["q"])
        refused(write(XFD1048576=1.0), "claims a sheet of 1048576 rows and 16384 columns and stores 40 cells")

    def test_a_part_that_unpacks_to_many_times_its_size_is_refused(self, write):
        path = write()
        with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("xl/padding.xml", bytes(ALWAYS_READ + 1))
        refused(path, "claims columns of")


class TestHDF5:
    @pytest.fixture
    def h5py(self):
        return pytest.importorskip("h5py")

    def write(self, h5py, path, **changes):
        with h5py.File(path, "w") as root:
            for name, column in (columns() | changes).items():
                if column is not None:
                    root.create_dataset(name, data=column)

    def test_data_sets_of_which_nothing_is_stored_are_refused(self, h5py, tmp_path):
        with h5py.File(tmp_path / "a.h5", "w") as root:
            for name in NAMES:
                root.create_dataset(name, (10**13,), "f8", chunks=(1024,))
        refused(tmp_path / "a.h5", r"claims columns of 218.3 TiB and stores 0 bytes")

    def virtual(self, h5py, path, source, inside="v", shape=(ROWS,)):
        self.write(h5py, path, v=None)
        layout = h5py.VirtualLayout(shape, "f8")
        layout[:ROWS] = h5py.VirtualSource(source, inside, shape=(ROWS,))
        with h5py.File(path, "a") as root:
            root.create_virtual_dataset("v", layout)

    def test_a_virtual_data_set_is_read_where_its_data_are(self, h5py, tmp_path):
        self.write(h5py, tmp_path / "data.h5")
        self.virtual(h5py, tmp_path / "a.h5", "data.h5")
        np.testing.assert_array_equal(read(tmp_path / "a.h5").ys[0, :, 1], columns()["v"])

    @pytest.mark.parametrize(
        ("source", "inside", "shape", "message"),
        [
            ("absent.h5", "v", (ROWS,), "virtual data set, and its data file 'absent.h5' does not exist"),
            (
                "data.h5",
                "w",
                (ROWS,),
                "column 'v': is a virtual data set, and its data file 'data.h5' has no data set 'w'",
            ),
            ("a.h5", "v", (ROWS,), "column 'v': is a virtual data set of another virtual data set"),
            (
                "data.h5",
                "v",
                (10**13,),
                f"column 'v': is a virtual data set with data for {ROWS} of its 10000000000000",
            ),
        ],
    )
    def test_a_virtual_data_set_without_its_data_is_refused(self, source, inside, shape, message, h5py, tmp_path):
        """HDF5 would fill in zeros without a word, or end the process."""
        self.write(h5py, tmp_path / "data.h5")
        self.virtual(h5py, tmp_path / "a.h5", source, inside, shape)
        refused(tmp_path / "a.h5", message)

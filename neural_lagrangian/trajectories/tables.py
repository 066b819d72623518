"""Reading and writing of tables with named columns: text, NumPy, Excel, Parquet and HDF5 files, and data frames."""

import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, TypeAlias

import numpy as np

from .._atomic import atomic_write
from .claims import check_hdf5, check_npz, check_parquet
from .errors import DataFileError
from .headings import CellKind, Heading, find_heading, heading_of
from .optional import optional
from .sheets import read_sheet, sheet_headings
from .table import Table, Wanted
from .text_tables import read_text, text_headings, write_csv

Load: TypeAlias = Callable[[Sequence[str]], Mapping[str, Any]]
"""Callable from column names to columns by name."""


class Format(NamedTuple):
    """Functions for one file format: read the headings, read columns, and write (`None` if it is only read)."""

    headings: Callable[[Path], list[Heading]]
    read: Callable[[Path, Wanted], Table]
    write: Callable[[BinaryIO, dict[str, np.ndarray]], None] | None


def headings_of(source: Any) -> list[Heading]:
    """The headings of the columns of a file or a data frame, in order.

    **Raises:** as `read_table`.
    """
    if isinstance(source, Path):
        return _format(source).headings(source)
    return [heading_of(str(name), _kind_of(np.asarray(source[name]))) for name in _names_of(source)]


def read_table(source: Any, numbers: Sequence[str], labels: Sequence[str] = (), *, clock: str | None = None) -> Table:
    """Read named columns of a file or a data frame.

    **Arguments:**

    - `source`: a path, or a table with named columns such as a pandas or polars data frame.
    - `numbers`: names of numeric columns. They are read in double precision, with NaN for empty cells.
    - `labels`: names of columns that are not converted.
    - `clock`: one of `numbers` that may contain dates or times of day as text.

    **Raises:** `DataFileError` if the file is damaged, a column is missing, or a numeric column contains other cells.
    `OSError` if the file cannot be opened. `ImportError` if the format needs a package that is not installed.
    """
    path = source if isinstance(source, Path) else None
    headings = headings_of(source)
    found = {name: find_heading(headings, name, path) for name in (*numbers, *labels)}
    clocks = (found[clock],) if clock is not None and headings[found[clock]].kind in ("clock", "text") else ()
    wanted = Wanted(tuple(found[name] for name in numbers), clocks, tuple(found[name] for name in labels))
    table = _of_frame(source, wanted) if path is None else _format(path).read(path, wanted)
    columns = {name: table.columns[headings[i].text] for name, i in found.items()}
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) != 1:
        raise DataFileError(f"columns have different lengths: {lengths}; expected the same", path=path)
    if 0 in lengths.values():
        raise DataFileError("the file has no rows; expected at least one", path=path)
    return table._replace(columns=columns)


def write_table(path: Path, columns: dict[str, np.ndarray]) -> None:
    """Write columns of equal length to a file. The write is atomic.

    **Raises:** `ValueError` for an unknown suffix, or a format that can only be read.
    """
    write = _format(path).write
    if write is None:
        written = ", ".join(suffix for suffix, kind in _FORMATS.items() if kind.write is not None)
        raise ValueError(f"`path` is {str(path)!r}; this format can only be read; expected a suffix of {written}")
    with atomic_write(path) as file:
        write(file, columns)


def suffixes() -> tuple[str, ...]:
    """The suffixes of the files that can be read."""
    return tuple(_FORMATS)


def _format(path: Path) -> Format:
    try:
        return _FORMATS[path.suffix.lower()]
    except KeyError:
        raise ValueError(f"`path` is {str(path)!r}; expected a suffix of {', '.join(_FORMATS)}") from None


def _kind_of(column: np.ndarray) -> CellKind:
    return "number" if column.dtype.kind in "fiu" else "clock" if column.dtype.kind in "Mm" else "text"


def _numeric(path: Path | None, name: str, column: Any) -> np.ndarray:
    """A column of a binary file in double precision."""
    array = np.asarray(column)
    if array.ndim != 1:
        raise DataFileError(f"has shape {array.shape}; expected (row,)", path=path, column=name)
    if array.dtype.kind not in "fiu":
        raise DataFileError(f"has dtype {array.dtype}; expected real numbers", path=path, row=1, column=name)
    return array.astype(np.float64, copy=False)


def _columns(path: Path | None, headings: Sequence[Heading], wanted: Wanted, load: Load) -> Table:
    loaded, columns = load([headings[i].text for i in wanted.columns]), {}
    for i in wanted.columns:
        name = headings[i].text
        plain = i in wanted.numbers and i not in wanted.clocks
        columns[name] = _numeric(path, name, loaded[name]) if plain else np.asarray(loaded[name])
    return Table(columns, 1, "row")


# Data frames


def _names_of(source: Any) -> list[Any]:
    """The column names of a data frame or a mapping of arrays.

    **Raises:** `ValueError` for other types.
    """
    if isinstance(source, Mapping):
        return list(source)
    if not hasattr(source, "columns") or not hasattr(source, "__getitem__"):
        raise ValueError(f"`path` is of type {type(source).__name__}; expected a path, or a data frame")
    return list(source.columns)


def _of_frame(source: Any, wanted: Wanted) -> Table:
    names = {str(name): name for name in _names_of(source)}

    def load(wanted: Sequence[str]) -> dict[str, Any]:
        columns = {name: source[names[name]] for name in wanted}
        return {name: c.to_numpy() if hasattr(c, "to_numpy") else c for name, c in columns.items()}

    return _columns(None, headings_of(source), wanted, load)


# Binary files


def _binary(opened: Callable[[BinaryIO], Any]) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Functions that read headings and columns of a binary format.

    `opened(file)` is a context manager that gives the types of the columns by name, and a function that loads columns.
    All errors of the file become `DataFileError`.
    """

    def within(path: Path, use: Callable[[list[Heading], Load], Any]) -> Any:
        with path.open("rb") as file:
            try:
                with opened(file) as (kinds, load):
                    return use([heading_of(name, kind) for name, kind in kinds.items()], load)
            except (DataFileError, ImportError, MemoryError):
                raise
            except Exception as error:  # each library has its own errors: zipfile, zlib, struct, arrow, HDF5
                raise DataFileError(f"the file is damaged or of another format: {error}", path=path) from error

    def headings(path: Path) -> list[Heading]:
        return within(path, lambda headings, _: headings)

    def read(path: Path, wanted: Wanted) -> Table:
        return within(path, lambda headings, load: _columns(path, headings, wanted, load))

    return headings, read


@contextmanager
def _npz_columns(file: BinaryIO) -> Iterator[tuple[dict[str, CellKind], Load]]:
    if not zipfile.is_zipfile(file):
        raise ValueError("it is not a NumPy archive")
    file.seek(0)
    with np.load(file, allow_pickle=False) as archive:

        def load(names: Sequence[str]) -> dict[str, Any]:
            check_npz(Path(file.name), archive.zip, names)
            return {name: archive[name] for name in names}

        yield dict.fromkeys(archive.files, "number"), load


def _write_npz(file: BinaryIO, columns: dict[str, np.ndarray]) -> None:
    with zipfile.ZipFile(file, "w") as archive:  # like np.savez, whose keywords would exclude some column names
        for name, column in columns.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, column, allow_pickle=False)


@contextmanager
def _parquet_columns(file: BinaryIO) -> Iterator[tuple[dict[str, CellKind], Load]]:
    pyarrow = optional("pyarrow", "Parquet")
    parquet = optional("pyarrow.parquet", "Parquet").ParquetFile(file)

    def kind(type_: Any) -> CellKind:
        numeric = pyarrow.types.is_integer(type_) or pyarrow.types.is_floating(type_)
        return "number" if numeric else "clock" if pyarrow.types.is_temporal(type_) else "text"

    fields = list(parquet.schema_arrow)
    if len({field.name for field in fields}) != len(fields):
        raise ValueError(f"columns appear more than once: {[field.name for field in fields]}")

    def load(names: Sequence[str]) -> dict[str, Any]:
        check_parquet(Path(file.name), parquet.metadata, names)
        table = parquet.read(columns=list(names))
        return {name: table.column(name).to_numpy() for name in names}  # null numbers become NaN

    yield {field.name: kind(field.type) for field in fields}, load


def _write_parquet(file: BinaryIO, columns: dict[str, np.ndarray]) -> None:
    pyarrow, parquet = optional("pyarrow", "Parquet"), optional("pyarrow.parquet", "Parquet")
    sink = pyarrow.BufferOutputStream()
    parquet.write_table(pyarrow.table(columns), sink)
    file.write(sink.getvalue())


@contextmanager
def _hdf5_columns(file: BinaryIO) -> Iterator[tuple[dict[str, CellKind], Load]]:
    h5py = optional("h5py", "HDF5")
    found: dict[str, CellKind] = {}

    def see(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            found[name] = "text" if h5py.check_string_dtype(item.dtype) else "number"

    with h5py.File(file.name, "r", locking=False) as root:  # by name: virtual data sets fail with a file object
        root.visititems(see)

        def load(names: Sequence[str]) -> dict[str, Any]:
            check_hdf5(Path(file.name), [(name, root[name]) for name in names])
            return {n: root[n].asstr()[()] if found[n] == "text" else root[n][()] for n in names}

        yield found, load


def _write_hdf5(file: BinaryIO, columns: dict[str, np.ndarray]) -> None:
    with optional("h5py", "HDF5").File(file, "w") as root:
        for name, column in columns.items():
            root.create_dataset(name, data=column)


_TEXT = Format(text_headings, read_text, None)
_SHEET = Format(sheet_headings, read_sheet, None)
_HDF5 = Format(*_binary(_hdf5_columns), _write_hdf5)
_FORMATS = {
    ".csv": _TEXT._replace(write=write_csv),
    ".tsv": _TEXT,
    ".txt": _TEXT,
    ".dat": _TEXT,
    ".npz": Format(*_binary(_npz_columns), _write_npz),
    ".xlsx": _SHEET,
    ".xls": _SHEET,
    ".ods": _SHEET,
    ".parquet": Format(*_binary(_parquet_columns), _write_parquet),
    ".h5": _HDF5,
    ".hdf5": _HDF5,
}

"""Tables of named columns in files: CSV, NumPy (.npz), Parquet and HDF5, told apart by the suffix."""

import csv
import importlib
import io
import warnings
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from .._atomic import atomic_write
from .claims import check_hdf5, check_npz, check_parquet
from .errors import DataFileError

BLOCK = 1 << 16
"""Rows, or bytes, handled at a time."""


class Table(NamedTuple):
    """Columns of one length by name; `first_row` is the number of their first row as the user counts, `counted`."""

    columns: dict[str, np.ndarray]
    first_row: int
    counted: str


class Format(NamedTuple):
    """How one kind of file is read, given the names of numeric columns and of labels, and how it is written."""

    read: Callable[[Path, Sequence[str], Sequence[str]], Table]
    write: Callable[[BinaryIO, dict[str, np.ndarray]], None]


def read_table(path: Path, numbers: Sequence[str], labels: Sequence[str] = ()) -> Table:
    """The named columns: `numbers` in double precision, `labels` as they are.

    **Raises:** `DataFileError` if the file is damaged, lacks a column, or holds something else than a number in
    one; `OSError` if it cannot be opened; `ImportError` if the format needs a package that is not installed.
    """
    table = _format(path).read(path, numbers, labels)
    lengths = {name: len(column) for name, column in table.columns.items()}
    if len(set(lengths.values())) != 1:
        raise DataFileError(f"columns have different lengths: {lengths}; expected the same", path=path)
    if 0 in lengths.values():
        raise DataFileError("the file has no rows; expected at least one", path=path)
    return table


def write_table(path: Path, columns: dict[str, np.ndarray]) -> None:
    """Write columns of one length, all or nothing."""
    write = _format(path).write
    with atomic_write(path) as file:
        write(file, columns)


def _format(path: Path) -> Format:
    try:
        return _FORMATS[path.suffix.lower()]
    except KeyError:
        raise ValueError(f"`path` is {str(path)!r}; expected a suffix of {', '.join(_FORMATS)}") from None


def _check_names(path: Path, found: Sequence[str], wanted: Sequence[str]) -> None:
    for name in wanted:
        if found.count(name) != 1:
            fault = "is absent" if name not in found else "appears more than once"
            raise DataFileError(f"{fault}; the file has {', '.join(map(repr, found))}", path=path, column=name)


def _numeric(path: Path, name: str, column: Any) -> np.ndarray:
    """A column of a binary file in double precision."""
    array = np.asarray(column)
    if array.ndim != 1:
        raise DataFileError(f"has shape {array.shape}; expected (row,)", path=path, column=name)
    if array.dtype.kind not in "fiu":
        raise DataFileError(f"has dtype {array.dtype}; expected real numbers", path=path, row=1, column=name)
    return array.astype(np.float64, copy=False)


def _binary(load: Callable[..., dict[str, Any]]) -> Callable[[Path, Sequence[str], Sequence[str]], Table]:
    """A reader from `load(file, check_names, names)`, with every fault of the file as a `DataFileError`."""

    def read(path: Path, numbers: Sequence[str], labels: Sequence[str]) -> Table:
        names = [*numbers, *labels]
        with path.open("rb") as file:
            try:
                columns = load(file, lambda found: _check_names(path, found, names), names)
                arrays = {n: _numeric(path, n, c) if n in numbers else np.asarray(c) for n, c in columns.items()}
            except (DataFileError, ImportError, MemoryError):
                raise
            except Exception as error:  # each library has its own: zipfile, zlib, struct, arrow, HDF5
                raise DataFileError(f"the file is damaged or of another format: {error}", path=path) from error
        return Table(arrays, 1, "row")

    return read


def _optional(module: str, kind: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise ImportError(f"{kind} files need {package}: pip install 'neural_lagrangian[io]'") from error


# CSV


def _read_csv(path: Path, numbers: Sequence[str], labels: Sequence[str]) -> Table:
    """Parsed by NumPy in C. Only when something is wrong are the lines gone through one by one, to say where."""
    header: list[str] = []
    try:
        with path.open(encoding="utf-8-sig", newline="", errors="replace") as file:
            header = [name.strip() for name in next(csv.reader(file), [])]
        lines, commas = _count(path)
        if lines < 2:
            raise DataFileError("the file has no rows below a header; expected at least one", path=path)
        _check_names(path, header, [*numbers, *labels])
        columns = dict(zip(numbers, _load_text(path, header, numbers, np.float64).T, strict=True))
        for name in labels:
            columns[name] = _load_text(path, header, [name], np.str_)[:, 0]
        spanning = len(columns[numbers[0]]) + 1 != lines
        if spanning or commas != lines * (len(header) - 1):
            _locate_fault(path, header, numbers)
        if spanning:
            raise DataFileError("a field spans several lines; expected one line a row", path=path)
    except DataFileError:
        raise
    except (ValueError, csv.Error) as error:
        _locate_fault(path, header, numbers)  # else what NumPy said
        raise DataFileError(f"the file cannot be read as CSV: {error}", path=path) from error
    return Table(columns, 2, "line")


def _count(path: Path) -> tuple[int, int]:
    """Lines, those that end the file blank left out, and commas in it."""
    newlines = commas = blank = 0
    with path.open("rb") as file:
        for block in iter(lambda: file.read(BLOCK), b""):
            newlines += block.count(b"\n")
            commas += block.count(b",")
            tail = block.rstrip(b"\r\n")
            blank = block[len(tail) :].count(b"\n") + (blank if not tail else 0)
    return newlines - blank + 1, commas


def _load_text(path: Path, header: Sequence[str], names: Sequence[str], dtype: Any) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of blank lines, which are errors of the caller's
        return np.loadtxt(
            path,
            dtype=dtype,
            comments=None,
            delimiter=",",
            skiprows=1,
            usecols=[header.index(name) for name in names],
            ndmin=2,
            encoding="utf-8-sig",
            quotechar='"',
        )


def _locate_fault(path: Path, header: Sequence[str], numbers: Sequence[str]) -> None:
    """Raise `DataFileError` at the first line that is not a row of the table, if there is one."""
    places = [(name, header.index(name)) for name in numbers if name in header]
    blank = 0

    def fault(message: str, line: int, column: str | None = None) -> DataFileError:
        return DataFileError(message, path=path, row=line, column=column, counted="line")

    with path.open(encoding="utf-8-sig", newline="", errors="replace") as file:
        reader = csv.reader(file)
        try:
            next(reader)
            for fields in reader:
                if not fields:
                    blank = blank or reader.line_num
                    continue
                if blank:
                    raise fault("is blank; expected a row", blank)
                if len(fields) != len(header):
                    raise fault(f"has {len(fields)} fields; expected {len(header)}, as the header", reader.line_num)
                for name, place in places:
                    if not _is_number(fields[place]):
                        found = fields[place].strip()
                        what = f"{found!r} is not a number" if found else "is missing"
                        raise fault(f"{what}; expected a number", reader.line_num, name)
        except csv.Error as error:
            raise fault(f"cannot be read as CSV: {error}", reader.line_num) from error


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return "_" not in text


def _write_csv(file: BinaryIO, columns: dict[str, np.ndarray]) -> None:
    """Numbers as Python writes them: the shortest text that reads back as the same number."""
    text = io.TextIOWrapper(file, encoding="utf-8", newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    rows = len(next(iter(columns.values())))
    for start in range(0, rows, BLOCK):
        writer.writerows(zip(*(c[start : start + BLOCK].tolist() for c in columns.values()), strict=True))
    text.detach()


# NumPy


def _load_npz(file: BinaryIO, check_names: Callable[[Sequence[str]], None], names: Sequence[str]) -> dict[str, Any]:
    if not zipfile.is_zipfile(file):
        raise ValueError("it is no archive of NumPy")
    file.seek(0)
    with np.load(file, allow_pickle=False) as archive:
        check_names(archive.files)
        check_npz(Path(file.name), archive.zip, names)
        return {name: archive[name] for name in names}


def _write_npz(file: BinaryIO, columns: dict[str, np.ndarray]) -> None:
    with zipfile.ZipFile(file, "w") as archive:  # as np.savez, whose own keywords cannot be names of columns
        for name, column in columns.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, column, allow_pickle=False)


# Parquet


def _load_parquet(file: BinaryIO, check_names: Callable[[Sequence[str]], None], names: Sequence[str]) -> dict[str, Any]:
    parquet = _optional("pyarrow.parquet", "Parquet").ParquetFile(file)
    check_names(parquet.schema_arrow.names)
    check_parquet(Path(file.name), parquet.metadata, names)
    table = parquet.read(columns=list(names))
    return {name: table.column(name).to_numpy() for name in names}  # a null number comes as NaN


def _write_parquet(file: BinaryIO, columns: dict[str, np.ndarray]) -> None:
    pyarrow, parquet = _optional("pyarrow", "Parquet"), _optional("pyarrow.parquet", "Parquet")
    sink = pyarrow.BufferOutputStream()
    parquet.write_table(pyarrow.table(columns), sink)
    file.write(sink.getvalue())


# HDF5


def _load_hdf5(file: BinaryIO, check_names: Callable[[Sequence[str]], None], names: Sequence[str]) -> dict[str, Any]:
    h5py = _optional("h5py", "HDF5")
    with h5py.File(file.name, "r", locking=False) as root:  # by name: virtual data sets crash a file object's reader
        found: list[str] = []
        root.visititems(lambda name, item: found.append(name) if isinstance(item, h5py.Dataset) else None)
        check_names(found)
        check_hdf5(Path(file.name), [(name, root[name]) for name in names])
        return {
            name: root[name].asstr()[()] if h5py.check_string_dtype(root[name].dtype) else root[name][()]
            for name in names
        }


def _write_hdf5(file: BinaryIO, columns: dict[str, np.ndarray]) -> None:
    with _optional("h5py", "HDF5").File(file, "w") as root:
        for name, column in columns.items():
            root.create_dataset(name, data=column)


_HDF5 = Format(_binary(_load_hdf5), _write_hdf5)
_FORMATS = {
    ".csv": Format(_read_csv, _write_csv),
    ".npz": Format(_binary(_load_npz), _write_npz),
    ".parquet": Format(_binary(_load_parquet), _write_parquet),
    ".h5": _HDF5,
    ".hdf5": _HDF5,
}

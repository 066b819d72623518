"""What binary files claim to hold, checked before any memory is taken for it."""

import math
import re
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .errors import DataFileError

ALWAYS_READ = 1 << 26
"""Bytes of columns that are read, however few the file stores for them."""
MAX_EXPANSION = 200
"""Most bytes of columns for each byte that a file stores for them. Measured motion compresses tenfold at most, a column
that is constant thousandfold: damaged and hostile files claim far more than this for all columns together.
"""

SPARSE_CELLS = 1 << 22
"""Places of a sheet that are read, however few of them hold anything."""
_CELL = re.compile(rb'<c\b[^>]*?\br="([A-Z]{1,3})([0-9]{1,7})"')


def check_claim(path: Path, claimed: int, stored: int) -> None:
    """`DataFileError` if columns claim so many bytes that what is stored cannot be their compressed content."""
    if claimed > max(ALWAYS_READ, MAX_EXPANSION * stored):
        raise DataFileError(
            f"the file claims columns of {_size(claimed)} and stores {_size(stored)} for them; expected at most "
            f"{MAX_EXPANSION} times what is stored. If it is sound, write it again without compression",
            path=path,
        )


def check_npz(path: Path, archive: zipfile.ZipFile, names: Sequence[str]) -> None:
    """The shapes of the arrays of a NumPy archive, against the sizes of its entries, and those against the file's."""
    entries = [archive.getinfo(f"{name}.npy") for name in names]
    stored = min(sum(entry.compress_size for entry in entries), path.stat().st_size)
    check_claim(path, sum(entry.file_size for entry in entries), stored)
    for name, entry in zip(names, entries, strict=True):
        with archive.open(entry) as file:
            major, _ = np.lib.format.read_magic(file)
            read = np.lib.format.read_array_header_1_0 if major == 1 else np.lib.format.read_array_header_2_0
            shape, _, dtype = read(file)
            claimed = file.tell() + math.prod(shape) * dtype.itemsize
        if not dtype.hasobject and claimed != entry.file_size:
            fault = f"claims {_size(claimed)} by its shape {shape}, dtype {dtype}, and has {_size(entry.file_size)}"
            raise DataFileError(f"the file is damaged: it {fault}", path=path, column=name)


def check_sheets(path: Path) -> None:
    """The parts of a spreadsheet that is an archive, against the file's size; and the places of its cells, against
    their number: a reader takes memory for every place up to the last.
    """
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        parts = archive.infolist()
        check_claim(path, sum(part.file_size for part in parts), path.stat().st_size)
        for part in parts:
            if not part.filename.startswith("xl/worksheets/"):
                continue
            cells = _CELL.findall(archive.read(part))
            rows = max((int(row) for _, row in cells), default=0)
            columns = max((_column(letters) for letters, _ in cells), default=0)
            if rows * columns > max(SPARSE_CELLS, MAX_EXPANSION * len(cells)):
                raise DataFileError(
                    f"the file claims a sheet of {rows} rows and {columns} columns and stores {len(cells)} cells; "
                    f"expected a table",
                    path=path,
                )


def _column(letters: bytes) -> int:
    """The number of a column of a spreadsheet: A is 1, AA is 27."""
    number = 0
    for letter in letters:
        number = 26 * number + letter - ord("A") + 1
    return number


def check_parquet(path: Path, metadata: Any, names: Sequence[str]) -> None:
    """The number of rows of a Parquet file, against what is stored of the columns."""
    groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
    columns = [group.column(i) for group in groups for i in range(group.num_columns)]
    stored = sum(column.total_compressed_size for column in columns if column.path_in_schema in names)
    rows = max(metadata.num_rows, sum(group.num_rows for group in groups))
    check_claim(path, 8 * rows * len(names), min(stored, path.stat().st_size))


def check_hdf5(path: Path, datasets: Iterable[tuple[str, Any]]) -> None:
    """The shapes of HDF5 data sets, against what is stored of them; and that what virtual ones show is there."""
    claimed = stored = 0
    for name, dataset in datasets:
        claimed += dataset.size * dataset.dtype.itemsize if dataset.size is not None else 0
        stored += _stored(path, name, dataset)
    check_claim(path, claimed, stored)


def _stored(path: Path, name: str, dataset: Any) -> int:
    if not dataset.is_virtual:
        return dataset.id.get_storage_size()
    mapped = dataset.virtual_sources()
    shown = sum(source.vspace.get_select_npoints() for source in mapped)
    if shown < dataset.size:
        raise DataFileError(
            f"is virtual, and has data for {shown} of its {dataset.size} values", path=path, column=name
        )
    stored = 0
    for file_name, inside in {(source.file_name, source.dset_name) for source in mapped}:
        own = file_name == "."
        found = path if own else path.parent / file_name
        if "%" in file_name:  # a pattern for a series of files
            raise DataFileError(
                f"is virtual, of a series of files {file_name!r}; expected the data in the file itself",
                path=path,
                column=name,
            )
        if not own and not found.is_file():
            raise DataFileError(
                f"is virtual, and its data are in {file_name!r}, which is not there", path=path, column=name
            )
        with type(dataset.file)(found, "r", locking=False) as source:
            if inside not in source:
                raise DataFileError(
                    f"is virtual, and {file_name!r} has no {inside!r}, which it shows", path=path, column=name
                )
            if source[inside].is_virtual:
                raise DataFileError(
                    "is virtual, and shows what is virtual itself; expected stored data", path=path, column=name
                )
            stored += source[inside].id.get_storage_size()
    return stored


def _size(count: float) -> str:
    for unit in ("bytes", "KiB", "MiB", "GiB", "TiB"):
        if count < 1024 or unit == "TiB":
            return f"{count:.4g} {unit}"
        count /= 1024
    raise AssertionError

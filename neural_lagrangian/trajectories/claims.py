"""Checks of the sizes that binary files claim, before memory is allocated (damaged or hostile files)."""

import math
import re
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .errors import DataFileError

ALWAYS_READ = 1 << 26
"""Columns up to this size, in bytes, are always read, even if the file stores far fewer bytes."""
MAX_EXPANSION = 200
"""Maximum ratio (no unit) of the size of the columns to their compressed size. Measured motion compresses at most
tenfold, a constant column a thousandfold. Damaged and hostile files claim far more for all columns together.
"""

SPARSE_CELLS = 1 << 22
"""Sheets up to this number of cells are always read, even if few cells have content."""
_CELL = re.compile(rb'<c\b[^>]*?\br="([A-Z]{1,3})([0-9]{1,7})"')


def check_claim(path: Path, claimed: int, stored: int) -> None:
    """Raise `DataFileError` if the claimed size of the columns is too large for the number of stored bytes."""
    if claimed > max(ALWAYS_READ, MAX_EXPANSION * stored):
        raise DataFileError(
            f"the file claims columns of {_size(claimed)} and stores {_size(stored)} for them; expected at most "
            f"{MAX_EXPANSION} times the stored size. If the file is correct, write it again without compression",
            path=path,
        )


def check_npz(path: Path, archive: zipfile.ZipFile, names: Sequence[str]) -> None:
    """Check that the array shapes in a NumPy archive match the sizes of its entries, and these the file size."""
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
    """Check the sizes of the parts of a spreadsheet, and the number of rows and columns of its sheets.

    A reader allocates memory for every cell up to the last one, even if most are empty.
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
    """Check that the number of rows of a Parquet file is possible for the stored size of its columns."""
    groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
    columns = [group.column(i) for group in groups for i in range(group.num_columns)]
    stored = sum(column.total_compressed_size for column in columns if column.path_in_schema in names)
    rows = max(metadata.num_rows, sum(group.num_rows for group in groups))
    check_claim(path, 8 * rows * len(names), min(stored, path.stat().st_size))


def check_hdf5(path: Path, datasets: Iterable[tuple[str, Any]]) -> None:
    """Check that the shapes of HDF5 data sets match their stored sizes, and that virtual data sets have their data."""
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
            f"is a virtual data set with data for {shown} of its {dataset.size} values; expected data for all",
            path=path,
            column=name,
        )
    stored = 0
    for file_name, inside in {(source.file_name, source.dset_name) for source in mapped}:
        own = file_name == "."
        found = path if own else path.parent / file_name
        if "%" in file_name:  # a pattern for a series of files
            raise DataFileError(
                f"is a virtual data set of a series of files {file_name!r}; expected the data in the file itself",
                path=path,
                column=name,
            )
        if not own and not found.is_file():
            raise DataFileError(
                f"is a virtual data set, and its data file {file_name!r} does not exist; put it beside this file",
                path=path,
                column=name,
            )
        with type(dataset.file)(found, "r", locking=False) as source:
            if inside not in source:
                raise DataFileError(
                    f"is a virtual data set, and its data file {file_name!r} has no data set {inside!r}",
                    path=path,
                    column=name,
                )
            if source[inside].is_virtual:
                raise DataFileError(
                    "is a virtual data set of another virtual data set; expected stored data", path=path, column=name
                )
            stored += source[inside].id.get_storage_size()
    return stored


def _size(count: float) -> str:
    for unit in ("bytes", "KiB", "MiB", "GiB", "TiB"):
        if count < 1024 or unit == "TiB":
            return f"{count:.4g} {unit}"
        count /= 1024
    raise AssertionError

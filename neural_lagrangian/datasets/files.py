"""Files of published data sets: address, checksum, licence, and download."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import pooch

from ..trajectories import DataFileError

DATA_VARIABLE = "NEURAL_LAGRANGIAN_DATA"
"""Environment variable with the folder that is searched for data files before they are downloaded."""


@dataclass(frozen=True)
class DataFile:
    """A file of a published data set: where to download it, and how to check it.

    - `name`: path of the file below the data folder.
    - `url`: public address. `sha256`: SHA-256 checksum of the content, in hexadecimal digits.

    **Example:**

    ```python
    >>> import neural_lagrangian as nl
    >>> [file.name for file in nl.datasets.provenance("kaheman_single").files]
    ['kaheman/SinglePendulumDataForParameterEstimation.mat']
    ```
    """

    name: str
    url: str
    sha256: str


@dataclass(frozen=True)
class Provenance:
    """Source, citation and licence of a measured data set. Print it.

    - `name`: name of the data set in this package. `title`: the measurement.
    - `citation`: the reference to cite. `licence`: terms of use.
    - `notes`: units, conventions and processing. `files`: the files to download.
    """

    name: str
    title: str
    citation: str
    licence: str
    notes: str
    files: tuple[DataFile, ...]

    def __str__(self) -> str:
        lines = [f"{self.name}: {self.title}"]
        lines += [f"  Cite:    {self.citation}", f"  Licence: {self.licence}", f"  Notes:   {self.notes}"]
        lines += [f"  File:    {file.url}\n           SHA-256 {file.sha256}" for file in self.files]
        return "\n".join(lines)


def fetch(file: DataFile) -> Path:
    """The path of a data file, which is downloaded if necessary.

    The search order is: the folder in the environment variable `NEURAL_LAGRANGIAN_DATA`, the user's cache, the public
    address.

    **Raises:** `DataFileError` if the file was changed, or if it is missing and cannot be downloaded.
    """
    folder = os.environ.get(DATA_VARIABLE)
    if folder:
        path = Path(folder) / file.name
        if path.is_file():
            found = hashlib.sha256(path.read_bytes()).hexdigest()
            if found != file.sha256:
                raise DataFileError(
                    f"{path} was changed or truncated: its SHA-256 is {found}, expected {file.sha256}. Delete it, and "
                    f"it is downloaded again"
                )
            return path
    cached = Path(pooch.os_cache("neural_lagrangian")) / file.name
    try:
        return Path(
            pooch.retrieve(file.url, f"sha256:{file.sha256}", fname=cached.name, path=cached.parent, progressbar=False)
        )
    except Exception as error:  # the errors of pooch and its downloaders are not documented
        looked = f"not in {folder}" if folder else f"{DATA_VARIABLE} is not set"
        raise DataFileError(
            f"{file.name}: {looked}, and the download from {file.url} failed ({error}). Set {DATA_VARIABLE} to a "
            f"folder that contains this file, or try again with a network connection"
        ) from None

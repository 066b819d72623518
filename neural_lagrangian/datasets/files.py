"""Measured data files: what they are, and where they come from."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import pooch

from ..trajectories import DataFileError

DATA_VARIABLE = "NEURAL_LAGRANGIAN_DATA"


@dataclass(frozen=True)
class DataFile:
    """A file known by its content: `name` below the data folder, public address, SHA-256.

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
    """Where a measured data set comes from; `print` it.

    `name`: as the package calls it. `title`: what was measured. `citation`: whom to cite. `licence`: under which
    terms. `notes`: what a user of the numbers should know. `files`: what is downloaded.
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
    """Path of a data file.

    Looks first below the folder named by the environment variable `NEURAL_LAGRANGIAN_DATA`, then in the user's
    cache, then at its public address.

    **Raises:** `DataFileError` if the file was altered, or is absent and cannot be downloaded.
    """
    folder = os.environ.get(DATA_VARIABLE)
    if folder:
        path = Path(folder) / file.name
        if path.is_file():
            found = hashlib.sha256(path.read_bytes()).hexdigest()
            if found != file.sha256:
                raise DataFileError(f"{path} was altered or truncated: its SHA-256 is {found}, expected {file.sha256}")
            return path
    cached = Path(pooch.os_cache("neural_lagrangian")) / file.name
    try:
        return Path(
            pooch.retrieve(file.url, f"sha256:{file.sha256}", fname=cached.name, path=cached.parent, progressbar=False)
        )
    except Exception as error:  # what pooch and its downloaders raise is not documented
        looked = f"not in {folder}, " if folder else f"{DATA_VARIABLE} is not set, "
        raise DataFileError(f"{file.name}: {looked}and no valid copy could be had from {file.url}: {error}") from None

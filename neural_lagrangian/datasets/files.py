"""Where measured data files come from: a local folder, the user's cache, or their public address."""

import hashlib
import os
from pathlib import Path

import pooch

DATA_VARIABLE = "NEURAL_LAGRANGIAN_DATA"


class DataFileError(ValueError):
    """A data file that cannot be had, cannot be read, or is not the file it should be."""


def fetch(name: str, *, url: str, sha256: str) -> Path:
    """Path of a data file whose content is known by its SHA-256.

    Looks first for `name` below the folder named by the environment variable `NEURAL_LAGRANGIAN_DATA`, then in the
    user's cache, then at `url`.

    **Raises:** `DataFileError` if the file was altered, or is absent and cannot be downloaded.
    """
    folder = os.environ.get(DATA_VARIABLE)
    if folder:
        path = Path(folder) / name
        if path.is_file():
            found = hashlib.sha256(path.read_bytes()).hexdigest()
            if found != sha256:
                raise DataFileError(f"{path} was altered or truncated: its SHA-256 is {found}, expected {sha256}")
            return path
    cached = Path(pooch.os_cache("neural_lagrangian")) / name
    try:
        return Path(
            pooch.retrieve(url, known_hash=f"sha256:{sha256}", fname=cached.name, path=cached.parent, progressbar=False)
        )
    except Exception as error:
        looked = f"not in {folder}, " if folder else f"{DATA_VARIABLE} is not set, "
        raise DataFileError(f"{name}: {looked}and no valid copy could be had from {url}: {error}") from None

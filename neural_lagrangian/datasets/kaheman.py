"""Recordings of a real single and double pendulum, swinging freely (Kaheman et al. 2022)."""

from typing import Literal

import numpy as np

from ..trajectories import DataFileError, Trajectories
from .files import DataFile, Provenance, fetch

_ADDRESS = (
    "https://raw.githubusercontent.com/dynamicslab/MultiArm-Pendulum/"
    "e99a7e13fe2adc8fc647321a156b6cb59a48a698/ParameterEstimation"
)


def _provenance(arms: str, pieces: str, sha256: str) -> Provenance:
    folder = f"{arms.capitalize()}Pendulum"
    name = f"{folder}DataForParameterEstimation.mat"
    return Provenance(
        name=f"kaheman_{arms}",
        title=f"one long free swing of a real {arms} pendulum, encoders at 1 kHz, {pieces}",
        citation=(
            "Kaheman, Fasel, Bramburger, Strom, Kutz and Brunton (2022), The Experimental Multi-Arm Pendulum on a "
            "Cart: A Benchmark System for Chaos, Learning, and Control, arXiv:2205.06231"
        ),
        licence="MIT, Copyright dynamicslab",
        notes="angles in rad (pi hangs down), rates in rad/s, denoised by the authors and about 1 ms late; damped",
        files=(DataFile(f"kaheman/{name}", f"{_ADDRESS}/{folder}/{name}", sha256),),
    )


PROVENANCE = {
    "single": _provenance(
        "single", "6 pieces of 9.167 s", "f3b8cdda4a6e86405ec37ff32b98be76fd37806a609cba7870628c1e40377a98"
    ),
    "double": _provenance(
        "double", "30 pieces of 2.667 s", "4bf9e4006aa83b2b003295ac1b1946717eec87d76873834d6248683aca419902"
    ),
}


def kaheman_pendulum(arms: Literal["single", "double"], pieces: Literal["all", "even", "odd"] = "all") -> Trajectories:
    """A long free swing of a real, damped pendulum, recorded by encoders at 1 kHz and cut into pieces.

    The single pendulum has 6 pieces of 9.167 s, the double pendulum 30 pieces of 2.667 s. The times of each piece start
    at zero. Angles are absolute, in radians; pi is hanging straight down. The velocities were denoised by the authors
    and lag the angles by about 1 ms.

    (Kaheman, Fasel, Bramburger, Strom, Kutz and Brunton, "The Experimental Multi-Arm Pendulum on a Cart",
    arXiv:2205.06231; MIT licence.)

    **Arguments:**

    - `arms`: `"single"` (dof 1) or `"double"` (dof 2).
    - `pieces`: `"even"` (for training), `"odd"` (for testing) or `"all"`. Pieces are counted from 0.

    **Raises:** `ValueError` for an unknown option. `DataFileError` if the file is changed, unreadable or missing.

    **Example:**

    ```python
    >>> import neural_lagrangian as nl
    >>> swings = nl.datasets.kaheman_pendulum("single")
    >>> len(swings), swings.dof, round(float(swings.ts[0, 1]), 4)  # pieces, dof, and sampling interval in seconds
    (6, 1, 0.001)
    ```
    """
    if arms not in PROVENANCE:
        raise ValueError(f"`arms` is {arms!r}; expected one of {sorted(PROVENANCE)}")
    starts = {"all": slice(None), "even": slice(0, None, 2), "odd": slice(1, None, 2)}
    if pieces not in starts:
        raise ValueError(f"`pieces` is {pieces!r}; expected one of {sorted(starts)}")
    from scipy.io import loadmat  # imported here because it takes a second, and `simulate` does not need it

    path = fetch(*PROVENANCE[arms].files)
    try:
        recording = loadmat(path)
        ys = [piece.T for key in ("Y_id", "Y_vad") for piece in recording[key].ravel()]
        dt = float(recording["dt"].squeeze())
    except Exception as error:  # the errors of SciPy for damaged files are not documented
        raise DataFileError(
            f"cannot be read as this recording: {error}. Delete it to load it again", path=path
        ) from error
    chosen = ys[starts[pieces]]
    return Trajectories([dt * np.arange(len(y)) for y in chosen], chosen)

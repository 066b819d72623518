"""Orbits of the inner planets (JPL Horizons)."""

import re
from collections.abc import Sequence

import numpy as np

from ..trajectories import DataFileError, Trajectories, si_factor
from .files import DataFile, Provenance, fetch

_ADDRESS = "https://raw.githubusercontent.com/greydanus/ncf/536db99772ea9925718491a285a760f6bc3086cc/data"
_SHA256 = {
    "sun": "66f1eda6af08351a7c14c88af607981b3f81ac6eca4bfb9f8f96ca5357c0e070",
    "mercury": "2a6bd47beb03479b7038cbe163c51d608e5e5e795625e3d9d3caafe253b82fa3",
    "venus": "7342fa3b8cb48b48c7eb756e60f0b81e1e8dca963b4ef5f5f31f3517e0122f27",
    "mars": "0a6aae8972ffa8ce0f4c6d7bdbf4c1c91652abf308a22694d33815f709e5d517",
}
_FILES = {body: DataFile(f"jpl/{body}.txt", f"{_ADDRESS}/{body}.txt", sha256) for body, sha256 in _SHA256.items()}
PLANETS = tuple(body for body in _FILES if body != "sun")

PROVENANCE = Provenance(
    name="jpl_inner_planets",
    title="Sun, Mercury, Venus and Mars, one state a day from 2018-01-16 to 2023-02-15 (TDB), 1857 rows",
    citation=(
        "JPL Horizons on-line ephemeris system, ephemeris DE441, Giorgini, Solar System Dynamics Group, Jet Propulsion "
        "Laboratory, https://ssd.jpl.nasa.gov/horizons; this copy from the repository greydanus/ncf"
    ),
    licence="public data of NASA/JPL-Caltech, to be credited; the repository that holds this copy states no licence",
    notes=(
        "barycentric vectors, ecliptic of J2000, in km and km/s; the package gives them heliocentric, in au and "
        "au/day; computed from an ephemeris fitted to observations, so free of noise"
    ),
    files=tuple(_FILES.values()),
)

_NUMBER = r"= ?([-+]?\d\.\d+E[-+]\d+)"
_ROW = re.compile(
    r"^(\d+\.\d+) = A\.D\. .*\n"
    rf" X {_NUMBER} Y {_NUMBER} Z {_NUMBER} *\n"
    rf" VX{_NUMBER} VY{_NUMBER} VZ{_NUMBER} *\n",
    re.MULTILINE,
)


def jpl_inner_planets(bodies: Sequence[str] = PLANETS) -> Trajectories:
    """Orbits of inner planets about the Sun: one state per day over five years, as one trajectory.

    The frame is heliocentric: the vector of the Sun is subtracted, so the frame is not inertial. `q` contains the
    positions (x, y, z) of the bodies one after another, in au, and `v` the velocities in au/day. Times are in days from
    2018-01-16 00:00 TDB. Axes: ecliptic and equinox of J2000. See `provenance("jpl_inner_planets")`.

    **Arguments:**

    - `bodies`: names among `"mercury"`, `"venus"` and `"mars"`, in any order.

    **Raises:** `ValueError` for an unknown body. `DataFileError` if a file is changed, unreadable or missing.

    **Example:**

    ```python
    >>> import numpy as np, neural_lagrangian as nl
    >>> orbit = nl.datasets.jpl_inner_planets(["venus"])
    >>> round(float(np.linalg.norm(orbit.ys[0, :, :3], axis=1).mean()), 2)  # mean distance from the Sun in au
    0.72
    ```
    """
    if isinstance(bodies, str) or not bodies or any(body not in PLANETS for body in bodies):
        raise ValueError(f"`bodies` is {bodies!r}; expected a sequence of names among {PLANETS}")
    days, sun = _vectors("sun")
    planets = []
    for body in bodies:
        times, vectors = _vectors(body)
        if not np.array_equal(times, days):
            raise DataFileError(f"jpl/{body}.txt and jpl/sun.txt have different days; expected the same. Delete both")
        planets.append(vectors - sun)
    km_per_au = si_factor("au", "position") / si_factor("km", "position")
    seconds_per_day = si_factor("d", "time")
    q = np.concatenate([vectors[:, :3] for vectors in planets], axis=1) / km_per_au
    v = np.concatenate([vectors[:, 3:] for vectors in planets], axis=1) * (seconds_per_day / km_per_au)
    return Trajectories(days - days[0], np.concatenate([q, v], axis=1))


def _vectors(body: str) -> tuple[np.ndarray, np.ndarray]:
    """Julian days, and barycentric positions [km] and velocities [km/s], shape `(row, 6)`."""
    path = fetch(_FILES[body])
    table = path.read_text().partition("$$SOE")[2].partition("$$EOE")[0]
    rows = np.array(_ROW.findall(table), dtype=np.float64)
    if rows.ndim != 2 or len(rows) != table.count(" X ="):
        raise DataFileError("cannot be read as a table of JPL Horizons vectors. Delete it to load it again", path=path)
    return rows[:, 0], rows[:, 1:]

import os
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from neural_lagrangian.datasets import MEASURED, jpl_inner_planets, provenance
from neural_lagrangian.trajectories import DataFileError

FOLDER = os.environ.get("NEURAL_LAGRANGIAN_DATA", "")
needs_recordings = pytest.mark.skipif(
    not FOLDER or not (Path(FOLDER) / "jpl/sun.txt").is_file(),
    reason="the recordings are not here: NEURAL_LAGRANGIAN_DATA names no folder that holds them",
)
GAUSS = 0.01720209895  # au^1.5 / day: GM of the Sun is its square
MASSES = {"mercury": 1 / 6023600, "venus": 1 / 408523.71, "mars": 1 / 3098708, "earth": 1 / 328900.56}  # of the Sun's


@needs_recordings
def test_the_layout_is_as_described():
    data = jpl_inner_planets()
    assert (len(data), data.dof, list(data.lengths)) == (1, 9, [1857])
    np.testing.assert_array_equal(data.ts[0], np.arange(1857.0))
    q, v = np.split(data.ys[0], 2, axis=1)
    rate = np.gradient(q, axis=0)[1:-1]
    assert np.abs(rate - v[1:-1]).max() < 0.01 * np.abs(v).max()  # a day is 1/88 of Mercury's year
    distance = np.linalg.norm(q.reshape(-1, 3, 3), axis=2)
    np.testing.assert_allclose(distance.min(axis=0), [0.3075, 0.7184, 1.3814], rtol=1e-3)  # perihelia, in au
    np.testing.assert_allclose(distance.max(axis=0), [0.4667, 0.7282, 1.6660], rtol=1e-3)  # aphelia
    two = jpl_inner_planets(["mars", "mercury"]).ys[0]
    np.testing.assert_array_equal(two[:, :3], q[:, 6:])
    np.testing.assert_array_equal(two[:, 9:], v[:, :3])


def earth(days):
    """Heliocentric state of the Earth and Moon together, by mean elements (Standish 1992), good to 1e-4 au."""
    T = (2458134.5 + days - 2451545) / 36525
    a, e = 1.00000261 + 0.00000562 * T, 0.01671123 - 0.00004392 * T
    longitude, perihelion = np.deg2rad([100.46457166 + 35999.37244981 * T, 102.93768193 + 0.32327364 * T])
    E = M = longitude - perihelion
    for _ in range(30):
        E = M + e * np.sin(E)
    along = np.array([np.cos(perihelion), np.sin(perihelion), 0])
    across = np.array([-np.sin(perihelion), np.cos(perihelion), 0])
    root, speed = np.sqrt(1 - e**2), GAUSS / np.sqrt(a) / (1 - e * np.cos(E))
    q = a * ((np.cos(E) - e) * along + root * np.sin(E) * across)
    return q, speed * (-np.sin(E) * along + root * np.cos(E) * across)


def newton(masses):
    """Point masses about the Sun, in its accelerated frame."""
    mu = GAUSS**2 * np.array(masses)[:, None]

    def inverse_square(x):
        r = np.linalg.norm(x, axis=-1, keepdims=True)
        return x / np.where(r > 0, r, 1) ** 3

    def field(_, y):
        r, v = y.reshape(2, -1, 3)
        pull = inverse_square(r)
        mutual = np.sum(mu[None] * inverse_square(r[None] - r[:, None]), axis=1)
        return np.stack([v, -(GAUSS**2) * pull + mutual - np.sum(mu * pull, axis=0)]).ravel()

    return field


@needs_recordings
def test_newton_s_law_holds_over_a_year():
    """Sun, Mercury, Venus, Earth and Mars as point masses, without Jupiter: known to err by 1e-5, 6e-5, 2.5e-4 au."""
    data = jpl_inner_planets()
    q, v = np.split(data.ys[0], 2, axis=1)
    q_earth, v_earth = earth(0.0)
    y0 = np.concatenate([q[0], q_earth, v[0], v_earth])

    def error(masses):
        solution = solve_ivp(newton(masses), (0, 365), y0, method="DOP853", rtol=1e-10, atol=1e-12)
        return np.linalg.norm((solution.y[:9, -1] - q[365]).reshape(3, 3), axis=1)

    found = error(list(MASSES.values()))
    np.testing.assert_allclose(found, [1e-5, 6e-5, 2.5e-4], rtol=0.1)
    assert error([0, 0, 0, 0])[1] > 1.5 * found[1]  # the Earth's pull on Venus is in the data


def test_a_planet_one_unit_away_that_goes_one_unit_a_day(tmp_path, monkeypatch):
    """Numbers in a file are km and km/s about the barycentre; the package gives au and au/day about the Sun."""
    au, day = 149_597_870.7, 86_400.0  # km, s
    sun = np.array([[1e5, -2e5, 3e4, 0.01, 0.02, -0.03]] * 2)
    planet = sun + np.array([[au, 2 * au, -au, au / day, 0, -3 * au / day]] * 2)

    def vectors(body, rows):
        text = "$$SOE\n"
        for k, row in enumerate(rows):
            numbers = [f"{x:.15E}" for x in row]
            text += f"{2458134.5 + k:.9f} = A.D. 2018-Jan-16 00:00:00.0000 TDB\n"
            text += " X = {} Y = {} Z = {}\n VX= {} VY= {} VZ= {}\n".format(*numbers)
        (tmp_path / body).write_text(text + "$$EOE")

    vectors("sun", sun)
    vectors("mars", planet)
    monkeypatch.setattr("neural_lagrangian.datasets.jpl.fetch", lambda file: tmp_path / Path(file.name).stem)
    found = jpl_inner_planets(["mars"])
    np.testing.assert_array_equal(found.ts, [[0.0, 1.0]])
    np.testing.assert_allclose(found.ys[0], [[1, 2, -1, 1, 0, -3]] * 2, rtol=1e-9, atol=1e-9)


@pytest.mark.bad_input
def test_unknown_bodies_and_absent_files_are_named(tmp_path, monkeypatch):
    for bodies in (["earth"], [], "mars"):
        with pytest.raises(ValueError, match=r"`bodies` is .*; expected a sequence of names among"):
            jpl_inner_planets(bodies)

    def no_network(*_, **__):
        raise OSError("no network")

    monkeypatch.setattr("pooch.retrieve", no_network)
    monkeypatch.setenv("NEURAL_LAGRANGIAN_DATA", str(tmp_path))
    with pytest.raises(DataFileError, match=r"sun.txt.*not in .*no network"):
        jpl_inner_planets()


@pytest.mark.bad_input
def test_a_file_of_another_layout_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "sun.txt"
    monkeypatch.setattr("neural_lagrangian.datasets.jpl.fetch", lambda _: path)
    row = "2458134.5 = A.D. 2018-Jan-16 00:00:00.0000 TDB\n X = 1.0E+00 Y = 2.0E+00 Z =-3.0E-01\n"
    for text in ("", "$$SOE\n$$EOE", f"$$SOE\n{row}$$EOE"):
        path.write_text(text)
        with pytest.raises(DataFileError, match="cannot be read as a table of JPL Horizons vectors"):
            jpl_inner_planets()


def test_every_measured_data_set_states_where_it_comes_from():
    assert MEASURED == ("kaheman_single", "kaheman_double", "jpl_inner_planets")
    for name in MEASURED:
        record = provenance(name)
        text = str(record)
        assert text.startswith(f"{name}: ")
        for part in (record.citation, record.licence, *(file.url for file in record.files)):
            assert len(part) > 10
            assert part in text
        assert all(len(file.sha256) == 64 for file in record.files)
    with pytest.raises(ValueError, match="`name` is 'moon'; expected one of kaheman_single, kaheman_double, jpl"):
        provenance("moon")

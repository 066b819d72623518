"""The noise of a recording is known without outliers, and errors are given in its units."""

import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.identification.rest import noise_level, rest_of, trimmed

pytestmark = pytest.mark.double

LEAST = np.array([1e-4])
NOISE = 0.02


def recorded(noise, *, step=0.1, outliers=0, uneven=False):
    """An oscillation of unit amplitude and period 2 pi."""
    rng = np.random.default_rng(0)
    t = np.arange(1500) * step
    t = np.sort(t + 0.4 * step * rng.uniform(size=t.size)) if uneven else t
    y = np.stack([np.sin(t), np.cos(t)], axis=1)
    y[:, 0] += noise * rng.normal(size=t.size)
    y[700 : 700 + outliers, 0] += rng.normal(size=outliers)
    return nl.Trajectories(t, y)


@pytest.mark.parametrize("kind", [{}, {"outliers": 10}, {"uneven": True}, {"step": 0.4}], ids=str)
def test_the_noise_is_that_of_the_recording(kind):
    (level,) = noise_level(recorded(NOISE, **kind), LEAST)
    assert level == pytest.approx(NOISE, rel=0.1)


def test_an_exact_motion_has_the_least_noise():
    np.testing.assert_array_equal(noise_level(recorded(0.0), LEAST), LEAST)


def test_few_outliers_do_not_count():
    values = np.random.default_rng(0).normal(size=(4000, 2)) * [1.0, 3.0]
    np.testing.assert_allclose(trimmed(values), [1.0, 3.0], rtol=0.05)
    values[:40] = 100.0
    np.testing.assert_allclose(trimmed(values), [1.0, 3.0], rtol=0.1)


def test_errors_are_those_of_the_coordinate_that_is_explained_worst():
    """Rows that do not count have no errors."""
    residuals = np.random.default_rng(0).normal(size=(20, 100, 2)) * [0.1, 0.6]
    counts = np.ones((20, 100))
    counts[10:], residuals[10:] = 0.0, 1e3
    assert rest_of(residuals, counts, np.array([0.1, 0.2])) == pytest.approx(3.0, rel=0.1)

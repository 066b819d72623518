"""The noise of a recording is known without outliers, and errors are given in its units."""

import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.identification.candidates.rest import (
    MAX_EXPLAINED,
    noise_level,
    outliers,
    resolution,
    rest_of,
    trimmed,
)
from neural_lagrangian.identification.candidates.trial import Trial
from neural_lagrangian.identification.families import FitWindows

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


@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize("step", [0.1, 0.005], ids=["slow", "fast"])
def test_steps_of_a_sensor_are_noise(step, unit):
    """The rounding to 0.02 has the standard deviation 0.02 / sqrt(12), also where the same reading is repeated."""
    exact = recorded(0.0, step=step)
    rounded = np.array(exact.ys[0])
    rounded[:, 0] = 0.02 * np.round(rounded[:, 0] / 0.02)
    (level,) = noise_level(nl.Trajectories(exact.ts[0], unit * rounded), unit * LEAST)
    assert level == pytest.approx(unit * 0.02 / np.sqrt(12), rel=0.1)


def test_only_readings_on_a_grid_have_a_step():
    rng = np.random.default_rng(0)
    steps = np.cumsum(rng.integers(-3, 4, size=500)) * 0.3
    assert resolution([steps]) == pytest.approx(0.3)
    assert resolution([steps, 7.1 + steps[::-1]]) == pytest.approx(0.3)  # another run, another origin
    turned = np.where(np.arange(500) > 250, 0.1, 0.0) + steps  # one change off the grid, as where an angle is unwrapped
    assert resolution([turned]) == pytest.approx(0.3)
    assert resolution([rng.normal(size=500)]) == resolution([np.ones(9)]) == 0.0


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


LEVEL = np.array([0.1])


def windows_of(count):
    ts, ys = np.zeros((count, 50)), np.arange(count)[:, None, None] * np.ones((1, 50, 2))
    return FitWindows(ts, np.zeros((*ts.shape, 0)), ys, ys[:, 0], np.ones(ts.shape), np.ones(2), 1)


@pytest.mark.parametrize("size", [1, 2, 5, 7])
def test_groups_hold_each_window_once(size):
    groups = list(windows_of(5).groups(size))
    assert {len(group.ts) for group in groups} == {size}
    counted = np.concatenate([group.ys[group.counts[:, 0] > 0, 0, 0] for group in groups])
    np.testing.assert_array_equal(counted, np.arange(5))


def test_errors_of_the_training_set_count_too():
    """As where a driven motion has become periodic when the validation set begins. The second channel, a velocity, has
    no part.
    """
    noise, rng = np.array([0.5, np.inf]), np.random.default_rng(0)
    fitted, held = (LEVEL[0] / noise[0] * rng.normal(size=(count, 50, 2)) for count in (6, 2))
    trial = Trial(*[None] * 7, LEVEL)
    parts = (fitted, noise, windows_of(6)), (held, noise, windows_of(2))
    assert trial.rest(*parts) == pytest.approx(1.0, rel=0.15)
    fitted[0, :, 0] += 10 * LEVEL[0] / noise[0]
    assert trial.rest(*parts) > 3


def white(seed, *shape):
    """White noise of one level, and room for other errors."""
    return LEVEL * np.random.default_rng(seed).normal(size=(*shape, 1))


def rms(residuals):
    return float(np.sqrt(np.mean(residuals**2)) / LEVEL[0])


def departure(windows, rows):
    """An error that grows exponentially along each window, as of a chaotic motion: large in few samples, but smooth."""
    t = np.linspace(0.0, 10.0, rows)
    phases = np.arange(windows)[:, None]
    error = np.exp(0.6 * (t - 10.0)) * np.sin(1.3 * t + phases)
    return 3.05 * LEVEL * (error / np.sqrt(np.mean(error**2)))[..., None]


@pytest.mark.parametrize("burst", [1, 5, 10])
@pytest.mark.parametrize("seed", range(4))
def test_outliers_do_not_count_alone_or_in_a_burst(burst, seed):
    """Negative control: they are most of the error."""
    rng = np.random.default_rng(seed)
    residuals = white(seed, 4, 126)
    for start in rng.choice(126 - burst, size=20 // burst, replace=False):
        residuals[rng.integers(4), start : start + burst, 0] += 50 * LEVEL * rng.normal(size=burst)
    assert rms(residuals) > 3
    assert rest_of(residuals, np.ones((4, 126)), LEVEL) == pytest.approx(1.0, abs=0.2)


@pytest.mark.parametrize("factor", [1.0, 4.0])
def test_errors_of_a_model_are_no_outliers(factor):
    """Even if few samples have most of them: they are smooth. Leaving out the largest ones would hide them. So it is if
    the noise is larger than it seems.
    """
    residuals = factor * (white(0, 4, 126) + departure(4, 126))
    assert not outliers(residuals, LEVEL).any()
    assert rest_of(residuals, np.ones((4, 126)), LEVEL) == pytest.approx(rms(residuals), rel=0.02)
    assert trimmed(residuals.reshape(-1, 1))[0] < 0.9 * rms(residuals) * LEVEL[0]


def test_more_errors_than_a_few_are_no_outliers():
    """At the first row of a window too. However rough the errors are, most of them count."""
    residuals = white(0, 4, 126)
    residuals[0, 0] = 3.0
    assert np.argwhere(outliers(residuals, LEVEL)).tolist() == [[0, 0, 0]]
    residuals[:, ::5] = np.random.default_rng(0).uniform(3.0, 6.0, residuals[:, ::5].shape)
    assert 0 < outliers(residuals, LEVEL).mean() <= 0.05
    assert rest_of(residuals, np.ones((4, 126)), LEVEL) > 10


@pytest.mark.parametrize(("rows", "share"), [(30, 0.05), (126, 0.0)])
def test_a_true_model_leaves_little_more_than_the_noise(rows, share):
    """Its residuals are white noise without the part that two constants of an initial state explain."""
    t = np.linspace(0.0, 0.08 * rows, rows)
    Q, _ = np.linalg.qr(np.stack([np.cos(t), np.sin(t)], axis=1))
    found = []
    for seed in range(200):
        noise = white(seed, 1, rows)
        found.append(rest_of(noise - Q @ (Q.T @ noise), np.ones((1, rows)), LEVEL))
    found = np.array(found)
    assert np.sqrt(np.mean(found**2)) == pytest.approx(1.0, abs=0.03)
    assert np.mean(found > MAX_EXPLAINED + np.sqrt(2 / rows)) <= share
    assert found.max() < 2

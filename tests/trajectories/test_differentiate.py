"""The smoother's promises: polynomials pass unchanged, no lag, noise as the formula says."""

import numpy as np
import pytest
import scipy.signal

from neural_lagrangian.trajectories import (
    ShapeError,
    TimeOrderError,
    Trajectories,
    differentiate,
    noise_gain,
    without_velocities,
)

RNG = np.random.default_rng(0)
EVEN = 0.01 * np.arange(80)
UNEVEN = np.cumsum(RNG.uniform(0.005, 0.015, 80))
pytestmark = pytest.mark.double


def derivatives(trajectories):
    q, v = np.split(trajectories.ys[0], 2, axis=1)
    return np.stack([q, v, trajectories.accelerations[0]])


@pytest.mark.parametrize("ts", [EVEN, UNEVEN], ids=["even", "uneven"])
def test_polynomials_pass_unchanged_and_higher_ones_do_not(ts):
    c = RNG.normal(size=6)
    for degree, exact in ((4, True), (5, False)):
        p = np.polynomial.Polynomial(c[: degree + 1])
        q = np.stack([p(ts / ts[-1]), ts], axis=1)
        found = derivatives(differentiate(ts, q, accelerations=True))[..., 0]
        true = [p.deriv(k)(ts / ts[-1]) / ts[-1] ** k if k else p(ts / ts[-1]) for k in range(3)]
        errors = [np.abs(f - t).max() / np.abs(t).max() for f, t in zip(found, true, strict=True)]
        assert (max(errors) < 1e-9) == exact


@pytest.mark.parametrize(("window", "degree"), [(11, 4), (7, 2), (21, 5)])
def test_equal_steps_give_scipy_s_filter_ends_included(window, degree):
    q = RNG.normal(size=(80, 2))
    found = derivatives(differentiate(EVEN, q, window=window, degree=degree, accelerations=True))
    for k in range(3):
        expected = scipy.signal.savgol_filter(q, window, degree, deriv=k, delta=0.01, axis=0, mode="interp")
        np.testing.assert_allclose(found[k], expected, rtol=1e-8, atol=1e-9 * np.abs(expected).max())


def test_the_lag_is_zero_at_every_frequency():
    """The estimate is in phase with the truth: no part of it is a quarter period off, nor is it shifted in time."""
    ts = 0.01 * np.arange(400)
    inside = slice(100, 300)  # whole periods of each frequency below
    for samples_per_period in (100, 40, 20, 10):
        w = 2 * np.pi / (0.01 * samples_per_period)
        for phase in (0.0, 0.7):
            x = w * ts + phase
            found = derivatives(differentiate(ts, np.cos(x)[:, None], accelerations=True))[:, inside, 0]
            true = np.stack([np.cos(x), -w * np.sin(x), -(w**2) * np.cos(x)])[:, inside]
            late = np.stack([np.sin(x), w * np.cos(x), -(w**2) * np.sin(x)])[:, inside]
            out_of_phase = np.sum(found * late, axis=1) / np.sum(true**2, axis=1)
            lag = out_of_phase / w
            np.testing.assert_allclose(lag, 0, atol=1e-13)
    delayed = np.roll(np.cos(ts), 1)[:, None]  # negative control: data that come one sample late do lag
    v = differentiate(ts, delayed).ys[0, inside, 1]
    assert np.abs(v + np.sin(ts[inside])).max() > 5e-3


def test_the_numbers_in_the_documentation():
    gain = noise_gain(EVEN)
    per_step = np.array([1, 1e2, 1e4])
    np.testing.assert_allclose(gain[40] / per_step, [0.577, 0.246, 0.256], rtol=2e-3)
    np.testing.assert_allclose(gain[[0, -1]] / per_step, [[0.957, 1.47, 1.29]] * 2, rtol=4e-3)
    for samples, loss in ((20, 0.014), (40, 0.001)):
        x = 2 * np.pi * np.arange(80) / samples
        v = differentiate(np.arange(80.0), np.sin(x)[:, None]).ys[0, 20:60, 1]
        true = 2 * np.pi / samples * np.cos(x)[20:60]
        assert 1 - (v @ true) / (true @ true) == pytest.approx(loss, rel=0.06)


@pytest.mark.parametrize("ts", [EVEN, UNEVEN], ids=["even", "uneven"])
def test_noise_gain_is_that_of_random_draws(ts):
    draws = 4000
    noise = np.random.default_rng(1).normal(size=(len(ts), draws))  # each column is one recording of pure noise
    measured = derivatives(differentiate(ts, noise, accelerations=True)).std(axis=2).T
    np.testing.assert_allclose(measured, noise_gain(ts), rtol=0.06)  # 5 standard errors of a deviation


def test_positions_alone_become_trajectories_again():
    lengths = (80, 50)
    data = Trajectories(
        [UNEVEN[:n] for n in lengths],
        [np.stack([np.sin(3 * UNEVEN), 3 * np.cos(3 * UNEVEN)], axis=1)[:n] for n in lengths],
    )
    again = differentiate(*without_velocities(data))
    assert list(again.lengths) == list(lengths)
    assert again.accelerations is None
    np.testing.assert_allclose(again.ys[again.mask], data.ys[data.mask], atol=1e-4)  # at the ends


@pytest.mark.bad_input
def test_bad_input_is_named():
    q = np.zeros((80, 1))
    for options in ({"window": 10}, {"degree": 11}, {"degree": 1}):
        with pytest.raises(ValueError, match="expected an odd window and a degree from 2"):
            differentiate(EVEN, q, **options)
    with pytest.raises(ShapeError, match="trajectory 1: has 5 samples; expected at least `window` = 11"):
        differentiate([EVEN, EVEN[:5]], [q, q[:5]])
    with pytest.raises(TimeOrderError, match="trajectory 0, index 1: time repeats"):
        differentiate(0 * EVEN, q)
    with pytest.raises(ShapeError, match=r"trajectory 0: `qs` has shape \(80,\); expected \(time, dof\)"):
        differentiate(EVEN, q[:, 0])
    with pytest.raises(ShapeError, match="`ts` has shape"):
        differentiate(EVEN[:-1], q)
    with pytest.raises(ValueError, match=r"`ts` has shape \(5,\)"):
        noise_gain(EVEN[:5])


def test_a_parabola_through_three_samples_leaves_positions_as_they_are():
    rng = np.random.default_rng(0)
    ts, qs = np.sort(rng.uniform(size=6)), rng.normal(size=(6, 2))
    data = differentiate(ts, qs, window=3, degree=2)
    np.testing.assert_array_equal(data.ys[0, :, :2], qs)
    assert not np.array_equal(differentiate(ts, qs, window=5, degree=2).ys[0, :, :2], qs)

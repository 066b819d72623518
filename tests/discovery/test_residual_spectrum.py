"""The spectrum of residuals distinguishes smoothed noise from white noise and from the error of a wrong formula."""

import numpy as np
import pytest
from scipy.signal import savgol_filter

from neural_lagrangian.discovery.residual_spectrum import cosines, is_smoothed_noise, level, spectrum

WINDOWS, SAMPLES, SIGMA = 60, 40, 0.3


def noise(seed=0, smoothing=11):
    """Pieces of long recordings of noise, `(window, time, 2)`."""
    raw = SIGMA * np.random.default_rng(seed).normal(size=(WINDOWS, SAMPLES + 40, 2))
    return (raw if smoothing is None else savgol_filter(raw, smoothing, 4, axis=1))[:, 20:-20]


def slow():
    """Of a formula that lacks a term: it bends within a window."""
    s = np.linspace(-1, 1, SAMPLES)
    bend = s**3 - 0.6 * s
    return np.random.default_rng(1).normal(size=(WINDOWS, 1, 2)) * bend[None, :, None]


@pytest.mark.parametrize(("smoothing", "less"), [(9, 0.15), (11, 0.15), (15, 0.3)])
def test_smoothed_noise_has_the_size_it_had_before(smoothing, less):
    """Nearly: wide windows take some of what is looked at."""
    residuals = noise(smoothing=smoothing)
    assert is_smoothed_noise(residuals)
    np.testing.assert_allclose(level(residuals), SIGMA, rtol=less)
    assert np.std(residuals) < 0.7 * SIGMA


def test_other_residuals_are_none():
    assert not is_smoothed_noise(noise(smoothing=None))
    assert not is_smoothed_noise(slow() + 1e-3 * noise(smoothing=None))
    assert not is_smoothed_noise(noise() + 2 * slow())
    np.testing.assert_allclose(level(noise() + slow()), SIGMA, rtol=0.15)  # a wrong formula adds little to it


@pytest.mark.parametrize("smoothing", [None, 11])
def test_the_spectrum_tells_how_sums_of_noise_scatter(smoothing):
    """Of slow weights, as derivatives are; samples of smoothed noise that counted one by one would tell less."""
    weights = np.cos(np.linspace(0, 5, SAMPLES)) - 0.2
    sums = np.concatenate([np.einsum("t,wtc->wc", weights, noise(seed, smoothing)) for seed in range(20)])
    by_cosines = cosines(weights[None, :, None])[0, :, 0]
    expected = np.sqrt(np.sum(spectrum(noise(100, smoothing)) * by_cosines[:, None] ** 2, axis=0))
    np.testing.assert_allclose(expected, np.std(sums, axis=0), rtol=0.15)
    one_by_one = np.std(noise(100, smoothing)) * np.linalg.norm(weights)
    assert (one_by_one < 0.7 * np.std(sums)) == (smoothing is not None)

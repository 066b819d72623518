"""Noise is told from motion, whatever the sampling, and its size is what it is."""

import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.discovery.noisy_motion import without_noise
from neural_lagrangian.trajectories import differentiate

from .cases import CASES

pytestmark = pytest.mark.double


def found(motion):
    _, noise, noisy = without_noise(motion, 1e-3)
    return noise, noisy


@pytest.mark.parametrize("samples", [25, 40, 60, 100, 300])
@pytest.mark.parametrize("name", ["oscillator", "spring pendulum", "double pendulum"])
def test_motion_without_noise_has_none(name, samples):
    """Nine samples a period or many: polynomials that do not follow a motion do not make noise of it."""
    noise, noisy = found(CASES[name].motion(samples=samples))
    assert not noisy
    assert (noise < 1e-3 * CASES[name].motion(samples=samples).ys.std(axis=(0, 1))).all()


@pytest.mark.parametrize("samples", [25, 100, 300])
@pytest.mark.parametrize("name", ["oscillator", "spring pendulum"])
def test_noise_has_its_size(name, samples):
    """Not much less where samples are few: then motion is taken for noise rather than noise for motion."""
    motion = CASES[name].motion(samples=samples)
    sigma = 0.03 * motion.ys.std(axis=(0, 1))
    noisy = nl.Trajectories(motion.ts, motion.ys + sigma * np.random.default_rng(0).normal(size=motion.ys.shape))
    noise, there_is = found(noisy)
    assert there_is
    if samples > 25:
        np.testing.assert_allclose(noise, sigma, rtol=0.1)
    else:
        assert (noise > 0.75 * sigma).all()


@pytest.mark.parametrize("smoothing", [False, True])
def test_velocities_that_were_smoothed_are_left_out(smoothing):
    """Whatever the formula: it is the noise that tells."""
    motion = CASES["oscillator"].motion(samples=300)
    sigma = 0.03 * motion.ys.std(axis=(0, 1))
    noisy = motion.ys + sigma * np.random.default_rng(0).normal(size=motion.ys.shape)
    smooth = differentiate(list(motion.ts), list(noisy[..., :1]))
    noise, _ = found(smooth if smoothing else nl.Trajectories(motion.ts, noisy))
    assert np.isinf(noise[1]) == smoothing
    assert np.isfinite(noise[0])


def test_smoothed_positions_hide_noise_that_is_no_smaller():
    """What polynomials leave of it is less than there is; it is not taken for less than half."""
    motion = CASES["oscillator"].motion(samples=300)
    sigma = 0.03 * motion.ys[..., 0].std()
    qs = motion.ys[..., :1] + sigma * np.random.default_rng(0).normal(size=motion.ys[..., :1].shape)
    smoothed = differentiate(list(motion.ts), list(qs))
    noise, there_is = found(smoothed)
    error = np.std(smoothed.ys[..., 0] - motion.ys[..., 0])
    assert there_is
    assert 0.5 * error < noise[0] < 3 * error

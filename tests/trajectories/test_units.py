"""What is made of a recording is the same in all units, and from any start of the clock."""

import jax
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.datasets import add_noise
from neural_lagrangian.trajectories import Scaling, differentiate

CHANGES = [((1e-9, 1e9), 1.0), ((1e9, 1e-6), 1e-9), ((1.0, 1e3), 1e9)]
"""Units of two coordinates, and of time."""


def motion(s=(1.0, 1.0), tau=1.0, start=0.0, dtype=np.float64):
    t = np.sort(np.random.default_rng(0).uniform(0, 6, 80))
    q, v = np.stack([np.sin(t), 0.3 * np.cos(2 * t)], 1), np.stack([np.cos(t), -0.6 * np.sin(2 * t)], 1)
    ys = np.concatenate([q * s, v * np.asarray(s) / tau], axis=1)
    return nl.Trajectories([start + t * tau], [ys.astype(dtype)])


def natural(ys, s, tau):
    return ys / np.concatenate([s, np.asarray(s) / tau])


@pytest.mark.parametrize(("s", "tau"), CHANGES)
def test_derivatives(s, tau):
    def derivatives(recording):
        return differentiate(recording.ts[0], recording.ys[0, :, :2], accelerations=True)

    here, there = derivatives(motion()), derivatives(motion(s, tau))
    np.testing.assert_allclose(natural(there.ys, s, tau), here.ys, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(there.accelerations * tau**2 / np.asarray(s), here.accelerations, rtol=1e-6, atol=1e-7)


@pytest.mark.double
@pytest.mark.parametrize(("s", "tau"), CHANGES)
@pytest.mark.parametrize("centre", [True, False])
def test_scaled_motion(s, tau, centre):
    """Natural units are natural whatever a recording is written in."""
    here, there = motion(), motion(s, tau)
    scaled = [Scaling.of(m, centre=centre).scale(m) for m in (here, there)]
    np.testing.assert_allclose(scaled[1].ys, scaled[0].ys, atol=1e-12)
    np.testing.assert_allclose(scaled[1].ts, scaled[0].ts, rtol=1e-12)


@pytest.mark.double
@pytest.mark.parametrize(("s", "tau"), CHANGES)
def test_noise(s, tau):
    noisy = [add_noise(m, relative=0.05, key=jax.random.key(0)).ys for m in (motion(), motion(s, tau))]
    np.testing.assert_allclose(natural(noisy[1], s, tau), noisy[0], atol=1e-9)


@pytest.mark.parametrize(("s", "tau"), CHANGES)
def test_runs_between_gaps(s, tau):
    recording = motion(s, tau, start=1e5 * tau)
    cut = nl.Trajectories(
        [np.delete(recording.ts[0], np.s_[30:50])], [np.delete(recording.ys[0], np.s_[30:50], axis=0)]
    )
    np.testing.assert_array_equal(cut.runs().first, [0, 30])

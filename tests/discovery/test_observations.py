"""Time scales are read off velocities: of oscillations, of angles that go round, beside noise, in any units."""

import numpy as np
import pytest

from neural_lagrangian.discovery.observations import channel_scales, periods, window_samples
from neural_lagrangian.trajectories import Trajectories

pytestmark = pytest.mark.double
TS = np.linspace(0, 30, 1501)


def motion(q, v, unit=1.0, tau=1.0):
    ys = np.stack([q * unit, v * unit / tau], axis=1)
    return Trajectories(TS * tau, ys), ys


def oscillation(period):
    w = 2 * np.pi / period
    return np.cos(w * TS), -w * np.sin(w * TS)


@pytest.mark.parametrize("period", [0.7, 2.0, 5.0])
@pytest.mark.parametrize("tau", [1.0, 1e-7])
def test_the_period_of_an_oscillation(period, tau):
    trajectories, ys = motion(*oscillation(period), tau=tau)
    assert periods(trajectories, ys)[0] == pytest.approx(period * tau, rel=0.1)
    assert window_samples(trajectories, ys) == pytest.approx(period / 2 / TS[1], rel=0.1)


def test_an_angle_that_goes_round_has_the_period_of_its_rate_and_the_size_of_a_radian():
    q, v = oscillation(2.0)
    trajectories, ys = motion(6 * TS + 0.3 * q, 6 + 0.3 * v)
    found = periods(trajectories, ys)
    assert found[0] == pytest.approx(2.0, rel=0.1)
    length, speed = channel_scales(ys, found)
    assert speed == pytest.approx(np.sqrt(36 + (0.3 * np.pi) ** 2 / 2), rel=0.02)
    assert length == pytest.approx(speed * 2.0 / (2 * np.pi), rel=0.1)
    assert length < 0.1 * ys[:, 0].std()


def test_noise_does_not_shorten_a_period_and_rest_has_none():
    q, v = oscillation(5.0)
    rng = np.random.default_rng(0)
    trajectories, ys = motion(q, v + 0.5 * v.std() * rng.normal(size=len(v)))
    assert periods(trajectories, ys)[0] == pytest.approx(5.0, rel=0.15)
    trajectories, ys = motion(np.zeros_like(q), np.zeros_like(v))
    assert periods(trajectories, ys)[0] == np.inf

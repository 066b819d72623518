"""Recorded velocities that are late are moved, and noisy states are improved by the coordinates."""

import numpy as np
import pytest
from scipy.interpolate import CubicSpline

import neural_lagrangian as nl
from neural_lagrangian.identification import inspect
from neural_lagrangian.trajectories import Trajectories

pytestmark = pytest.mark.double

STEP = 0.01


@pytest.fixture(scope="module")
def swing():
    ts = np.arange(0.0, 20.0, STEP)
    return ts, np.asarray(nl.simulate(nl.systems.Pendulum(), ts, np.array([[1.5, 0.0]])).ys[0])


def recorded(swing, *, lag=0.0, noise=0.0):
    """Velocities `lag` seconds late; the noise is relative to the spread."""
    ts, ys = swing
    late = np.stack([ys[:, 0], CubicSpline(ts, ys[:, 1])(np.maximum(ts - lag, 0.0))], axis=1)
    late = late + noise * ys.std(axis=0) * np.random.default_rng(0).normal(size=ys.shape)
    return inspect(Trajectories(ts, late, names=["a"]), angles=["a"])


@pytest.mark.parametrize(("noise", "tolerance"), [(0.0, 1e-5), (0.01, 5e-4), (0.05, 2e-3)])
@pytest.mark.parametrize("lag", [-0.013, 0.004, 0.037])
def test_the_delay_of_velocities_is_found_and_removed(swing, lag, noise, tolerance):
    found = recorded(swing, lag=lag, noise=noise)
    assert found.recording.lag.seconds[0] == pytest.approx(lag, abs=tolerance)
    (remark,) = [str(one) for one in found.remarks if "corrected" in str(one)]
    assert f"ms (± {1e3 * found.recording.lag.error[0]:.1g}) {'late' if lag > 0 else 'early'}" in remark
    moved = found.recording.observed
    exact = CubicSpline(*swing)(moved.ts[0])
    rms = np.sqrt(np.mean((moved.ys[0] - exact)[50:-50, 1] ** 2))
    assert rms < 1.1 * noise * swing[1][:, 1].std() + 1e-3


@pytest.mark.parametrize("noise", [0.0, 0.001, 0.01, 0.05])
def test_velocities_in_time_are_not_moved(swing, noise):
    found = recorded(swing, noise=noise)
    assert found.recording.lag.seconds.tolist() == [0.0]
    assert len(found.trajectories.ts[0]) == len(swing[0])
    assert found.remarks == ()


@pytest.mark.parametrize("noise", [0.001, 0.01, 0.05])
def test_velocities_and_coordinates_together_are_better_than_both(swing, noise):
    found = recorded(swing, noise=noise).recording
    alone = inspect(Trajectories(swing[0], found.observed.ys[0], names=["a"]), angles=["a"], velocities=[])

    def error(motion):
        return np.sqrt(np.mean((motion.ys[0] - swing[1]) ** 2, axis=0))

    assert np.all(error(found.trajectories) < 0.95 * error(found.observed))
    assert error(found.trajectories)[1] < error(alone.trajectories)[1]


def test_exact_states_stay_as_they_are(swing):
    found = recorded(swing).recording
    assert found.window is None
    np.testing.assert_array_equal(found.trajectories.ys, found.observed.ys)

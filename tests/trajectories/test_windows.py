import jax.numpy as jnp
import numpy as np
import pytest

from neural_lagrangian.trajectories import TimeOrderError, Trajectories, Windows

from .test_container import recording


@pytest.mark.parametrize(("horizon", "stride"), [(0, 1), (1, 1), (2, 1), (1, 2), (3, 1)])
def test_windows_are_all_stretches_inside_one_trajectory(horizon, stride):
    ts, ys = recording()
    windows = Windows(Trajectories(ts, ys), horizon, stride=stride)
    expected = [
        (t[i : i + horizon * stride + 1 : stride], y[i : i + horizon * stride + 1 : stride])
        for t, y in zip(ts, ys, strict=True)
        for i in range(len(t) - horizon * stride)
    ]
    assert len(windows) == len(expected)
    wts, wys = windows.gather(jnp.arange(len(windows)))
    for i, (t, y) in enumerate(expected):
        np.testing.assert_allclose(wts[i], t, rtol=1e-6)
        np.testing.assert_allclose(wys[i], y, rtol=1e-6)


def test_accelerations_come_along():
    ts, ys = recording()
    windows = Windows(Trajectories(ts, ys, accelerations=[y[:, 2:] * 10 for y in ys]), 1)
    _, wys, accelerations = windows.gather(jnp.array([0, 5]))
    np.testing.assert_allclose(accelerations, wys[..., 2:] * 10, rtol=1e-6)


@pytest.mark.bad_input
def test_times_too_large_for_the_precision_are_refused():
    """Seconds since 1970 in single precision are minutes apart, or not at all."""
    data = Trajectories(1.7e9 + 0.01 * np.arange(5.0), np.zeros((1, 5, 2)))
    with pytest.raises(TimeOrderError, match=r"trajectory 0, index 1: times .* apart in float32"):
        Windows(data, 1, dtype=np.float32)


def test_a_horizon_that_is_too_long_is_named():
    with pytest.raises(ValueError, match=r"`horizon` is 3 intervals of 2 samples, .* needs 7 samples; .* has 5"):
        Windows(Trajectories(*recording()), 3, stride=2)
    with pytest.raises(ValueError, match="`horizon` is -1"):
        Windows(Trajectories(*recording()), -1)

import jax
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.datasets import add_noise

KEY = jax.random.key(0)
SAMPLES = 20_000


def signal():
    """Channels of deviation 1, 100, 0.01 and 0, about means far from zero, of unequal lengths."""
    x = np.linspace(0.0, 200 * np.pi, SAMPLES)
    root = np.sqrt(2)
    y = np.stack([5 + root * np.sin(x), 100 * root * np.cos(x), -3 + 0.01 * root * np.sin(x), np.full_like(x, 7)], 1)
    ts = np.arange(SAMPLES) * 1.0
    return nl.Trajectories(
        [ts, ts[: SAMPLES // 2]], [y, y[: SAMPLES // 2]], accelerations=[y[:, 2:], y[: SAMPLES // 2, 2:]]
    )


def deviations(noisy, data):
    return (noisy.ys - data.ys)[data.mask].std(axis=0)


TOLERANCE = 5 / np.sqrt(2 * 1.5 * SAMPLES)  # five standard errors of a measured deviation


@pytest.mark.parametrize(
    ("options", "ratio"),
    [
        ({"snr_db": 40.0}, [0.01] * 4),
        ({"snr_db": 20}, [0.1] * 4),
        ({"relative": 0.3}, [0.3] * 4),
        ({"relative": [0.1, 0.0, 0.5, 1.0]}, [0.1, 0.0, 0.5, 1.0]),
        ({"snr_db": [np.inf, 0.0, 20.0, 20.0]}, [0.0, 1.0, 0.1, 0.1]),
    ],
)
def test_noise_is_in_the_ratio_stated_to_each_channel(options, ratio):
    data = signal()
    noisy = add_noise(data, **options, key=KEY)
    np.testing.assert_allclose(deviations(noisy, data), np.array(ratio) * [1, 100, 0.01, 0], rtol=TOLERANCE)
    changed = (noisy.accelerations - data.accelerations)[data.mask].std(axis=0)
    np.testing.assert_allclose(changed, np.array(ratio)[2:] * [0.01, 0], rtol=TOLERANCE)
    np.testing.assert_array_equal(noisy.ts, data.ts)
    np.testing.assert_array_equal(noisy.mask, data.mask)


def test_noise_is_white_independent_and_of_its_key():
    data = signal()
    noisy = add_noise(data, relative=1.0, key=KEY)
    noise = (noisy.ys - data.ys)[0, :, :3] / [1, 100, 0.01]
    correlations = np.corrcoef(np.concatenate([noise[1:], noise[:-1]], axis=1).T) - np.eye(6)
    assert np.abs(correlations).max() < 5 / np.sqrt(SAMPLES)
    np.testing.assert_array_equal(add_noise(data, relative=1.0, key=KEY).ys, noisy.ys)
    assert np.any(add_noise(data, relative=1.0, key=jax.random.key(1)).ys != noisy.ys)
    assert add_noise(data.astype(np.float32), relative=1.0, key=KEY).ys.dtype == np.float32


@pytest.mark.double
def test_noise_of_accelerations_is_drawn_by_itself():
    """No number of it is among those of the states."""
    data = signal()
    noisy = add_noise(data, relative=1.0, key=KEY)
    of_states = (noisy.ys - data.ys)[..., :3] / [1, 100, 0.01]
    of_accelerations = (noisy.accelerations - data.accelerations)[..., 0] / 0.01
    shared = np.intersect1d(np.round(of_states, 9), np.round(of_accelerations, 9))
    assert len(shared) < 20  # by chance one


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "`snr_db` is None and `relative` is None; expected exactly one of them"),
        ({"snr_db": 1.0, "relative": 1.0}, "expected exactly one of them"),
        ({"relative": -0.1}, "`relative` is -0.1"),
        ({"relative": [0.1, 0.2]}, r"`relative` is \[0.1, 0.2\]; expected a number, or one for each of the 4 columns"),
        ({"snr_db": np.nan}, "`snr_db` is nan"),
    ],
)
def test_bad_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        add_noise(signal(), **options, key=KEY)


def test_controls_are_what_was_commanded():
    data = nl.Trajectories(np.arange(3.0), np.ones((1, 3, 2)) * np.arange(3.0)[:, None], controls=np.ones((1, 3, 1)))
    np.testing.assert_array_equal(add_noise(data, relative=0.5, key=KEY).controls, data.controls)

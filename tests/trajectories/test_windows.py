import sys
import tracemalloc

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from neural_lagrangian.trajectories import TimeOrderError, Trajectories, Windows, differentiate
from neural_lagrangian.trajectories.sources import Resident

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
    found = eqx.filter_jit(windows.gather)(jnp.arange(len(windows)))
    for i, (t, y) in enumerate(expected):
        np.testing.assert_allclose(found.ts[i], t, rtol=1e-6)
        np.testing.assert_allclose(found.ys[i], y, rtol=1e-6)


def interrupted():
    """Two trajectories, each with a gap of its own, no two samples alike."""
    ts = [np.concatenate([0.1 * np.arange(n), 50 + 0.1 * np.arange(20)]) for n in (6, 9)]
    ys = [np.stack([t + 1000 * i, -t], axis=1) for i, t in enumerate(ts)]
    return Trajectories(ts, ys, accelerations=[y[:, :1] ** 2 for y in ys])


def test_windows_of_runs_between_gaps_are_those_of_the_split_motion():
    motion = interrupted()
    whole, apart = Windows(motion, 3), Windows(motion.split_at_gaps(), 3)
    assert len(whole) == len(apart) == 3 + 17 + 6 + 17
    of_each = (jax.tree.leaves(windows.gather(jnp.arange(len(windows)))) for windows in (whole, apart))
    for found, expected in zip(*of_each, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_split_motion_holds_every_sample_in_its_place():
    motion = interrupted()
    apart = motion.split_at_gaps()
    assert list(apart.lengths) == [6, 20, 9, 20]
    for name in ("ts", "ys", "accelerations"):
        np.testing.assert_array_equal(getattr(apart, name)[apart.mask], getattr(motion, name)[motion.mask])


def test_a_clock_set_to_zero_starts_there_and_runs_on():
    motion = Trajectories([5 + np.arange(4.0), 9 + np.arange(3.0) ** 2], [np.zeros((4, 2)), np.zeros((3, 2))])
    times = [t.tolist() for t, _ in motion.from_zero()]
    assert times == [[0, 1, 2, 3], [0, 1, 4]]


def test_rows_are_copies():
    """Not now and then the memory of the recording itself, as JAX takes it where it happens to be aligned."""
    for _ in range(50):
        trajectories = Trajectories(np.arange(200.0), np.ones((200, 4)))
        ys = Resident(trajectories, trajectories.ys.dtype).rows.ys
        trajectories.ys[:] = 2
        np.testing.assert_array_equal(ys, 1)


def test_accelerations_come_along():
    ts, ys = recording()
    windows = Windows(Trajectories(ts, ys, accelerations=[y[:, 2:] * 10 for y in ys]), 1)
    found = windows.gather(jnp.array([0, 5]))
    np.testing.assert_allclose(found.accelerations, found.ys[..., 2:] * 10, rtol=1e-6)


@pytest.mark.parametrize("with_accelerations", [False, True])
def test_controls_come_along(with_accelerations):
    ts, ys = recording()
    accelerations = [y[:, 2:] * 10 for y in ys] if with_accelerations else None
    windows = Windows(Trajectories(ts, ys, accelerations=accelerations, controls=[y[:, :1] * 2 for y in ys]), 1)
    found = windows.gather(jnp.array([0, 5]))
    assert found.controls.shape == (2, 2, 1)
    np.testing.assert_allclose(found.controls, found.ys[..., :1] * 2, rtol=1e-6)
    assert (found.accelerations is not None) == with_accelerations
    assert found.parameters is found.states is found.mask is None


@pytest.mark.bad_input
def test_times_too_large_for_the_precision_are_refused():
    """Seconds since 1970 in single precision are minutes apart, or not at all."""
    data = Trajectories(1.7e9 + 0.01 * np.arange(5.0), np.zeros((1, 5, 2)))
    with pytest.raises(TimeOrderError, match=r"trajectory 0, index 1: times .* apart in float32"):
        Windows(data, 1, dtype=np.float32)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    "use", [lambda m: Windows(m, 1), lambda m: differentiate(m.ts[0], m.ys[0, :, :1], window=3, degree=2)]
)
def test_a_clock_that_was_recorded_too_coarsely_is_refused(use):
    """Single precision at 1e5 s has steps of 0.008 s; what was rounded there cannot be mended."""
    coarse = Trajectories((1e5 + 0.02 * np.arange(5)).astype(np.float32), np.zeros((1, 5, 2), np.float32))
    with pytest.raises(TimeOrderError, match=r"index 1: times .* have a step near the rounding error in float32"):
        use(coarse)
    use(Trajectories((1e5 + 0.5 * np.arange(5)).astype(np.float32), coarse.ys))


@pytest.mark.bad_input
def test_the_clock_may_be_set_to_zero():
    late = Trajectories(1.7e9 + 0.01 * np.arange(5.0), np.zeros((2, 5, 2)))
    with pytest.raises(TimeOrderError, match="apart in float32"):
        late.astype(np.float32)
    ts = late.from_zero().astype(np.float32).ts
    np.testing.assert_allclose(ts, np.tile(0.01 * np.arange(5), (2, 1)), atol=1e-6)
    assert Windows(late.from_zero(), 1, dtype=np.float32).gather(jnp.arange(1)).ts.dtype == np.float32


def test_a_horizon_that_is_too_long_is_named():
    with pytest.raises(ValueError, match=r"`horizon` is 3 intervals of 2 samples, .* needs 7 samples, but .* has 5"):
        Windows(Trajectories(*recording()), 3, stride=2)
    with pytest.raises(ValueError, match="`horizon` is -1"):
        Windows(Trajectories(*recording()), -1)


def test_memory_does_not_grow_with_the_horizon(request):
    """A window is two indices, and a gather when it is needed: not a copy of its rows."""
    rows = 1_000_000 if request.config.getoption("--slow") else 100_000
    data = Trajectories(1e-3 * np.arange(rows / 10), np.zeros((10, rows // 10, 4)))
    size = data.ys.nbytes + data.ts.shape[1] * 8

    def held_and_peak(horizon):
        tracemalloc.start()
        try:
            windows = Windows(data, horizon)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        batch = jax.eval_shape(windows.gather, jnp.arange(128))
        assert batch.ys.shape == (128, horizon + 1, 4)
        return sum(leaf.nbytes for leaf in jax.tree.leaves(windows)), peak

    held, peak = zip(*(held_and_peak(horizon) for horizon in (1, 8, 512)), strict=True)
    sys.stdout.write(f"{rows} rows of {size / 1e6:.0f} MB: windows hold {held}, host peak {peak} bytes\n")
    assert held[0] >= held[1] >= held[2]
    assert peak[2] <= 1.05 * peak[0]
    assert peak[0] < 3 * size  # a copy of each window of 512 would be 500 times as much

"""What a gap is, and that nothing crosses one: no window, no local polynomial, no loss."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from numpy.lib.format import open_memmap

import neural_lagrangian as nl
from neural_lagrangian.datasets import add_noise
from neural_lagrangian.discovery import Library, sparse_lagrangian
from neural_lagrangian.trajectories import Scaling, ShapeError, Trajectories, Windows, differentiate, noise_gain
from neural_lagrangian.trajectories.gaps import runs_of

from ..helpers import DTYPE

RNG = np.random.default_rng(0)
STEP = 0.01


def encoder():
    """A sensor that records each degree of a swing: slow at the turning points, fast between them."""
    t = np.linspace(0, 20, 400_001)
    degree = np.floor(np.rad2deg(np.sin(3 * t)) + 0.3)
    return t[np.append(True, np.diff(degree) != 0)]


REGULAR = STEP * np.arange(2000)
CLOCKS = {  # uneven, but without a gap
    "regular": REGULAR,
    "jitter": REGULAR + STEP * RNG.uniform(-0.4, 0.4, 2000),
    "one sample in ten is lost": np.delete(REGULAR, np.arange(5, 2000, 10)),
    "five samples are lost": np.delete(REGULAR, np.arange(700, 705)),
    "two clocks": np.unique(np.concatenate([REGULAR, 0.0137 * np.arange(1400) + 0.001])),
    "slower from the middle on": np.concatenate([REGULAR[:1000], REGULAR[999] + 0.2 * np.arange(1, 200)]),
    "faster from the middle on": np.concatenate([0.2 * np.arange(200), 39.8 + REGULAR[1:1000]]),
    "random": np.cumsum(RNG.exponential(STEP, 500)),
    "encoder": encoder(),
    "milliseconds": np.round(np.arange(2000) / 60, 3),
    "since 1970": 1.7e9 + REGULAR,
}


def lengths(ts, gap=None):
    runs = runs_of(ts[None], np.array([len(ts)]), gap)
    assert runs.length.sum() == len(ts)
    return runs.length.tolist()


@pytest.mark.parametrize("clock", CLOCKS)
def test_uneven_sampling_is_no_gap_and_a_hole_in_it_is_one(clock):
    ts = CLOCKS[clock]
    assert lengths(ts) == [len(ts)]
    middle = len(ts) // 2
    # At one place of the middle, with what is usual there; and once more near either end.
    for place in (3, middle, len(ts) - 3):
        wide = 10 * np.diff(ts)[max(0, place - 61) : place + 61].max()
        assert lengths(ts + wide * (np.arange(len(ts)) >= place)) == [place, len(ts) - place]


def test_several_gaps_and_samples_that_stand_alone():
    ts = np.concatenate([REGULAR[:100], [2.0], [3.5], [3.51], REGULAR[:50] + 5, [7.0]])
    assert lengths(ts) == [100, 1, 2, 50, 1]


def test_a_length_of_time_may_be_said_instead():
    ts = np.delete(REGULAR, [50, 51, 100])
    assert lengths(ts) == [len(ts)]
    assert lengths(ts, 0.025) == [50, len(ts) - 50]
    assert lengths(ts, 0.015) == [50, 48, len(ts) - 98]
    assert lengths(REGULAR + 9.0 * (REGULAR > 4), math.inf) == [2000]


@pytest.mark.bad_input
@pytest.mark.parametrize("gap", [0.0, -1.0, math.nan])
def test_a_gap_that_makes_no_sense_is_refused(gap):
    with pytest.raises(ValueError, match="`gap` is"):
        Trajectories(REGULAR, np.zeros((2000, 2)), gap=gap)


def test_each_trajectory_has_its_own_gaps():
    """Long ones are found in blocks, and shared clocks once for all."""
    ts = np.tile(REGULAR, (3, 1))
    ts[1, 700:] += 1
    runs = runs_of(ts, np.array([2000, 2000, 500]))
    assert [part.tolist() for part in runs] == [[0, 1, 1, 2], [0, 0, 700, 0], [2000, 700, 1300, 500]]
    padded = ts.copy()
    padded[2, 600:] += 9  # what follows the last sample is nobody's gap
    assert runs_of(padded, np.array([2000, 2000, 500])).length.tolist() == runs.length.tolist()
    long = STEP * np.arange(2_500_000) + 1.0 * (np.arange(2_500_000) >= (1 << 20)) + (np.arange(2_500_000) >= 2_300_000)
    assert lengths(long) == [1 << 20, 2_300_000 - (1 << 20), 200_000]
    shared = runs_of(np.broadcast_to(ts[1], (4, 2000)), np.full(4, 2000))
    assert shared.trajectory.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert shared.length.tolist() == 4 * [700, 1300]


def broken(count=60, *, driven=True, **options):
    """Two motions of one oscillator as if they were one with a gap, so that what crosses it is wrong by order one."""
    t = STEP * np.arange(count)
    pairs = [(t, 3 * t), (t + count * STEP + 1, 3 * t + 2)]
    ts = np.concatenate([t for t, _ in pairs]).astype(DTYPE)
    phase = np.concatenate([phase for _, phase in pairs])
    ys = np.stack([np.cos(phase), -3 * np.sin(phase)], axis=1).astype(DTYPE)
    if driven:
        options["controls"] = ts[:, None]
    return Trajectories(ts, ys, accelerations=-9 * ys[:, :1], names=["x"], **options)


CHANGES = {
    "select": lambda motion: motion.select([0]),
    "astype": lambda motion: motion.astype(np.float32),
    "thin": lambda motion: motion.thin(9),
    "scale": lambda motion: Scaling([0.0], [2.0], 3.0).scale(motion),
    "noise": lambda motion: add_noise(motion, relative=0.1, key=jax.random.key(0)),
    "from zero": lambda motion: motion.from_zero(),
    "split": lambda motion: motion.split_at_gaps(),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("gap", [None, 0.5, math.inf])
def test_gaps_and_names_outlive_what_is_done_to_the_motion(change, gap):
    motion = broken(gap=gap)
    changed = CHANGES[change](motion)
    split = changed.split_at_gaps()
    runs = 1 if gap == math.inf else 2
    assert len(split) == runs
    assert changed.names == split.names == ("x",)
    samples = -(-120 // runs // 9) if change == "thin" else 120 // runs
    assert split.lengths.tolist() == [samples] * runs
    assert len(split.split_at_gaps()) == runs
    if change in ("thin", "from zero", "split"):
        np.testing.assert_allclose(split.accelerations[split.mask], -9 * split.ys[split.mask][:, :1], rtol=1e-6)


def in_files(motion, folder):
    for name in ("ts", "ys"):
        array = getattr(motion, name)
        open_memmap(folder / f"{name}.npy", "w+", array.dtype, array.shape)[:] = array
    return Trajectories(*(np.load(folder / f"{name}.npy", mmap_mode="r") for name in ("ts", "ys")))


@pytest.mark.parametrize("kept", ["in memory", "in files", "on a mesh"])
def test_no_window_crosses_a_gap(kept, tmp_path):
    motion = broken()
    mesh = jax.make_mesh((1,), ("data",)) if kept == "on a mesh" else None
    windows = Windows(in_files(motion, tmp_path) if kept == "in files" else motion, 4, stride=2, mesh=mesh)
    assert len(windows) == 2 * (60 - 8)
    i, rows = windows.rows(jnp.arange(len(windows)))
    assert np.all(np.asarray(i) == 0)
    spans = np.ptp(np.asarray(motion.ts[0])[np.asarray(rows)], axis=1)
    np.testing.assert_allclose(spans, 8 * STEP, rtol=1e-3)
    if mesh is None:
        np.testing.assert_array_equal(windows.gather(jnp.arange(len(windows))).ys, motion.ys[0][np.asarray(rows)])
    assert len(Windows(broken(gap=math.inf), 4, stride=2)) == 120 - 8


def test_runs_too_short_for_a_window_are_named():
    with pytest.raises(ValueError, match="the longest run between gaps has 60"):
        Windows(broken(), 60)


def test_no_polynomial_crosses_a_gap():
    motion = broken()
    ts, qs = motion.ts[0], motion.ys[0, :, :1]
    found = differentiate(ts, qs, accelerations=True)
    alone = [differentiate(ts[rows], qs[rows], accelerations=True) for rows in (slice(60), slice(60, None))]
    assert found.lengths.tolist() == [60, 60]
    np.testing.assert_array_equal(found.ys, np.concatenate([part.ys for part in alone]))
    np.testing.assert_array_equal(noise_gain(ts)[60:], noise_gain(ts[60:]))
    assert np.abs(found.ys[..., 1] - motion.ys[0, :, 1].reshape(2, 60)).max() < 0.01
    across = differentiate(ts, qs, gap=math.inf)
    assert np.abs(across.ys[0, :, 1] - motion.ys[0, :, 1]).max() > 0.1


def test_a_run_too_short_for_the_polynomials_is_left_out():
    ts = np.concatenate([REGULAR[:30], [1.0, 1.01], REGULAR[:20] + 2])
    found = differentiate([ts, REGULAR[:12]], [ts[:, None], REGULAR[:12, None]])
    assert found.lengths.tolist() == [30, 20, 12]
    with pytest.raises(ShapeError, match="trajectory 1: has 10 samples between gaps"):
        differentiate([ts, ts[20:33]], [ts[:, None], ts[20:33, None]])


class Spring(eqx.Module):
    stiffness: jax.Array

    def __call__(self, y):
        return -self.stiffness * y[:1]


@pytest.mark.double
@pytest.mark.optax
@pytest.mark.bad_input
@pytest.mark.filterwarnings("ignore:.* windows diverged")  # those across the gap that is said to be none
def test_no_training_compares_what_lies_on_either_side_of_a_gap():
    """The true model has no error on such a recording; it has one of order one where the gap is no gap."""
    truth = nl.NeuralODE(Spring(jnp.asarray([9.0])), stepsize_controller=nl.StepsPerSample(1))
    plain, crossed = broken(driven=False), broken(driven=False, gap=math.inf)

    def fit(motion):
        options = {"optimizer": optax.sgd(0.0), "steps": 1, "horizon": 4, "batch_size": 256}
        return nl.fit(truth, motion, held_out=motion, key=jax.random.key(0), **options).history.held_out[-1]

    def polish(motion):
        return nl.training.polish(truth, motion, steps=1, horizon=4, windows=120).loss[0]

    def gauss_newton(motion):
        return nl.training.gauss_newton(truth, motion, steps=1, horizon=4, windows=120).loss[0]

    for learn in (fit, polish, gauss_newton):
        assert float(learn(plain)) < 1e-10
        assert float(learn(crossed)) > 1e-2


@pytest.mark.double
@pytest.mark.filterwarnings("ignore::neural_lagrangian.discovery.UndeterminedWarning")
def test_no_formula_is_looked_for_across_a_gap():
    library = Library.coordinates(1, 2) * Library.velocities(1, 2)
    motion = broken(400, driven=False)

    def found(motion):
        return sparse_lagrangian(motion, library, method="weak", window=30).residual

    assert found(motion) == found(motion.split_at_gaps()) < 1e-3
    assert found(broken(400, driven=False, gap=math.inf)) > 1e-2

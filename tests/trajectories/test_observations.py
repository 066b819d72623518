"""Observations come along with the motion, and may have missing values."""

import jax
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.trajectories import NonFiniteError, ShapeError, Windows

TS = np.concatenate([np.arange(6.0), np.arange(20.0, 26.0)])
YS = np.stack([TS, np.ones(12)], axis=1)


def seen():
    """One column, with a missing value, and two columns."""
    angle = TS.copy()
    angle[4] = np.nan
    return {"angle": angle, "image": np.stack([TS, -TS], axis=1)}


CHANGES = {
    "split at gaps": lambda m: m.split_at_gaps(),
    "thin": lambda m: m.thin(2),
    "select": lambda m: m.select([0]),
    "from zero": lambda m: nl.Trajectories(m.ts + 5, m.ys, observations=m.observations).from_zero(),
    "precision": lambda m: m.astype(np.float32),
}


@pytest.mark.parametrize("change", CHANGES)
def test_observations_come_along(change):
    changed = CHANGES[change](nl.Trajectories(TS, YS, observations=seen()))
    assert changed.observations["angle"].shape == (*changed.ts.shape, 1)
    assert changed.observations["image"].shape == (*changed.ts.shape, 2)
    q = changed.ys[..., 0]
    np.testing.assert_array_equal(changed.observations["image"][..., 1][changed.mask], -q[changed.mask])
    expected = np.where(q == 4, np.nan, q)[changed.mask]
    np.testing.assert_array_equal(changed.observations["angle"][..., 0][changed.mask], expected)


def test_ragged_observations_are_padded_and_reach_the_windows():
    parts = [slice(0, 6), slice(6, 10)]
    observations = {name: [value[part] for part in parts] for name, value in seen().items()}
    motion = nl.Trajectories([TS[p] for p in parts], [YS[p] for p in parts], observations=observations)
    assert "observations angle, image" in repr(motion)
    batch = Windows(motion, 2).gather(jax.numpy.arange(6))
    assert batch.observations["angle"].shape == (6, 3, 1)
    np.testing.assert_array_equal(batch.observations["image"][..., 0], batch.ys[..., 0])
    assert np.isnan(batch.observations["angle"]).sum() == 2  # the missing value is in two windows


def test_motion_without_observations_is_as_before():
    motion = nl.Trajectories(TS, YS)
    assert motion.observations is None
    assert Windows(motion, 2).gather(jax.numpy.arange(1)).observations is None
    assert len(jax.tree.leaves(motion)) == 3


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("observations", "error", "message"),
    [
        ({"angle": np.full(12, np.nan)}, NonFiniteError, r"`observations\['angle'\]` has no value at all.*leave this"),
        ({"image": np.stack([TS, np.nan * TS], 1)}, NonFiniteError, "no value at all in column 1"),
        ({"angle": np.where(TS == 3, np.inf, TS)}, NonFiniteError, r"`observations\['angle'\]` is inf"),
        ({"angle": TS[:5]}, ShapeError, r"`observations\['angle'\]` has shape \(1, 5, 1\); expected \(1, 12, m\)"),
        ({"angle": np.arange(12)}, nl.trajectories.DtypeError, r"`observations\['angle'\]` has dtype int64"),
        (TS, ShapeError, "`observations` is .*; expected a dictionary from names of channels"),
        ({}, ShapeError, "expected a dictionary"),
    ],
)
def test_bad_observations_are_named(observations, error, message):
    with pytest.raises(error, match=message):
        nl.Trajectories(TS, YS, observations=observations)

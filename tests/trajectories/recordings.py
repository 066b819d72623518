"""Recordings with random numbers, the names of their columns, and the formats of files."""

import numpy as np
import pytest

from neural_lagrangian.trajectories import Trajectories

NAMES = {"positions": ["theta", "x"], "velocities": ["omega", "u"], "trajectory": "run"}
SUFFIXES = [".csv", ".npz", ".parquet", ".h5"]


def need(suffix):
    if suffix in (".parquet", ".h5"):
        pytest.importorskip({".parquet": "pyarrow", ".h5": "h5py"}[suffix])


def recording(lengths=(5, 3, 4), seed=0):
    rng = np.random.default_rng(seed)
    ts = [np.cumsum(rng.uniform(0.1, 1.0, n)) for n in lengths]
    ys = [rng.normal(size=(n, 4)) * 10.0 ** rng.integers(-30, 30, (n, 4)) for n in lengths]
    return Trajectories(ts, ys, accelerations=[y[:, :2] / 3 for y in ys])


def same(a, b):
    np.testing.assert_array_equal(a.mask, b.mask)
    np.testing.assert_array_equal(a.ts[a.mask], b.ts[b.mask])
    np.testing.assert_array_equal(a.ys[a.mask], b.ys[b.mask])

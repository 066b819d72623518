"""Motion that stays in files is trained on as if it were in memory."""

import os
import subprocess
import sys

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.lib.format import open_memmap

import neural_lagrangian as nl
from neural_lagrangian.trajectories import NonFiniteError, TimeOrderError, Windows

from .killed import data, trained
from .mapped import SETTINGS, mapped

pytestmark = [pytest.mark.double, pytest.mark.optax]


@pytest.fixture
def folder(tmp_path):
    np.save(tmp_path / "ts.npy", np.array(data().ts))
    np.save(tmp_path / "ys.npy", data().ys)
    return tmp_path


def test_windows_have_the_same_rows(folder):
    indices = jnp.arange(12).reshape(3, 4) * 17
    in_files, in_memory = (Windows(motion, 3, stride=2) for motion in (mapped(folder), data()))
    assert not jax.tree.leaves(in_files.source)
    for gather in (lambda windows: jax.vmap(windows.gather)(indices), lambda windows: windows.gather(indices[0])):
        found, expected = jax.jit(lambda g=gather: g(in_files))(), gather(in_memory)
        jax.tree.map(np.testing.assert_array_equal, found, expected)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_precision_is_that_of_the_windows(folder, dtype):
    found = Windows(mapped(folder), 3, dtype=dtype).gather(jnp.arange(2))
    assert found.ts.dtype == found.ys.dtype == dtype


@pytest.mark.usefixtures("optimized")
def test_training_is_bit_for_bit_the_same(folder, tmp_path):
    in_files = trained(motion=mapped(folder), **SETTINGS, folder=tmp_path / "run")
    assert eqx.tree_equal(in_files.model, trained(**SETTINGS).model)


@pytest.mark.bad_input
def test_a_fault_far_inside_a_file_is_found(tmp_path):
    ts = np.arange(3 << 20) * 1e-3
    ys = open_memmap(tmp_path / "ys.npy", mode="w+", dtype=np.float64, shape=(len(ts), 2))
    ys[2_500_000, 1] = np.nan
    with pytest.raises(NonFiniteError, match="trajectory 0, index 2500000: `ys` is nan in column 1"):
        nl.Trajectories(ts, np.load(tmp_path / "ys.npy", mmap_mode="r"))
    ts[2_000_000] = ts[1_999_999]
    with pytest.raises(TimeOrderError, match="trajectory 0, index 2000000: time repeats"):
        nl.Trajectories(ts, np.zeros((len(ts), 2)))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the limit is that of Linux")
def test_files_may_be_larger_than_memory(tmp_path):
    """768 MB of motion by a process that may have 256 MB more than it begins with, and could not hold them."""
    shape = (8, 4_000_000)
    ts = open_memmap(tmp_path / "ts.npy", mode="w+", dtype=np.float64, shape=shape)
    ys = open_memmap(tmp_path / "ys.npy", mode="w+", dtype=np.float64, shape=(*shape, 2))
    for i in range(shape[0]):
        ts[i] = 1e-3 * np.arange(shape[1])
        ys[i, :, 0], ys[i, :, 1] = np.cos(ts[i] + i), -np.sin(ts[i] + i)
    ts.flush()
    ys.flush()
    environment = os.environ | {"JAX_ENABLE_X64": "1", "JAX_PLATFORMS": "cpu"}
    program = [sys.executable, "-m", "tests.training.mapped", tmp_path, str(256 << 20)]
    done = subprocess.run(program, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout == "trained on more than fits"

"""Several devices and processes train as one device does."""

import os
import socket
import subprocess
import sys

import jax
import numpy as np
import pytest
from jax.sharding import AxisType

import neural_lagrangian as nl

from ..helpers import fit_options, slow
from .distributed import SETTINGS, make, trained, weights
from .killed import data

pytestmark = [pytest.mark.double, pytest.mark.optax, pytest.mark.bad_input]


@pytest.mark.parametrize(("processes", "devices", "members"), [(2, 2, None), slow(1, 4, None), slow(2, 2, 3)], ids=str)
def test_they_end_with_the_weights_of_one_device(tmp_path, processes, devices, members):
    """Each process with its own trajectories, five and three of eight, padded to a multiple of its devices."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        address = f"localhost:{free.getsockname()[1]}"
    environment = os.environ | {"JAX_ENABLE_X64": "1", "JAX_PLATFORMS": "cpu", "JAX_NUM_CPU_DEVICES": str(devices)}
    programs = [
        f"import jax; jax.distributed.initialize({address!r}, {processes}, {rank}); "
        f"from tests.training.distributed import main; main({str(tmp_path)!r}, {members})"
        for rank in range(processes)
    ]
    running = [
        subprocess.Popen([sys.executable, "-c", program], env=environment, stderr=subprocess.PIPE)
        for program in programs
    ]
    for process in running:
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors.decode()[-3000:]
    one = trained(data(), members)
    for rank in range(processes):
        with np.load(tmp_path / f"{rank}.npz") as found:
            np.testing.assert_allclose(found["loss"], one.history.loss, rtol=1e-12)
            for i, expected in enumerate(weights(one)):
                np.testing.assert_allclose(found[f"arr_{i}"], expected, rtol=1e-12, atol=1e-12)
    assert list((tmp_path / "checkpoints").iterdir())


def test_a_model_with_arrays_of_numpy_is_shared_too():
    """Such as a `Scaling`, which stays in double precision."""
    scaling = nl.trajectories.Scaling([0.1], [2.0], 0.5)
    mesh = jax.make_mesh((1,), ("data",), axis_types=(AxisType.Explicit,))
    shared, alone = (
        nl.fit(nl.Scaled(make(0.0), scaling), data(), key=jax.random.key(0), **fit_options(mesh=one, **SETTINGS))
        for one in (mesh, None)
    )
    for one, other in zip(weights(shared), weights(alone), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)


def test_a_mesh_that_cannot_share_the_training_is_refused():
    def with_mesh(mesh, **keywords):
        nl.fit(make(0.0), data(), key=jax.random.key(0), **fit_options(mesh=mesh, **SETTINGS | keywords))

    with pytest.raises(ValueError, match=r"`mesh` has axes \('a', 'b'\); expected one"):
        with_mesh(jax.make_mesh((1, 1), ("a", "b")))
    with pytest.raises(ValueError, match="`estimate_states` is True and `mesh` is given"):
        with_mesh(jax.make_mesh((1,), ("data",)), estimate_states=True, loss=nl.trajectory_mse)

"""Measured pendulums (Kaheman et al. 2022) by the command line alone, with default options.

The recording is in consecutive pieces. The command gets the even ones as a file, and the names of the angles. The odd
ones test the model of its verdict. Rollouts start every 0.1 s from states of a local polynomial through the angles. The
error is the root mean square error of the angles from the start to the horizon, median over the starts.
"""

import subprocess
import sys
import time

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian import analysis

HORIZONS = (0.5, 1.0)
COLUMNS = {
    "kind": "pendulum",
    "rows": "rows",
    "seconds": "file to report",
    "half": "error over 0.5 s [rad]",
    "one": "over 1 s [rad]",
    "said": "best description",
}


def recorded(kind):
    try:
        return nl.datasets.kaheman_pendulum(kind)
    except nl.trajectories.DataFileError as error:
        pytest.skip(f"the recording is not here: {error}")


def identified(recording, folder):
    """The lines that the command prints, and its wall time."""
    angles = [f"theta{i + 1}" for i in range(recording.dof)]
    rates = [f"omega{i + 1}" for i in range(recording.dof)]
    names = {"time": "t", "positions": angles, "velocities": rates, "trajectory": "piece"}
    nl.trajectories.write_trajectories(folder / "even.csv", recording, **names)
    options = ["--trajectory", "piece", "--coordinates", *angles, "--velocities", *rates, "--angles", *angles]
    began = time.perf_counter()
    command = [sys.executable, "-m", "neural_lagrangian", "fit", "even.csv", *options]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.splitlines(), time.perf_counter() - began


def errors(model, test):
    """The median error for each horizon."""
    model = eqx.tree_at(
        lambda m: m.integration.stepsize_controller, model, nl.StepsPerSample(1), is_leaf=lambda x: x is None
    )
    found = []
    for horizon in HORIZONS:
        windows = nl.trajectories.Windows(test, int(horizon * 100), stride=10, dtype=jnp.float64)
        _, rows = windows.rows(jnp.arange(len(windows)))
        starts = windows.gather(jnp.asarray(np.flatnonzero(rows[:, 0] % 100 == 0)))
        ts = starts.ts[0] - starts.ts[0, 0]
        predicted = analysis.rollouts(model, ts, starts.ys[:, 0])
        found.append(float(jnp.median(analysis.angle_rmse(predicted, starts.ys, ts, [horizon], window=horizon)[0])))
    return found


def test_measured_pendulums_by_the_command_line(standard, report, tmp_path):
    rows = []
    for kind in ("single", "double"):
        recording = recorded(kind)
        smooth = nl.trajectories.differentiate(*nl.trajectories.without_velocities(recording), window=61)
        even, odd = (range(first, len(recording), 2) for first in (0, 1))
        (tmp_path / kind).mkdir()
        lines, seconds = identified(recording.select(even), tmp_path / kind)
        verdict = next(line for line in lines if "Best description" in line)
        with jax.enable_x64(True):
            half, one = errors(nl.load_model(tmp_path / kind / "even-fit"), smooth.select(odd))
        size = int(recording.select(even).lengths.sum())
        said = verdict.split("motion: ")[1].rstrip(".")
        rows.append({"kind": kind, "rows": size, "seconds": seconds, "half": half, "one": one, "said": said})
    with jax.enable_x64(True):  # as the command computes
        report.table(
            "measured_pendulums",
            "Measured pendulums by the command line alone, default options",
            rows,
            COLUMNS,
            how="one run of each; networks are trained in single precision",
        )
    assert rows[0]["half"] < 0.0024
    assert rows[1]["half"] < 0.0019

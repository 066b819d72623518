"""Recordings as users have them: CSV files of exact motions."""

import numpy as np

from neural_lagrangian.trajectories import Trajectories, write_trajectories

FREQUENCY = 3.0


def oscillations(ts, phases=(0.0,)):
    """Of unit amplitude, exactly."""
    angle = FREQUENCY * np.asarray(ts)[None] + np.asarray(phases)[:, None]
    return np.stack([np.cos(angle), -FREQUENCY * np.sin(angle)], axis=-1)


def write(path, *, count=300, step=0.02, phases=(0.0,), velocities=True, noise=0.0):
    """An oscillator's `t,x,v` or `t,x`, with a column `run` if there are several motions."""
    ts = step * np.arange(count)
    ys = oscillations(ts, phases)
    ys[..., 0] += noise * np.random.default_rng(0).normal(size=ys.shape[:2])
    write_trajectories(
        path,
        Trajectories(ts, ys),
        positions=["x"],
        velocities=["v"] if velocities else None,
        trajectory="run" if len(phases) > 1 else None,
    )
    return path


def write_rows(path, header, rows):
    path.write_text("\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n")
    return path

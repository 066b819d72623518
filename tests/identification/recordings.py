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


def faulty(path, fault):
    """A recording with one fault."""
    ts = 0.02 * np.arange(300)
    rows = np.column_stack([ts, oscillations(ts)[0]]).tolist()
    header = "t,x,v"
    if fault == "text":
        rows[4][1] = "oops"
    elif fault == "infinity":
        rows[4][1] = "inf"
    elif fault == "too short":
        rows = rows[:20]
    elif fault == "no header":
        header = "0,1,0"
    elif fault == "at rest":
        rows = [[t, 1.0, 0.0] for t, *_ in rows]
    elif fault == "another unit":
        rows = [[t, x, 57.29578 * v] for t, x, v in rows]
    elif fault == "no velocity":
        rows = [[t, x, (7 * i) % 11] for i, (t, x, _) in enumerate(rows)]
    elif fault == "turns":
        header, rows = "t,x [m],v [m/s]", [[t, 3 * t % (2 * np.pi), 3.0] for t, *_ in rows]
    elif fault == "two runs":
        rows = rows[:150] + rows[:150]
    return write_rows(path, header, rows)


FAULTS = {
    "text": (1, "line 6, column 'x': 'oops' is not a number; expected one; if the sample is missing, leave"),
    "infinity": (1, "line 6, column 'x': is infinite"),
    "too short": (1, "too short: 20 samples"),
    "no header": (1, "has no line of names"),
    "at rest": (1, "column 'x' never changes"),
    "another unit": (1, "column 'v' is 57.3 times the rate of change of 'x': declare its unit (--units)"),
    "no velocity": (1, "column 'v' is not the rate of change of 'x'"),
    "turns": (1, "x: jumps by a turn; declare it an angle (--angles x): 2"),
    "two runs": (1, "--trajectory is the column with the labels of trajectories"),
}
"""Exit status of the command line, and a part of what it says."""

"""A training on motion in files, as a program, `python -m tests.training.mapped FOLDER LIMIT`.

It may have `LIMIT` bytes more than it has when it begins.
"""

import resource
import sys
from pathlib import Path

import numpy as np

import neural_lagrangian as nl

from .killed import trained

SETTINGS = {"held_out": None, "steps": 20, "horizon": 4}


def mapped(folder):
    return nl.Trajectories(*(np.load(Path(folder) / f"{name}.npy", mmap_mode="r") for name in ("ts", "ys")))


def data_bytes():
    """Memory of this process that no file backs."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmData"))
    return 1024 * int(line.split()[1])


if __name__ == "__main__":
    trained(**SETTINGS)  # what is compiled and set up but once
    limit = data_bytes() + int(sys.argv[2])
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    motion = mapped(sys.argv[1])
    result = trained(motion=motion, resume=None, **SETTINGS)
    assert np.isfinite(result.history.loss).all()
    try:
        np.array(motion.ys)
    except MemoryError:
        sys.stdout.write("trained on more than fits")

"""A small training as a program, `python -m tests.training.killed FOLDER [WRITE]`, that is killed from outside, or by
itself in the midst of a write.
"""

import os
import signal
import sys

import jax
import numpy as np
import optax

import neural_lagrangian as nl

from ..helpers import DTYPE, fit_options, small_network

STEPS, BATCH = (60, 40), 8
OPTIMIZER = optax.adam(1e-2)


def data(shift=0.0):
    ts = np.linspace(0.0, 3.0, 31).astype(DTYPE)
    phases = np.linspace(0.0, 6.0, 8)[:, None] + shift
    return nl.Trajectories(ts, np.stack([np.cos(ts + phases), -np.sin(ts + phases)], axis=2).astype(DTYPE))


def trained(folder=None, *, width=8, motion=None, key=0, **keywords):
    model = nl.NeuralODE(small_network(1, width, out=1))
    settings = {"steps": STEPS, "horizon": (2, 4), "batch_size": BATCH, "optimizer": OPTIMIZER}
    settings |= {"held_out": data(0.4), "look_every": 20, "checkpoint_every": 0.0, "resume": folder}
    options = fit_options(**settings | keywords)
    return nl.fit(model, data() if motion is None else motion, key=jax.random.key(key), **options)


def killed_in_write(number):
    """From now on, the write of that number ends in the middle, and the program with it."""
    sync, written = os.fsync, []

    def half(file):
        written.append(file)
        if len(written) == number:
            os.ftruncate(file, os.fstat(file).st_size // 2)
            os.kill(os.getpid(), signal.SIGKILL)
        sync(file)

    os.fsync = half


if __name__ == "__main__":
    if len(sys.argv) > 2:
        killed_in_write(int(sys.argv[2]))
    trained(sys.argv[1], callbacks=[lambda progress: sys.stdout.write("step\n") and sys.stdout.flush()])

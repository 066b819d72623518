"""One of the processes of `test_devices`: prints seconds a step, and of the first call.

Arguments: number of processes, own number, address of the first, gradient steps, batch size, intervals of a window.
"""

import json
import sys

import jax
import jax.numpy as jnp

import neural_lagrangian as nl

from .contenders import lagrangian_network
from .harness import seconds_a_step

WIDTH = 128


def main(processes: int, rank: int, address: str, steps: int, batch: int, horizon: int) -> None:
    if processes > 1:
        jax.distributed.initialize(address, processes, rank)
    system = nl.systems.DoublePendulum()
    states = system.sample_states(jax.random.key(rank), 128 // processes)
    data = nl.simulate(system, jnp.linspace(0.0, 1.0, 41), states)
    mesh = None if processes == 1 else jax.make_mesh((jax.device_count(),), ("data",))
    running = nl.training.Running(mesh=mesh)  # one process takes all its devices by itself
    options = {"horizon": horizon, "batch_size": batch, "steps": steps, "running": running}
    result = nl.fit(lagrangian_network(2, WIDTH), data, key=jax.random.key(1), **options)
    print(json.dumps([seconds_a_step(result.history), result.history.seconds[0]]))


if __name__ == "__main__":
    processes, rank, address, *numbers = sys.argv[1:]
    main(int(processes), int(rank), address, *map(int, numbers))

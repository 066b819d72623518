"""One of the processes of `test_devices`: prints seconds a step, and of the first call.

Arguments: number of processes, own number, address of the first, gradient steps.
"""

import json
import sys

import jax
import jax.numpy as jnp

import neural_lagrangian as nl

from .harness import seconds_a_step


def main(processes: int, rank: int, address: str, steps: int) -> None:
    if processes > 1:
        jax.distributed.initialize(address, processes, rank)
    system = nl.systems.DoublePendulum()
    states = system.sample_states(jax.random.key(rank), 16 // processes)
    data = nl.simulate(system, jnp.linspace(0.0, 1.0, 41), states)
    model = nl.NeuralLagrangian(nl.MechanicalLagrangian.from_mlp(2, 64, periodic=(0, 1), key=jax.random.key(2)))
    mesh = None if jax.device_count() == 1 else jax.make_mesh((jax.device_count(),), ("data",))
    running = nl.training.Running(mesh=mesh)
    result = nl.fit(model, data, key=jax.random.key(1), horizon=4, batch_size=256, steps=steps, running=running)
    print(json.dumps([seconds_a_step(result.history), result.history.seconds[0]]))


if __name__ == "__main__":
    processes, rank, address, steps = sys.argv[1:]
    main(int(processes), int(rank), address, int(steps))

"""Training on several devices and processes, against one device, all on this machine's cores."""

import json
import os
import socket
import subprocess
import sys

COLUMNS = {
    "processes": "processes",
    "devices": "devices in each",
    "seconds": "one step",
    "ratio": "/ one device",
    "compile_seconds": "first call",
}
PROGRAM = """
import json, sys
import jax
processes, rank, address, steps = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
if processes > 1:
    jax.distributed.initialize(address, processes, rank)
import jax.numpy as jnp
import neural_lagrangian as nl
from bench.harness import seconds_a_step
system = DoublePendulum()
states = system.sample_states(jax.random.key(rank), 16 // processes)
data = nl.simulate(system, jnp.linspace(0.0, 1.0, 41), states)
model = nl.NeuralLagrangian(nl.MechanicalLagrangian.from_mlp(2, 64, periodic=(0, 1), key=jax.random.key(2)))
mesh = None if jax.device_count() == 1 else jax.make_mesh((jax.device_count(),), ("data",))
settings = {"horizon": 4, "batch_size": 256, "steps": steps, "running": nl.training.Running(mesh=mesh)}
history = nl.fit(model, data, key=jax.random.key(1), **settings).history
print(json.dumps([seconds_a_step(history), history.seconds[0]]))
"""


def measured(processes, devices, steps):
    """Seconds a step, and of the first call, of the slowest process."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        address = f"localhost:{free.getsockname()[1]}"
    environment = os.environ | {"JAX_PLATFORMS": "cpu", "JAX_NUM_CPU_DEVICES": str(devices)}
    running = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(processes), str(rank), address, str(steps)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for rank in range(processes)
    ]
    found = []
    for process in running:
        output, errors = process.communicate()
        assert process.returncode == 0, errors.decode()
        found.append(json.loads(output.splitlines()[-1]))
    return [max(values) for values in zip(*found, strict=True)]


def test_devices(report, quick):
    rows = []
    for processes, devices in [(1, 1), (1, 2)] if quick else [(1, 1), (1, 2), (1, 4), (2, 1), (2, 2)]:
        seconds, first = measured(processes, devices, 60 if quick else 400)
        rows.append({"processes": processes, "devices": devices, "seconds": seconds})
        rows[-1] |= {"ratio": seconds / rows[0]["seconds"], "compile_seconds": first}
    report.table(
        "devices", "Gradient steps shared by devices, mechanical Lagrangian 64 x 2, batch 256 in all", rows, COLUMNS
    )

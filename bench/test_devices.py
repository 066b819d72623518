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


def measured(processes, devices, steps):
    """Seconds a step, and of the first call, of the slowest process."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        address = f"localhost:{free.getsockname()[1]}"
    environment = os.environ | {"JAX_PLATFORMS": "cpu", "JAX_NUM_CPU_DEVICES": str(devices)}
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "bench.device_process", str(processes), str(rank), address, str(steps)],
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

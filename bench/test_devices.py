"""Training on several devices and processes, against one device, all on this machine's cores."""

import json
import os
import socket
import subprocess
import sys

from .device_process import WIDTH

COLUMNS = {
    "batch": "batch",
    "horizon": "intervals",
    "processes": "processes",
    "devices": "devices in each",
    "seconds": "one step",
    "ratio": "/ one device",
    "compile_seconds": "first call",
}


def measured(processes, devices, *numbers):
    """Seconds a step, and of the first call, of the slowest process."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        address = f"localhost:{free.getsockname()[1]}"
    environment = os.environ | {"JAX_PLATFORMS": "cpu", "JAX_NUM_CPU_DEVICES": str(devices)}
    if devices > 1:  # threads of several devices would wait for each other
        environment["XLA_FLAGS"] = f"--xla_cpu_multi_thread_eigen=false {os.environ.get('XLA_FLAGS', '')}"
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "bench.device_process", str(processes), str(rank), address, *map(str, numbers)],
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
    shapes = [(2, 64, 1)] if quick else [(400, 64, 1), (60, 100, 20), (12, 1024, 20)]
    for steps, batch, horizon in shapes:
        shared = [(1, 1), (1, 2)] if quick or batch != 100 else [(1, 1), (1, 2), (1, 4), (2, 1), (2, 2)]
        size, alone = {"batch": batch, "horizon": horizon}, None
        for processes, devices in shared:
            seconds, first = measured(processes, devices, steps, batch, horizon)
            alone = seconds if alone is None else alone
            row = {"processes": processes, "devices": devices, "seconds": seconds, "ratio": seconds / alone}
            rows.append(size | row | {"compile_seconds": first})
    report.table("devices", f"Training steps shared by devices, {WIDTH} x 2, n = 2, one step a sample", rows, COLUMNS)

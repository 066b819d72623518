"""Start `train.py` as several processes on this machine: `python examples/cluster/launch.py [--processes 2] [--smoke]`.

If one of them fails, the others are stopped.
"""

import argparse
import socket
import subprocess
import sys
import time
from pathlib import Path

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--processes", type=int, default=2)
parser.add_argument("--smoke", action="store_true", help="the smallest size")
options = parser.parse_args()

with socket.socket() as free:
    free.bind(("localhost", 0))
    address = f"localhost:{free.getsockname()[1]}"
program = [sys.executable, Path(__file__).with_name("train.py"), address, str(options.processes)]
flags = ["--smoke"] if options.smoke else []
running = [subprocess.Popen([*program, str(rank), *flags]) for rank in range(options.processes)]
while any(process.poll() is None for process in running) and not any(process.poll() for process in running):
    time.sleep(0.2)
for process in running:
    process.terminate()
sys.exit(max(abs(process.wait()) for process in running))

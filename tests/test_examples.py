"""Every example runs, at smoke size: by `nox -s examples`."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

LONGEST = 1200
"""Seconds after which an example counts as hanging."""
EXAMPLES = Path(__file__).parents[1] / "examples"
PROGRAMS = sorted([*EXAMPLES.glob("*.py"), *EXAMPLES.glob("cluster/launch.py")])


@pytest.mark.slow
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.stem)
def test_example(program):
    if "mujoco" in program.read_text():
        pytest.importorskip("mujoco")
    environment = os.environ | {"JAX_ENABLE_X64": "false", "MPLBACKEND": "agg"}
    command = [sys.executable, str(program), "--smoke"]
    process = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=LONGEST)
    assert process.returncode == 0, f"{process.stdout[-2000:]}\n{process.stderr[-4000:]}"

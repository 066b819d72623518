"""Runs of examples: the figures that they print, how long they took, and with what."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "examples"
PACKAGES = ("jax", "equinox", "diffrax", "optax")
COLOUR = re.compile(r"\x1b\[[\d;]*m")
# Of a short run tracing and compilation are the most: little is optimised, and cycles are seldom collected.
SOON_COMPILED = {"XLA_FLAGS": "--xla_cpu_use_fusion_emitters=false --xla_backend_optimization_level=1"}
SELDOM_COLLECTED = "import gc, runpy, sys; gc.set_threshold(200_000, 20, 20); runpy.run_path(sys.argv[1])"
LINE = re.compile(r"^(?P<name>.+): (?P<value>[-+.\de]+|nan|inf)$")


@dataclass(frozen=True)
class Run:
    """What came of an example. `failed`: the last line of its error, if it ended in one."""

    figures: dict[str, float]
    seconds: float
    versions: dict[str, str]
    failed: str = ""


def run_script(example: str, size: str) -> Run:
    """Run an example as a script at a size such as "quick"."""
    command = [sys.executable, "-c", SELDOM_COLLECTED, f"{example}.py", f"--{size}"]
    began = time.perf_counter()
    environment = SOON_COMPILED | os.environ
    process = subprocess.run(command, cwd=EXAMPLES, capture_output=True, text=True, env=environment)
    return _run(process.stdout, time.perf_counter() - began, process)


def run_notebook(example: str) -> Run:
    """Execute an example in full into the notebook beside it."""
    command = ["jupytext", "--to", "ipynb", "--execute", f"{example}.py"]
    began = time.perf_counter()
    process = subprocess.run(command, cwd=EXAMPLES, capture_output=True, text=True)
    if process.returncode:  # the notebook is as it was before
        return _run("", time.perf_counter() - began, process)
    return stored_notebook(example)


def stored_notebook(example: str) -> Run:
    """What the notebook of an example says, and how long it took when it was executed."""
    cells = json.loads((EXAMPLES / f"{example}.ipynb").read_text())["cells"]
    outputs = (output for cell in cells for output in cell.get("outputs", ()) if output.get("name") == "stdout")
    times = [cell["metadata"]["execution"] for cell in cells if "execution" in cell["metadata"]]
    began, ended = (
        datetime.fromisoformat(cell[f"iopub.status.{state}"])
        for cell, state in ((times[0], "busy"), (times[-1], "idle"))
    )
    return _run("".join("".join(output["text"]) for output in outputs), (ended - began).total_seconds())


def load(path: Path) -> dict[str, Run]:
    """Runs kept so far, by example."""
    return {name: Run(**run) for name, run in json.loads(path.read_text()).items()} if path.exists() else {}


def save(path: Path, runs: dict[str, Run]) -> None:
    """Keep runs in a file."""
    path.write_text(json.dumps({name: asdict(run) for name, run in sorted(runs.items())}, indent=1) + "\n")


def figures_of(lines: Iterable[str]) -> dict[str, float]:
    """Of lines `name: value`, the figures by name."""
    return {found["name"]: float(found["value"]) for line in lines if (found := LINE.match(line))}


def _run(stdout: str, seconds: float, process: subprocess.CompletedProcess[str] | None = None) -> Run:
    failed = ""
    if process is not None and process.returncode:
        failed = COLOUR.sub("", (process.stderr.strip().splitlines() or ["no message"])[-1])
    versions = {name: version(name) for name in ("neural_lagrangian", *PACKAGES)}
    return Run(figures_of(stdout.splitlines()), round(seconds, 1), versions, failed)

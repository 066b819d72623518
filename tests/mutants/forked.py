"""Run pytest in a process that is forked from one with the packages imported, which take longer than most tests."""

import multiprocessing
import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Sequence
from pathlib import Path

IMPORTED = (
    "beartype",
    "diffrax",
    "equinox",
    "jax",
    "jaxtyping",
    "lineax",
    "matplotlib.pyplot",
    "numpy",
    "optax",
    "optimistix",
    "pytest",
    "scipy.integrate",
    "scipy.linalg",
    "scipy.optimize",
)
"""What nearly every test imports, and no fault is in."""
OPTIONS = ("-q", "-o", "addopts=", "-p", "no:cacheprovider", "--tb=line")
"""Of pytest. Without `addopts` there are no run-time type checks, whose imports take as long as all others together."""
ALREADY_IMPORTED = ("-W", "ignore::pytest.PytestAssertRewriteWarning")
INTERNAL_ERROR = 3
"""Exit status of pytest if it fails itself."""


class ForkedTests:
    """Runs pytest on a copy of the package. It needs the processes of Unix."""

    def __init__(self) -> None:
        self.processes = multiprocessing.get_context("forkserver")
        self.processes.set_forkserver_preload(list(IMPORTED))

    def __call__(
        self, folder: Path, tests: Sequence[str], *options: str, timeout: float, bytecode: bool = False
    ) -> tuple[int, str]:
        """Exit status and output of tests of the copy in `folder`; a negative status if they took `timeout` seconds.

        `bytecode`: whether it is kept. That of a fault would be taken for that of the next one in the same file.
        """
        with tempfile.NamedTemporaryFile(suffix=".txt") as output:
            arguments = [*OPTIONS, *ALREADY_IMPORTED, *options, *(f"tests/{test}" for test in tests)]
            process = self.processes.Process(target=_run, args=(str(folder), arguments, output.name, bytecode))
            process.start()
            process.join(timeout)
            if process.exitcode is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.join()
            status, text = process.exitcode, Path(output.name).read_text(encoding="utf-8", errors="replace")
            process.close()
        return status, text


def _run(folder: str, arguments: list[str], output: str, bytecode: bool) -> None:
    """Call pytest with the package and the tests of `folder`, whatever the process has imported so far."""
    os.setsid()  # programs that the tests start end with them
    with Path(output).open("wb") as file:
        os.dup2(file.fileno(), sys.stdout.fileno())
        os.dup2(file.fileno(), sys.stderr.fileno())
    os.chdir(folder)
    os.environ["PYTHONPATH"] = folder
    sys.path.insert(0, folder)
    sys.dont_write_bytecode = not bytecode
    if not bytecode:
        os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    for name in [name for name in sys.modules if name.partition(".")[0] == "tests"]:
        del sys.modules[name]
    import pytest

    try:
        status = int(pytest.main(arguments))
    except Exception:
        traceback.print_exc()
        status = INTERNAL_ERROR  # a process that raises ends with the status of a failed test
    sys.exit(status)

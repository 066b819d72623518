"""Put each fault of the catalogue into a copy of the package, and run the tests that must notice it.

`python -m tests.mutants.run`, or `nox -s mutants`. `--sample 10` takes ten faults from the whole list, `--only TEXT`
those whose name or file contains the text. The exit status is 1 if a fault is not noticed, no longer fits its file, or
stops the tests before one of them fails.
"""

import argparse
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from pathlib import Path
from queue import SimpleQueue

from ..xla_flags import settings_of_jax
from .catalogue import PACKAGE, ROOT, Fault, catalogue, sampled
from .forked import ForkedTests

COPIED = (PACKAGE, "tests", "docs", "pyproject.toml")
TIMEOUT, SOUND_TIMEOUT = 300, 1200
"""Seconds after which the tests of one fault, and those of one file on the sound package, are stopped."""
NOT_WRONG_BUT_BROKEN = re.compile(r": (NameError|ImportError|ModuleNotFoundError|SyntaxError|UnboundLocalError)\b")
"""A fault gives a wrong result; code that does not run at all is noticed by any test."""
PASSED, FAILED = 0, 1
"""Exit statuses of pytest; all others say that the tests could not run."""


def noticed(fault: Fault, folder: Path, tested: ForkedTests) -> tuple[bool, str]:
    """Whether a test fails because of the fault, and a line that says so."""
    path, began = folder / PACKAGE / fault.file, time.perf_counter()
    sound, times = path.read_text(encoding="utf-8"), path.stat()
    try:
        path.write_text(fault.mutated(sound), encoding="utf-8")
        os.utime(path, (times.st_atime, times.st_mtime + 10))  # bytecode of the sound file is not taken for it
        status, output = tested(folder, fault.tests, "-x", timeout=TIMEOUT)
    except ValueError as error:
        return False, f"STALE      {error}"
    finally:
        path.write_text(sound, encoding="utf-8")
        os.utime(path, (times.st_atime, times.st_mtime))
    seconds = time.perf_counter() - began
    found = {PASSED: "UNNOTICED", FAILED: "noticed"}.get(status, "BROKEN")
    found = "BROKEN" if NOT_WRONG_BUT_BROKEN.search(output) else found
    line = f"{found:10} {seconds:5.1f} s  {fault.file}: {fault.name}"
    return found == "noticed", line if found != "BROKEN" else f"{line}\n{output[-2000:]}"


def copied(to: Path) -> Path:
    """A copy of the package and its tests."""
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, to / name, ignore=shutil.ignore_patterns("__pycache__", "_build"))
        else:
            shutil.copy2(source, to / name)
    return to


def run(faults: Sequence[Fault], workers: int) -> int:
    """Run the tests on the sound package, then once for each fault; the number of faults not noticed."""
    tested = ForkedTests()
    with tempfile.TemporaryDirectory() as place, ThreadPoolExecutor(workers) as pool:
        sound = copied(Path(place) / "0")

        def passes(tests: Sequence[str]) -> bool:
            status, output = tested(sound, tests, timeout=SOUND_TIMEOUT, bytecode=True)
            if status != PASSED:
                sys.stdout.write(f"{output}\nThe tests must pass on the sound package first.\n")
            return status == PASSED

        if not all(pool.map(passes, by_file(faults))):
            return len(faults)
        folders: SimpleQueue[Path] = SimpleQueue()
        folders.put(sound)
        for k in range(1, workers):
            folders.put(Path(shutil.copytree(sound, Path(place) / str(k))))  # with the bytecode of the sound files

        def one(fault: Fault) -> bool:
            folder = folders.get()
            try:
                good, line = noticed(fault, folder, tested)
            finally:
                folders.put(folder)
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()
            return good

        return sum(not good for good in pool.map(one, faults))


def by_file(faults: Sequence[Fault]) -> list[list[str]]:
    """The tests of all faults, those of a file together."""
    tests = sorted({test for fault in faults for test in fault.tests})
    return [list(group) for _, group in groupby(tests, key=lambda test: test.partition("::")[0])]


def main() -> int:
    """Run the faults asked for."""
    parser = argparse.ArgumentParser(description="Check that the tests notice each fault of the catalogue.")
    parser.add_argument("--sample", type=int, metavar="N", help="run N faults, evenly from the whole list")
    parser.add_argument("--only", default="", metavar="TEXT", help="run the faults whose name or file contains TEXT")
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="test runs at the same time (default: 2)")
    asked = parser.parse_args()
    faults = [fault for fault in catalogue() if asked.only in f"{fault.file}: {fault.name}"]
    faults = faults if asked.sample is None else sampled(faults, asked.sample)
    os.environ.update(settings_of_jax())  # the processes that ForkedTests forks have imported JAX
    began = time.perf_counter()
    missed = run(faults, asked.workers)
    minutes = (time.perf_counter() - began) / 60
    sys.stdout.write(f"{len(faults) - missed} of {len(faults)} faults noticed in {minutes:.1f} minutes\n")
    return 1 if missed or not faults else 0


if __name__ == "__main__":
    sys.exit(main())

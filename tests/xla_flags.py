"""Flags of XLA for tests, of which it is known beforehand that they stop no test."""

import mmap
import os
from importlib.util import find_spec
from pathlib import Path

QUICK_TO_COMPILE = "xla_cpu_use_fusion_emitters"
"""Without these emitters the tests take 0.6 of the time: much is compiled and little computed."""


def quick_to_compile():
    """The value of `XLA_FLAGS` with which it is quickest to compile; empty where XLA does not know how."""
    return f"--{QUICK_TO_COMPILE}=false" if xla_knows(QUICK_TO_COMPILE) else ""


def settings_of_jax():
    """Environment variables that JAX reads when it is imported. Those that are set already stay.

    Much is compiled in tests and in the programs that they start, and little computed.
    """
    ours = {"JAX_ENABLE_X64": "1", "JAX_DISABLE_MOST_OPTIMIZATIONS": "1", "XLA_FLAGS": quick_to_compile()}
    return ours | {name: os.environ[name] for name in ours if name in os.environ}


def xla_knows(flag):
    """Whether the XLA of jaxlib has a flag of this name: it aborts the process on one that it has not.

    XLA is the largest file of jaxlib, and holds the names of its flags.
    """
    files = (path for path in Path(find_spec("jaxlib").origin).parent.rglob("*") if path.is_file())
    largest = max(files, key=lambda path: path.stat().st_size)
    with largest.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return content.find(flag.encode()) >= 0

"""Contenders of one group, compiled outside the clock, run in turns, and told as ratios to a baseline."""

import json
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from neural_lagrangian.training import History


@dataclass
class Contender:
    """A function to be timed. What `record` holds (error, steps, ...) goes into its row as it stands."""

    name: str
    fn: Callable[..., Any]
    args: tuple[Any, ...]
    record: dict[str, Any] = field(default_factory=dict)
    repeats: float = 1
    """The time is multiplied by this: for costs extrapolated from a sample."""


def environment() -> dict[str, str]:
    """What every record says of where it was taken."""
    dtype = str(jnp.result_type(float))
    return {"device": jax.devices()[0].device_kind, "dtype": dtype, "jax": jax.__version__}


def measure(
    contenders: list[Contender], *, baseline: str, rounds: int = 7, least: float = 0.0
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """One row a contender, and what each returned, by name.

    A row holds the median of rounds taken in turns, its ratio to the baseline, operations and memory.
    Short functions are called several times a round, so that a round lasts at least `least` seconds.
    """
    executables, rows = [], []
    for contender in contenders:
        executable, record = compiled(contender.fn, *contender.args)
        executables.append(executable)
        extrapolated = {"extrapolated": contender.repeats != 1}
        rows.append({"contender": contender.name, **record, **environment(), **extrapolated, **contender.record})
    times: list[list[float]] = [[] for _ in contenders]
    calls = []
    for executable, contender in zip(executables, contenders, strict=True):
        calls.append(max(1, int(least / _seconds(executable, contender.args, 1))))
    for _ in range(rounds):
        for executable, contender, taken, count in zip(executables, contenders, times, calls, strict=True):
            taken.append(_seconds(executable, contender.args, count) * contender.repeats)
    for row, taken in zip(rows, times, strict=True):
        row["seconds"], row["fastest_seconds"] = statistics.median(taken), min(taken)
    reference = next(row for row in rows if row["contender"] == baseline)["seconds"]
    for row in rows:
        row["ratio"], row["baseline"] = row["seconds"] / reference, baseline
    outputs = {c.name: executable(*c.args) for c, executable in zip(contenders, executables, strict=True)}
    return rows, outputs


def compiled(fn: Callable[..., Any], *args: Any) -> tuple[Any, dict[str, Any]]:
    """`fn` compiled for arguments like these, with what that took and what XLA says of the program."""
    began = time.perf_counter()
    lowered = jax.jit(fn).lower(*args)
    traced = time.perf_counter()
    executable = lowered.compile()
    finished = time.perf_counter()
    record = {
        "trace_seconds": traced - began,
        "compile_seconds": finished - traced,
        "flops": (executable.cost_analysis() or {}).get("flops"),
        "temporary_bytes": executable.memory_analysis().temp_size_in_bytes,
    }
    return executable, record


def _seconds(executable: Callable[..., Any], args: tuple[Any, ...], count: int) -> float:
    jax.block_until_ready(executable(*args))
    began = time.perf_counter()
    for _ in range(count):
        out = executable(*args)
    jax.block_until_ready(out)
    return (time.perf_counter() - began) / count


def matrix_multiply_rate(rows: int = 4096, width: int = 128, *, precision: Any = None) -> float:
    """Floating-point operations a second of one product `(rows, width) x (width, width)`."""
    x, w = jnp.ones((rows, width)), jnp.ones((width, width))
    product, _ = compiled(lambda x, w: jnp.matmul(x, w, precision=precision), x, w)
    seconds = statistics.median(_seconds(product, (x, w), 20) for _ in range(15))
    return 2 * rows * width**2 / seconds


@dataclass
class Report:
    """Where a run's rows go: printed, and written as JSON and as a markdown table."""

    folder: Path

    def table(
        self,
        name: str,
        title: str,
        rows: list[dict[str, Any]],
        columns: dict[str, str],
        how: str = "medians of runs taken in turns",
    ) -> None:
        """Write `rows` to `name`.json in full and to `name`.md in the given columns, `{key: heading}`.

        `how` says what the figures are.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        rows = [{**environment(), **row} for row in rows]
        (self.folder / f"{name}.json").write_text(json.dumps(rows, indent=1) + "\n")
        lines = [f"### {title}", "", "| " + " | ".join(columns.values()) + " |", "| --- " * len(columns) + "|"]
        lines += ["| " + " | ".join(_cell(key, row.get(key)) for key in columns) + " |" for row in rows]
        device = f"{rows[0]['device']}, {rows[0]['dtype']}, jax {rows[0]['jax']}"
        text = "\n".join([*lines, "", f"({device}; {how}.)"])
        (self.folder / f"{name}.md").write_text(text + "\n")
        print(f"\n\n{text}")

    def figure(self, name: str, figure: Any) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        figure.savefig(self.folder / f"{name}.png", dpi=150, bbox_inches="tight")


def _cell(key: str, value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else ""
    if "seconds" in key:
        for scale, unit in ((1.0, "s"), (1e-3, "ms"), (1e-6, "us")):
            if value >= scale or unit == "us":
                return f"{value / scale:.3g} {unit}"
    if "bytes" in key:
        return f"{value / 1e6:.3g} MB"
    if isinstance(value, float):
        return f"{value:.3g}"
    return str(value)


def seconds_a_step(history: History) -> float:
    """Of training, once it is compiled: from the call of many steps at a quarter of the way to the last."""
    calls, steps = np.unique(history.seconds, return_counts=True)
    first = len(calls) // 4
    return float((calls[-1] - calls[first]) / steps[first + 1 :].sum())

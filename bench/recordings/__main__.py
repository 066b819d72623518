"""Run the recordings gym.

    python -m bench.recordings --quick
    python -m bench.recordings --seeds 3 --output recordings.jsonl

Each case is a line of a file. Cases that are there are not run again. The table goes to docs/recordings.md with
`--docs`.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import jax

from .faults import FAULTS
from .run import case
from .systems import SYSTEMS
from .table import written

QUICK = (("pendulum, dry friction", "noise 1 %"), ("spring, drag", "gaps"), ("cart", "short runs"))
"""The cases of `--quick`."""
QUICK_STEPS, STEPS = 60, 600
"""Gradient steps of the network. Families and formulas do not need it."""


def all_cases() -> Iterator[tuple[str, str]]:
    """Every system with every fault, in an order in which the first cases have all systems and all faults."""
    faults = list(FAULTS)
    for turn in range(len(faults)):
        for i, system in enumerate(SYSTEMS):
            yield system, faults[(i + turn) % len(faults)]


def main() -> None:
    parser = argparse.ArgumentParser(
        "bench.recordings", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="three cases, with a short training of the network")
    parser.add_argument("--seeds", type=int, default=1, help="recordings of each system and fault")
    parser.add_argument("--steps", type=int, default=None, help=f"gradient steps of the network (default: {STEPS})")
    parser.add_argument("--only", default="", help="run the cases whose system or fault has this text")
    parser.add_argument("--output", type=Path, default=Path("recordings.jsonl"), help="file of the results")
    parser.add_argument("--docs", type=Path, default=None, help="page to write, such as docs/recordings.md")
    parser.add_argument("--table", action="store_true", help="run nothing: only write the table of what is there")
    asked = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    steps = asked.steps or (QUICK_STEPS if asked.quick else STEPS)
    lines = asked.output.read_text().splitlines() if asked.output.exists() else []
    rows = [json.loads(line) for line in lines]
    done = {(row["system"], row["fault"], row["seed"]) for row in rows}
    cases = list(QUICK if asked.quick else all_cases())
    for seed in range(0 if asked.table else asked.seeds):
        for system, fault in cases:
            if (system, fault, seed) in done or asked.only not in f"{system}, {fault}":
                continue
            rows.append(case(system, fault, seed, steps=steps))
            with asked.output.open("a") as file:
                file.write(json.dumps(rows[-1]) + "\n")
            print(json.dumps(rows[-1]), flush=True)
            jax.clear_caches()  # each case has its own programs: they would fill the memory
    page = written(rows)
    print(page)
    if asked.docs is not None:
        asked.docs.write_text(page)


if __name__ == "__main__":
    main()

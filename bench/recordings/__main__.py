"""Run the recordings gym.

    python -m bench.recordings --quick
    python -m bench.recordings --seeds 3 --output recordings.jsonl

Each case is a line of a file. Cases that are there are not run again. The table goes to docs/recordings.md with
`--docs`.
"""

import argparse
import json
from itertools import product
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


def main() -> None:
    parser = argparse.ArgumentParser(
        "bench.recordings", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="three cases, with a short training of the network")
    parser.add_argument("--seeds", type=int, default=1, help="recordings of each system and fault")
    parser.add_argument("--steps", type=int, default=None, help=f"gradient steps of the network (default: {STEPS})")
    parser.add_argument("--output", type=Path, default=Path("recordings.jsonl"), help="file of the results")
    parser.add_argument("--docs", type=Path, default=None, help="page to write, such as docs/recordings.md")
    asked = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    steps = asked.steps or (QUICK_STEPS if asked.quick else STEPS)
    lines = asked.output.read_text().splitlines() if asked.output.exists() else []
    rows = [json.loads(line) for line in lines]
    done = {(row["system"], row["fault"], row["seed"]) for row in rows}
    cases = QUICK if asked.quick else product(SYSTEMS, FAULTS)
    for (system, fault), seed in product(cases, range(asked.seeds)):
        if (system, fault, seed) in done:
            continue
        rows.append(case(system, fault, seed, steps=steps))
        with asked.output.open("a") as file:
            file.write(json.dumps(rows[-1]) + "\n")
        print(json.dumps(rows[-1]), flush=True)
    page = written(rows)
    print(page)
    if asked.docs is not None:
        asked.docs.write_text(page)


if __name__ == "__main__":
    main()

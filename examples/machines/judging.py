"""Successes and cost of a controller in a machine, as rows of a table."""

from dataclasses import dataclass
from functools import partial

import equinox as eqx
import numpy as np

from machines import Machine
from machines.loop import drive
from neural_lagrangian import control

HEADER = f"{'model':24s}{'successes':>12s}{'median cost':>14s}{'settled after':>16s}"
"""Heading of the table."""


@dataclass(frozen=True)
class Judge:
    """Drives a machine from some starts, and counts the successes.

    A start succeeds if the state is within the tolerance of the target for the last second, and the first coordinate
    never left its travel. The cost is that of the whole motion.

    - `cost`: a `QuadraticCost`, with the target. `tolerance`: shape `(4,)`.
    - `seconds`: duration of a run. `travel`: the largest magnitude that the first coordinate may have.
    """

    machine: Machine
    cost: control.QuadraticCost
    tolerance: np.ndarray
    seconds: float
    travel: float = np.inf

    def __call__(self, name, model, controller, starts):
        """Print a row. **Returns:** the motions, the share of successes, and the median cost."""
        runs = drive(self.machine, model, controller, starts, self.seconds)
        options = {"tolerance": self.tolerance, "periodic": self.cost.periodic, "cost": self.cost}
        report_of = eqx.filter_jit(partial(control.control_report, target=self.cost.target, **options))
        reports = [report_of(run) for run in runs]
        settled = np.array([float(report.settled_at) for report in reports])
        inside = np.array([np.abs(run.ys[:, 0]).max() < self.travel for run in runs])
        success = inside & (settled < self.seconds - 1.0)
        median = np.median([float(report.cost) for report in reports])
        print(f"{name:24s}{success.sum():>8d}/{len(starts)}{median:14.2f}{np.median(settled):14.1f} s", flush=True)
        return runs, success.mean(), median

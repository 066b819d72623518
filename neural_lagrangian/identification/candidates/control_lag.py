"""How late the controls of a recording act, such as half a sample for a controller that holds its output."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import minimize_scalar

from ..families import refitted, with_linear_friction
from ..formulas import RefinedFormula
from ..learning import spacing
from ..preparation import Task
from ..recordings import Timing, delayed
from .all_candidates import Known, fits_of_formula

MAX_LAG = 0.5
"""Largest delay that is believed, in natural units of time (a period is 6.3)."""
MIN_SIGNIFICANCE = 5.0
"""A delay is corrected if it exceeds this many standard errors."""
HELD = 0.5
"""Delay of a held control, in samples: a line through its samples is half a sample early."""
MAX_OFF = 0.1
"""Largest distance from `HELD`, in samples, of a delay that is taken for that of a held control."""
STEP = 0.02
"""First step of the search, and step of the second difference for the standard error, in natural units of time."""

XTOL = 1e-4
"""Tolerance of the delay, in natural units of time."""


class ControlLag(NamedTuple):
    """When the controls act, with what was corrected before, and the standard error of their delay, in seconds."""

    timing: Timing
    error: float

    def __str__(self) -> str:
        if self.timing.held:
            return "the controls are held from one sample to the next: they are moved by half a sample"
        return f"the controls act {1e3 * self.timing.delay:.3g} ms (± {1e3 * self.error:.1g}) late: they are moved"


def control_lag(task: Task, known: Known | None, formula: RefinedFormula | None = None) -> ControlLag | None:
    r"""The delay $\tau$ with which controls $u(t - \tau)$ leave the least residual of the best family of known form, or
    of the terms of a formula if they describe the motion better; `None` if nothing is to be corrected.
    """
    if not task.columns.controls or known is None:
        return None
    fitted = known.fitted if formula is None else fits_of_formula(task, known, formula)
    if not fitted.candidates:
        return None
    trial, fit = known.trial, with_linear_friction(fitted.best)

    def squares(lag: float) -> float:
        late = trial.plan.windows(delayed(trial.estimate, lag), trial.estimate, len(trial.fitted.ts), trial.fitted.size)
        one = refitted(fit, trial.fitted._replace(us=late.us))
        return float(one.squares.sum()) if one.is_sound else np.inf

    bounds = valley(squares, -task.timing.delay / trial.units.time)
    found: Any = minimize_scalar(squares, bounds=bounds, method="bounded", options={"xatol": XTOL})
    lag, least = float(found.x), float(found.fun)
    bend = (squares(lag - STEP) - 2 * least + squares(lag + STEP)) / STEP**2
    variance = max(least / max(fit.used, 1), 1.0)
    error = np.sqrt(2 * variance / bend) if bend > 0 else np.inf
    if not (abs(lag) > MIN_SIGNIFICANCE * error and least < squares(0.0) and lag < MAX_LAG - STEP):
        return None
    sample, delay = spacing(task.parts.train), task.timing.delay + lag * trial.units.time
    held = abs(delay / sample - HELD) < MAX_OFF
    return ControlLag(Timing(HELD * sample if held else delay, held), float(error) * trial.units.time)


def valley(squares: Callable[[float], float], least: float) -> tuple[float, float]:
    """Bounds of the first minimum on the way down from zero: steps that double, until the residuals grow.

    A minimum far away may be that of rollouts that have lost the motion.

    **Arguments:**

    - `squares`: of a delay in natural units. `least`: the smallest delay.
    """
    before, at, step, height = max(least, -STEP), 0.0, STEP, squares(0.0)
    while at + step < MAX_LAG and (lower := squares(at + step)) < height:
        before, at, step, height = at, at + step, 2 * step, lower
    return before, min(at + step, MAX_LAG)

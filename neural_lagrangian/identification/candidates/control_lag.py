"""How late the controls of a recording act, such as half a sample for a controller that holds its output."""

from collections.abc import Callable
from typing import Any, NamedTuple, cast

import numpy as np

from ...trajectories import Trajectories
from ..families import FamilyFit, refitted, with_linear_friction
from ..learning import spacing
from ..preparation import Task
from ..recordings import Timing, delayed
from .all_candidates import Known

MAX_LAG = 0.5
"""Largest delay that is believed, in natural units of time (a period is 6.3)."""
MIN_SIGNIFICANCE = 5.0
"""A delay is corrected if it exceeds this many standard errors."""
HELD = 0.5
"""Delay of a held control, in samples: a line through its samples is half a sample early."""
MAX_OFF = 0.1
"""Largest distance from `HELD`, in samples, of a well-known delay that is taken for that of a held control."""
MAX_LIKELY, MAX_UNLIKELY = 2.0, 3.0
"""Largest distances from `HELD` in standard errors: of a delay that is taken for that of a held control, and of one
that does not differ from zero, if the control is in steps.
"""
MAX_JUMPS, MIN_ALONE = 0.5, 0.9
"""A control is in steps if its value changes from sample to sample in less than the first share of them, and the second
share of the changes, or more, have none beside them.
"""
FIRST_STEP, LAST_STEP = 0.01, 0.0025
"""First and smallest step of the search, in natural units of time. Each fit begins at that of the best delay so far, so
the first step is one that a chaotic motion can follow.
"""
MAX_FITS = 60
"""Largest number of fits of the search, to bound the run time."""


class ControlLag(NamedTuple):
    """When the controls act, with what was corrected before, and the standard error of their delay, in seconds."""

    timing: Timing
    error: float

    def __str__(self) -> str:
        if self.timing.held:
            return "the controls are held from one sample to the next: they are moved by half a sample"
        return f"the controls act {1e3 * self.timing.delay:.3g} ms (± {1e3 * self.error:.1g}) late: they are moved"


def control_lag(task: Task, known: Known) -> ControlLag | None:
    r"""The delay $\tau$ with which controls $u(t - \tau)$ leave the least residual of the best fit; `None` if there is
    nothing to correct.
    """
    if not task.columns.controls or not known.fitted.candidates:
        return None
    trial, fit = known.trial, with_linear_friction(known.fitted.best)

    def fit_at(lag: float, start: FamilyFit) -> FamilyFit:
        moved, windows = delayed(trial.estimate, lag), trial.fitted
        late = trial.plan.windows(moved, trial.estimate, trial.plan.spread(moved, len(windows.ts)), windows.size)
        return refitted(start, windows._replace(us=late.us))

    found = least_near(fit_at, fit)
    if found is None:
        return None
    lag, least, bend = found
    variance = max(least / max(fit.used, 1), 1.0)
    error = float(np.sqrt(2 * variance / bend)) * trial.units.time
    sample, delay = spacing(task.parts.train), task.timing.delay + lag * trial.units.time
    if abs(delay - task.timing.delay) > MIN_SIGNIFICANCE * error and delay >= 0 and lag < MAX_LAG:
        held = abs(delay - HELD * sample) < max(MAX_OFF * sample, MAX_LIKELY * error)
    elif not task.timing.held and _in_steps(task.parts.train) and abs(delay - HELD * sample) < MAX_UNLIKELY * error:
        held = True
    else:
        return None
    return ControlLag(Timing(HELD * sample if held else delay, held), error)


def _in_steps(motion: Trajectories) -> bool:
    """Whether the controls stay the same for several samples at a time."""
    controls = cast(np.ndarray, motion.controls)
    changes = [us[1:] != us[:-1] for us in (controls[i, :n] for i, n in enumerate(motion.lengths))]
    jumps = np.concatenate(changes)
    alone = np.concatenate([one[1:-1] & ~one[:-2] & ~one[2:] for one in changes])
    return bool((jumps.mean(axis=0) < MAX_JUMPS).all() and alone.sum() >= MIN_ALONE * jumps.sum())


def least_near(fit_at: Callable[[float, Any], Any], start: Any) -> tuple[float, float, float] | None:
    r"""The minimum of the sum of squares $S(\tau)$ that is reached from $\tau = 0$ without a rise.

    A fit that begins far away may end at another minimum, where its residuals are large; a shorter step is then tried.

    **Arguments:**

    - `fit_at`: the fit for a delay, callable of the delay and the fit where it begins.
    - `start`: where the fit without delay begins.

    **Returns:** $\tau$, $S$ and $S''$ by a parabola through the last three fits; `None` if there is no minimum.
    """

    def squares(fit: Any) -> float:
        return float(fit.squares.sum()) if fit.is_sound else np.inf

    at, step, growth, best = 0.0, FIRST_STEP, 2.0, fit_at(0.0, start)
    for _ in range(MAX_FITS // 2):
        beside = [fit_at(at + sign * step, best) for sign in (-1, 1)]
        before, least, after = squares(beside[0]), squares(best), squares(beside[1])
        if min(before, after) < least:
            at, best = (at - step, beside[0]) if before < after else (at + step, beside[1])
            step *= growth
        elif step > LAST_STEP:
            step, growth = step / 2, 1.0
        else:
            bend = before - 2 * least + after
            if not (np.isfinite(bend) and bend > 0):
                return None
            return at + step * (before - after) / (2 * bend), least, bend / step**2
        if abs(at) > MAX_LAG:
            return None
    return None

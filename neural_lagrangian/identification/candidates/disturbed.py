"""Spans in which the motion does not follow the law of the rest: a push, a hand, a fault of the recording."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from ..families import FamilyFit, FitWindows, held_out, refitted
from ..inspection import Inspection
from ..recordings import rows_where, taken
from .all_candidates import Known

MIN_FACTOR = 3.0
"""A window is disturbed if its error is more than this many times the median error of all windows."""
MAX_DISTURBED = 0.2
"""Largest share of disturbed windows. If there are more, the law is wrong, and not the motion."""
OVERLAPPING = 4
"""Number of windows that overlap at each time, so that a span is found that is shorter than a window."""
MAX_JUDGES = 3
"""Number of fits that are fitted again to find the one that judges."""
REFITTED = 3
"""Number of fits to the windows that are not disturbed by the fit before."""


class Span(NamedTuple):
    """A disturbed span, in seconds."""

    begin: float
    end: float


class Undisturbed(NamedTuple):
    """An inspected recording without its disturbed spans."""

    inspection: Inspection
    spans: tuple[Span, ...]


def said_of(spans: Sequence[Span], *, several: bool) -> str:
    """A sentence on the spans that are left out. `several`: whether there are several trajectories."""
    where = f"in {len(spans)} places" if several else "; ".join(f"from {a:.4g} to {b:.4g} s" for a, b in sorted(spans))
    return f"{where}: the motion does not follow the law of the rest (a push, or a fault of the recording?); left out"


def undisturbed(inspection: Inspection, known: Known) -> Undisturbed | None:
    """The recording without the spans of which no window fits; `None` if all fit, or if too many do not.

    The best families are fitted to the windows that each describes best. The one with the smallest median error judges
    all windows of the recording. Driven motion is not judged: something drives it.
    """
    trial, recording = known.trial, inspection.recording
    every = [fit._replace(noise=known.fitted.noise) for kinds in known.fitted.fits for fit in kinds.values()]
    if not every or recording.trajectories.controls is not None:
        return None

    def median(fit: FamilyFit) -> float:
        return float(np.median(_errors(fit, trial.fitted)))

    fit = min((_of_the_best(one, trial.fitted) for one in sorted(every, key=median)[:MAX_JUDGES]), key=median)
    runs, observed = (
        trial.units.motion(one, inspection.columns.periodic) for one in (recording.trajectories, recording.observed)
    )
    places = trial.plan.places(runs, OVERLAPPING)
    windows = trial.plan.windows(runs, observed, places, trial.fitted.size)
    groups = windows.groups(len(trial.fitted.ts))
    errors = np.concatenate([_errors(fit, group) for group in groups])
    wrong = _wrong(errors)
    if wrong.mean() > MAX_DISTURBED:
        return None
    kept, edge = [np.ones(length, bool) for length in recording.trajectories.lengths], trial.plan.span // 4
    for i, k in (place for place, is_wrong in zip(places, wrong, strict=True) if is_wrong):
        kept[i][k : k + trial.plan.span] = False
    for i, k in (place for place, is_wrong in zip(places, wrong, strict=True) if not is_wrong):
        kept[i][k + edge : k + trial.plan.span - edge] = True  # the initial state takes a push near the edge
    spans = [(i, at) for i, rows in enumerate(kept) for at in rows_where(~rows)]
    parts = [(i, at) for i, rows in enumerate(kept) for at in rows_where(rows)]
    if not spans:
        return None
    times = recording.trajectories.ts
    moved = recording._replace(
        trajectories=taken(recording.trajectories, parts), observed=taken(recording.observed, parts)
    )
    named = tuple(Span(float(times[i, at[0]]), float(times[i, at[-1]])) for i, at in spans)
    return Undisturbed(replace(inspection, recording=moved), named)


def _of_the_best(fit: FamilyFit, motion: FitWindows) -> FamilyFit:
    """The fit to the windows that it describes best."""
    for _ in range(REFITTED):
        wrong = _wrong(_errors(fit, motion))
        if not wrong.any():
            break
        fit = refitted(fit, motion.only(~wrong))
    return fit


def _errors(fit: FamilyFit, motion: FitWindows) -> Float[np.ndarray, " window"]:
    """Mean square residual of each window that counts, with its initial state fitted."""
    return motion.mean_squares(held_out(fit, motion).squares, fit.noise)


def _wrong(errors: Float[np.ndarray, " window"]) -> Bool[np.ndarray, " window"]:
    """Which windows do not fit."""
    return errors > MIN_FACTOR**2 * np.median(errors)

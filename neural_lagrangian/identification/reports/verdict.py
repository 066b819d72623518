"""Write the verdict and the limits of an identification as sentences.

Nothing is decided in this file: `judging.better_than_baselines` decides whether a model may be used.
"""

from ...training import STEPS_EXHAUSTED
from ..judging import MAX_VALID_ERROR, Errors, better_than_baselines
from ..recordings import Timing
from .outcome import Outcome

NOT_BETTER = "predicts no better than constant velocity or rest: do not use it"
"""What is said of a model that must not be used."""


def verdict(outcome: Outcome) -> list[str]:
    """Sentences: the best candidate, how long each predictor is valid on held-out motion, and the formula."""
    failures, lines = outcome.failures(), outcome.contest.verdict()
    for name in outcome.rollouts:
        reasons = failures.get(name, "")
        lines.append(verdict_on(outcome.errors, name, "held-out motion", reasons))
        lines += [f"{name.capitalize()}: {reasons}."] if reasons else []
    if outcome.formula is None:
        cut_short = any(attempt.cut_short for attempt in outcome.attempts)  # training may be, and the search not
        why_none = (
            "No formula was found within the time limit." if cut_short else "The data do not determine a formula."
        )
        if outcome.starts.parameters is not None:
            why_none = (
                f"No formula was searched for, and no known system was fitted: {outcome.columns.differing}, and both "
                f"hold for one system. For a formula, learn from the runs of one system."
            )
        return [*lines, why_none]
    of_formula = (one for one in outcome.contest.candidates if one.found is outcome.formula)
    lacks = any(one.lacks_something for one in of_formula)
    what = "The best formula, which lacks something" if lacks else "The formula found"
    return [*lines, f"{what}: {outcome.formula.formula}."]


def verdict_on(errors: Errors, name: str, where: str, failures: str = "") -> str:
    """A sentence on the errors of one predictor. `failures`: why rollouts fail, if some do."""
    time, period = errors.valid_time(name), errors.measure.period
    if better_than_baselines(errors, name):
        upto = "at least " if time >= errors.times[-1] else ""
        return (
            f"On {where}, the median error of the {name} stays below {MAX_VALID_ERROR:.0%} of the spread for "
            f"{upto}{time:.3g} s ({time / period:.2g} periods)."
        )
    said = (
        ". But many rollouts ran out of integration steps, so it may be better than this verdict"
        if STEPS_EXHAUSTED in failures
        else ""
    )
    return f"On {where}, the {name} {NOT_BETTER}{said}."


def _systems(outcome: Outcome) -> str:
    return "".join(f", and of {name} in the training set" for name in outcome.columns.parameters)


def limits(outcome: Outcome) -> list[str]:
    """Sentences: what the recording cannot determine, and what the time limit cut short."""
    errors = outcome.errors
    lines = [
        f"Errors beyond {errors.horizon(len(errors.times) - 1)} are not known: the held-out pieces are not longer.",
        f"The model may be wrong outside of the recorded positions and velocities{_systems(outcome)}.",
        "Motion cannot determine the scale of the Lagrangian, a constant in it, or a total time derivative dF/dt.",
    ]
    if outcome.columns.controls and not Timing.read(outcome.settings).delay:
        sought = "looked for" if outcome.columns.parameters else "found"
        lines.append(f"No delay of the controls was {sought}: they are taken to be linear between samples.")
    contest = outcome.contest
    if contest.candidates and not contest.is_model:
        why = "has no Lagrangian" if not contest.winner.is_mechanical else NOT_BETTER
        lines.append(f"The {contest.winner.name} {why}. The model to use is the {outcome.predictor}.")
    if outcome.formula is None:
        lines += [f"Formula: {line}." for line in outcome.reading().splitlines()]
    return [*lines, *outcome.cut_short]

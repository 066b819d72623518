"""The verdict on an identification in plain words."""

from ..training import STEPS_EXHAUSTED
from .judging import VALID_ERROR, Errors, predicts
from .outcome import Outcome

NOT_BETTER = "predicts no better than constant velocity or rest: do not use it"


def verdict(outcome: Outcome) -> list[str]:
    """How well each predictor does on motion held back, why rollouts fail where they do, and the formula."""
    failures, lines = outcome.failures(), []
    for name in outcome.rollouts:
        reasons = failures.get(name, "")
        lines.append(judged(outcome.errors, name, "motion held back", reasons))
        lines += [f"Of the {name}, {reasons}."] if reasons else []
    if outcome.formula is None:
        cut_short = outcome.cut_short
        why_none = "No formula was found in the time given." if cut_short else "The data do not determine a formula."
        return [*lines, why_none]
    return [*lines, f"The formula found: {outcome.formula.formula}."]


def judged(errors: Errors, name: str, where: str, failures: str = "") -> str:
    """A sentence on a predictor; `failures` are the reasons of the rollouts that fail."""
    time, period = errors.valid_time(name), errors.measure.period
    if predicts(errors, name):
        upto = "at least " if time >= errors.times[-1] else ""
        return (
            f"On {where} the median error of the {name} stays below {VALID_ERROR:.0%} of the spread for "
            f"{upto}{time:.3g} s, {time / period:.2g} periods."
        )
    said = (
        "; but many rollouts end for lack of steps, which is no fault of the model"
        if STEPS_EXHAUSTED in failures
        else ""
    )
    return f"On {where} the {name} {NOT_BETTER}{said}."


def unknown(outcome: Outcome) -> list[str]:
    """What the identification cannot tell."""
    errors = outcome.errors
    lines = [
        f"How predictions go on after {errors.after(len(errors.times) - 1)}: no piece held back is longer.",
        "How the motion goes outside of the positions and velocities that were recorded.",
        "The scale of the Lagrangian, a constant in it, and a total time derivative dF/dt: no motion tells these.",
    ]
    if outcome.formula is None:
        lines += [f"A formula: {line}." for line in outcome.reading().splitlines()]
    return [*lines, *outcome.cut_short]

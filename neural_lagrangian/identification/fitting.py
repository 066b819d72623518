"""Fit the systems of known form: with controls at the time at which they act, and without disturbed spans."""

from collections.abc import Iterable
from typing import Any

from .budget import Budget
from .candidates import Known, Span, control_lag, known_candidates, said_of, undisturbed
from .faults import NoAnswerError
from .hypotheses import Decision, Hypothesis, assumed, most_likely
from .inspection import Inspection
from .preparation import Task, prepared
from .wanted import Wanted

MAX_ROUNDS = 3
"""Number of times that disturbed spans are looked for, each time with families that fit the rest better."""


def fitted(
    hypotheses: Iterable[Hypothesis], wanted: Wanted, budget: Budget, plan: dict[str, Any]
) -> tuple[Task, Known | None]:
    """The families that may describe a recording, and the task to which they are fitted.

    **Arguments:** `plan`: of `prepared`.
    """
    decision = most_likely(hypotheses, wanted.candidates, budget.ends_families)
    (one, known), said = decision.best, decision.said
    task, known = timed(one.task, wanted, known, budget)
    if known is not None and known.explains is None:
        task, known, one = undisturbed_of(decision, (task, known), wanted, budget, plan)
        if one is not decision.best.hypothesis:
            said = assumed(one, ", since a known system then leaves nothing but noise in the undisturbed motion")
    if said is not None:
        wanted.said("note", said)
        task = task._replace(read=(*task.read, f"{said}."))
    return task, known


def undisturbed_of(
    decision: Decision, best: tuple[Task, Known], wanted: Wanted, budget: Budget, plan: dict[str, Any]
) -> tuple[Task, Known, Hypothesis]:
    """The hypothesis of which a family with the fewest constants leaves nothing but noise without disturbed spans, else
    the best one with all spans.
    """
    found = []
    for fit, task, known in (
        (decision.best, *best),
        *((fit, fit.hypothesis.task, fit.known) for fit in decision.others),
    ):
        calmed = calm(fit.hypothesis.inspection, task, known, wanted, budget, plan)
        if calmed is not None:
            found.append((*calmed, fit.hypothesis))
    if not found:
        return (*best, decision.best.hypothesis)
    task, known, one = min(found, key=lambda each: each[1].explains.parameters)
    topic, said = task.facts[-1]
    wanted.said(topic, said)
    return task, known, one


def timed(task: Task, wanted: Wanted, known: Known | None, budget: Budget) -> tuple[Task, Known | None]:
    """The task with controls at the time at which they act, as the best fit so far says, and its families."""
    lag = None if known is None else control_lag(task, known)
    if lag is None:
        return task, known
    wanted.said("controls", str(lag))
    task = task.with_timing(lag.timing, str(lag))
    return task, known_candidates(task, wanted.candidates, budget.ends_families)


def calm(
    inspection: Inspection, task: Task, known: Known | None, wanted: Wanted, budget: Budget, plan: dict[str, Any]
) -> tuple[Task, Known] | None:
    """The task without disturbed spans and its families, if a family then leaves nothing but noise; else `None`."""
    other, found = task, known
    spans: tuple[Span, ...] = ()
    for _ in range(MAX_ROUNDS):
        if found is None or found.explains is not None or budget.ends_families():
            break
        rest = undisturbed(inspection, found)
        if rest is None:
            break
        inspection, spans = rest.inspection, spans + rest.spans
        try:
            other = prepared(inspection, **plan)
        except NoAnswerError:  # too little is left
            break
        found = known_candidates(other, wanted.candidates, budget.ends_families)
    if not spans or found is None or found.explains is None:
        return None
    said = said_of(spans, several=len(inspection.recording.recorded) > 1)
    return other._replace(read=(*other.read, f"{said}."), facts=(*other.facts, ("disturbed", said))), found

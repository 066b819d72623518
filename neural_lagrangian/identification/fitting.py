"""Fit the systems of known form: with controls at the time at which they act, and without disturbed spans."""

from collections.abc import Iterable
from typing import Any

from .budget import Budget
from .candidates import Known, Span, control_lag, known_candidates, said_of, undisturbed
from .faults import NoAnswerError
from .hypotheses import Hypothesis, most_likely
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
    (one, known), said = most_likely(hypotheses, wanted.candidates, budget.ends_families)
    task = one.task
    if said is not None:
        wanted.said("note", said)
        task = task._replace(read=(*task.read, f"{said}."))
    task, known = timed(task, wanted, known, budget)
    return calm(one.inspection, task, wanted, known, budget, plan)


def timed(task: Task, wanted: Wanted, known: Known | None, budget: Budget) -> tuple[Task, Known | None]:
    """The task with controls at the time at which they act, as the best fit so far says, and its families."""
    lag = None if known is None else control_lag(task, known)
    if lag is None:
        return task, known
    wanted.said("controls", str(lag))
    task = task.with_timing(lag.timing, str(lag))
    return task, known_candidates(task, wanted.candidates, budget.ends_families)


def calm(
    inspection: Inspection, task: Task, wanted: Wanted, known: Known | None, budget: Budget, plan: dict[str, Any]
) -> tuple[Task, Known | None]:
    """The task without disturbed spans and its families, if a family then leaves nothing but noise."""
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
        return task, known
    said = said_of(spans, several=len(inspection.recording.recorded) > 1)
    wanted.said("disturbed", said)
    return other._replace(read=(*other.read, f"{said}."), facts=(*other.facts, ("disturbed", said))), found

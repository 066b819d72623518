"""Which coordinates are angles, and in which unit, if nothing says so: the systems of known form that fit decide."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..trajectories import Trajectories
from .candidates import Candidate, Contest, Known, known_candidates
from .encoders import angles_in_steps
from .families import Family
from .faults import NoAnswerError
from .inspection import Inspection, inspected
from .preparation import Task, prepared
from .recordings import Angles, Declared, possible_angles
from .remark import Remark

MIN_GAIN = 0.5
"""Angles that names do not suggest must leave nothing but noise, or at most this share of the errors."""


class Hypothesis(NamedTuple):
    """A recording that is read with some coordinates as angles.

    `open`: coordinates of which nothing says whether they are angles. `angles`: those of them that are.
    """

    inspection: Inspection
    task: Task
    open: tuple[str, ...]
    angles: Angles


class Fit(NamedTuple):
    """The families fitted to a recording under a hypothesis."""

    hypothesis: Hypothesis
    known: Known | None

    @property
    def best(self) -> Candidate | None:
        """The best family; `None` if there is none."""
        if self.known is None:
            return None
        best = self.known.explains or next(iter(Contest.of(self.known.fitted.candidates, []).candidates), None)
        return best if best is not None and np.isfinite(best.rest) else None

    @property
    def level(self) -> float:
        """The noise of the coordinates as recorded, in recorded units; its geometric mean over them."""
        if self.known is None:
            return np.inf
        trial, columns = self.known.trial, self.hypothesis.inspection.columns
        recorded = trial.level * trial.scaling.q_scale / columns.state_factors[: columns.dof]
        return float(np.exp(np.mean(np.log(recorded))))

    def rest(self, level: float) -> float:
        """The errors of the best family in units of the noise `level`; infinite if there is none.

        The noise depends on what is known of the motion, so that of another hypothesis may be the better estimate.
        """
        return np.inf if self.best is None else self.best.rest * self.level / level


def hypotheses_of(source: str | Path | Trajectories, declared: Declared, plan: dict[str, Any]) -> Iterator[Hypothesis]:
    """The hypotheses under which a recording can be learned from, the most usual first. It is read again for each.

    There is one only, if units or `angles` say what the coordinates are.

    **Arguments:** `plan`: of `prepared`.

    **Raises:** the errors of `inspected` and `prepared`, if there is none.
    """
    plain = inspected(source, declared)
    for found in plain.found_roles:  # once for all hypotheses
        declared = replace(declared, **found.options)
    open, in_si = () if plain.on_circles else plain.open, isinstance(source, Trajectories)
    refused: list[NoAnswerError] = []
    possible = possible_angles(plain.recording.recorded, plain.columns, open, in_si=in_si)
    possible += [] if in_si else angles_in_steps(plain.recording, open)
    for angles in possible:
        inspection = inspected(source, _declaring(angles, declared, plain)) if angles.names else plain
        inspection = replace(inspection, open=(), found_roles=plain.found_roles)
        try:
            task = prepared(inspection, **plan)
        except NoAnswerError as error:
            refused.append(error)
            continue
        yield Hypothesis(inspection, task, open, angles)
    if len(refused) == len(possible):
        raise refused[0]


def _declaring(angles: Angles, declared: Declared, plain: Inspection) -> Declared:
    """The declaration with angles. Velocities of angles are in the same unit per second, unless those as read are not
    the derivatives of the coordinates.
    """
    columns, units = plain.columns, dict(declared.units or {})
    known = [name for name in columns.angles if name not in (declared.tracked or {})]
    if angles.unit != "rad":
        units |= angles.options["units"]
        rates = dict(zip(columns.coordinates, columns.velocities, strict=False))
        for rate in (rates[name] for name in angles.names if name in rates and not plain.wrong_rates):
            units.setdefault(rate, columns.units.get(rate, f"{angles.unit}/s"))
    return replace(declared, angles=[*known, *angles.names], units=units or None)


class Decision(NamedTuple):
    """The most likely hypothesis with its families, the others from the least errors on, and what is said of it; `None`
    if nothing is assumed.
    """

    best: Fit
    others: list[Fit]
    said: Remark | None


def most_likely(hypotheses: Iterable[Hypothesis], users: Sequence[Family], is_over: Callable[[], bool]) -> Decision:
    """The hypothesis whose families describe the recording best.

    If several describe it equally well, it is the one with the fewest constants, or else the most usual one. The search
    ends early if names suggest angles, and a system with these angles leaves nothing but noise.

    **Arguments:** `users`: candidates of the user. `is_over`: no further hypothesis is tried once it returns true.
    """
    fits: list[Fit] = []
    for one in hypotheses:
        if fits and is_over():
            break
        fits.append(Fit(one, known_candidates(one.task, users, is_over)))
        explains = fits[-1].known is not None and fits[-1].known.explains is not None
        if one.angles.names and one.angles.is_usual and explains:
            break
    level = min(fit.level for fit in fits)
    usual = min((fit.rest(level) for fit in fits if fit.hypothesis.angles.is_usual), default=np.inf)
    every = [(fit, fit.rest(level)) for fit in fits]
    likely = [pair for pair in every if _is_likely(*pair, usual)] or every
    least = min(rest for _, rest in likely)
    equal = [fit for fit, rest in likely if rest <= least * (1 + (0 if fit.best is None else fit.best.rest_error))]
    best = min(equal, key=lambda fit: 0 if fit.best is None else fit.best.parameters)
    others = sorted((fit for fit in fits if fit is not best), key=lambda fit: fit.rest(level))
    return Decision(best, others, _said(best, fits, equal, level))


def _is_likely(fit: Fit, rest: float, usual: float) -> bool:
    """Whether a hypothesis may be chosen.

    It may if names or jumps suggest it, if it leaves nothing but noise, or if it errs much less than `usual`, the best
    of those that names or jumps suggest.
    """
    if fit.hypothesis.angles.is_usual or fit.best is None:
        return fit.hypothesis.angles.is_usual
    return fit.best._replace(rest=rest).leaves_noise or rest <= MIN_GAIN * usual


def assumed(one: Hypothesis, why: str) -> Remark:
    """A remark on what is assumed of the coordinates. `why`: a clause with its mark before it."""
    before = f"no unit is given for {', '.join(one.open)}; assumed: {one.angles} ("
    return Remark(before, one.angles.options, f"){why}")


def _said(best: Fit, fits: Sequence[Fit], equal: Sequence[Fit], level: float) -> Remark | None:
    """What is assumed of the coordinates, and why; `None` if nothing is."""
    one = best.hypothesis
    if not one.open:
        return None
    why = ""
    if best.best is not None:
        why = f", since the best known system then errs by {best.rest(level):.3g} times the noise"
        others = min((fit.rest(level) for fit in fits if fit not in equal), default=np.inf)
        why += f", and otherwise by {others:.3g} times or more" if others < np.inf else ""
    also = [str(fit.hypothesis.angles) for fit in equal if fit is not best]
    why += f"; as good: {', or '.join(also)}" if also else ""
    return assumed(one, why)

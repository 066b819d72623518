"""The comparison of all candidates on the validation set, and the verdict with its margin."""

from typing import NamedTuple

import numpy as np

from ..choices import NETWORK, Predictor
from ..families import FamilyFit, Variant
from ..formulas import MAX_LOSS_RATIO, Attempt, RefinedFormula
from .rest import MAX_EXPLAINED, MIN_UNEXPLAINED

MIN_WORSE = 1.05
"""A candidate is called worse if its error is at least this factor larger."""
MAX_TIE = 1.0
"""Two candidates are equal if the errors of the windows differ by less than this many standard errors in the mean: the
rule of one standard error (Breiman et al. 1984).

Simulated recordings, 12 seeds of each: error of prediction over that of the true family, geometric mean, by the family
that is chosen. A smaller threshold predicts better, and finds friction and offsets where there are none.

| recording | criterion of Schwarz alone | 1.0 | 0.5 | least error |
| --- | --- | --- | --- | --- |
| pendulum, dry friction, 8 periods, 1 % noise | 1.85 | 1.85 | 1.73 | 1.45 |
| pendulum, dry friction, 16 periods, 5 % noise | 1.26 | 1.18 | 1.08 | 1.08 |
| spring, drag, 8 periods, 1 % noise | 0.67 | 0.67 | 0.67 | 0.67 |
| turning pendulum, linear friction, 12 periods, 5 % noise | 1.10 | 1.10 | 1.13 | 1.29 |
| hard spring, linear friction, 12 periods, 5 % noise | 1.04 | 1.04 | 1.02 | 1.08 |
"""
SAME_MISFIT, SAME_CRITERION = 1e-3, 2.0
"""Largest relative difference of errors, and largest difference of criteria, of candidates that are the same. Their
families may differ in what can be left out.
"""
UNEXPLAINED = "The best description lacks something"
"""Beginning of the sentence that warns of the best candidate."""
FORMULA, NULL = "formula of the search", "network without mechanics"
"""Names of candidates that are no families, beside `NETWORK` and a known system with a network."""
MAX_NAMED_RATIO = 10.0
"""Largest factor between errors that is given in numbers."""


class Candidate(NamedTuple):
    """A fitted candidate.

    `name`: what it is. `parameters`: number of fitted constants. `misfit`: mean square residual on the validation set
    in units of the noise, with estimated initial states. `information`: criterion of Chen and Chen on the training set,
    less that of the best one; NaN for a candidate that was not fitted in this way. `found`: the formula. `fit`:
    details. `rest`: errors of the coordinates in units of the noise of the recording, on the training set or on the
    validation set, whichever is larger: a motion that only begins with a transient may look free at its end.
    `rest_error`: two standard errors of `rest`. `errors`: mean square residuals of all windows by cross-validation, in
    units of the noise; `None` for a candidate that is no family, or that is far behind. `held`: those of the windows of
    the validation set. `is_network`: whether it is a network with a Lagrangian. `is_mechanical`: whether it has a
    Lagrangian. `controls`: names of those that may drive it.
    """

    name: str
    parameters: int
    misfit: float
    information: float = np.nan
    found: RefinedFormula | None = None
    fit: FamilyFit | None = None
    rest: float = np.nan
    rest_error: float = 0.0
    errors: np.ndarray | None = None
    held: np.ndarray | None = None
    is_network: bool = False
    is_mechanical: bool = True
    controls: tuple[str, ...] = ()

    @property
    def variant(self) -> Variant | None:
        """Which constants of its family it has; `None` for a candidate that is no family."""
        return None if self.fit is None else Variant.of(self.fit.family, self.fit.free, self.controls)

    @property
    def title(self) -> str:
        """Name, friction, sensor offsets, and what is left out. No other candidate of a contest has the same title."""
        return self.name if self.variant is None else f"{self.name}, {self.variant}"

    @property
    def leaves_noise(self) -> bool:
        """Whether its errors are as small as the noise of the recording."""
        return bool(self.rest <= MAX_EXPLAINED + self.rest_error)

    @property
    def lacks_something(self) -> bool:
        """Whether its errors are clearly larger than the noise of the recording."""
        return bool(self.rest >= MIN_UNEXPLAINED + self.rest_error)

    def unlike(self, best: "Candidate") -> str:
        """What it is, or how it differs from a candidate of the same family: words that do not describe that one."""
        if self.variant is not None and best.variant is not None and self.name == best.name:
            return self.variant.unlike(best.variant)
        return f"{self.name} with mechanics" if best.name == NULL and self.name == NETWORK else self.name


class Difference(NamedTuple):
    """How much worse a candidate predicts than another one, both cross-validated.

    `mean`: mean difference of the mean square residuals of the windows. `error`: its standard error. `ratio`: of the
    root mean square residuals. `error_of_ratio`: its standard error.
    """

    mean: float
    error: float
    ratio: float
    error_of_ratio: float

    @staticmethod
    def of(one: np.ndarray, other: np.ndarray) -> "Difference":
        """The difference of the errors of the same windows."""
        apart, size = one - other, max(float(other.mean()), 1e-300)
        error = apart.std(ddof=1) / np.sqrt(len(apart)) if len(apart) > 1 else np.inf
        ratio = float(np.sqrt(one.mean() / size))
        return Difference(float(apart.mean()), float(error), ratio, float(error / (2 * ratio * size)))


class Contest(NamedTuple):
    """All candidates, the best first, and what could not be fitted.

    `energy_lost`: energy that the recorded motion loses by the model of the best candidate, over the mean kinetic
    energy, if that shows that the candidate lacks friction; otherwise zero. `undecided`: friction that the best
    candidate lacks, and that is likely.
    """

    candidates: tuple[Candidate, ...]
    refused: tuple[Attempt, ...]
    energy_lost: float = 0.0
    undecided: tuple[str, ...] = ()

    @staticmethod
    def of(candidates: list[Candidate], refused: list[Attempt]) -> "Contest":
        """Find the best candidate: of the best family and the others whose error on the validation set is nearly the
        least, or equal to it, the one with the fewest constants. A model without mechanics is the last.
        """
        candidates = distinct(candidates)
        sound = sorted((one for one in candidates if np.isfinite(one.misfit)), key=lambda one: one.misfit)
        failed = [one for one in candidates if not np.isfinite(one.misfit)]
        if not sound:
            return Contest(tuple(failed), tuple(refused))
        families = [one for one in sound if not np.isnan(one.information)]
        finalists = [one for one in sound if np.isnan(one.information)] + best_family(families)
        least = min(finalists, key=lambda one: one.misfit)
        equal = [one for one in finalists if one.misfit <= MAX_LOSS_RATIO * least.misfit or _tied(one, least)]
        best = min(equal, key=lambda one: (not one.is_mechanical, one.parameters))
        rest = [one for one in sound if one is not best]
        return Contest((best, *rest, *failed), tuple(refused))

    @property
    def formula(self) -> RefinedFormula | None:
        """The best candidate that is a formula."""
        return next((one.found for one in self.candidates if one.found is not None and one.found.is_formula), None)

    @property
    def family(self) -> RefinedFormula | None:
        """The best candidate with constants that is no formula of terms: a `Family` of the user."""
        return next((one.found for one in self.candidates if one.found is not None and not one.found.is_formula), None)

    @property
    def predictor(self) -> Predictor:
        """The predictor of the best candidate. A network without mechanics is left out: it has no Lagrangian. So are
        candidates that predict no better than the baselines. Without a comparison it is the network.
        """
        for one in self.candidates:
            if one.found is not None:
                return "formula" if one.found.is_formula else "family"
            if one.is_network and np.isfinite(one.misfit):
                return "network"
        return "network"

    @property
    def is_model(self) -> bool:
        """Whether the best candidate can predict by itself. Otherwise `predictor` names a candidate behind it."""
        best = self.winner
        return best.found is not None or (best.is_network and bool(np.isfinite(best.misfit)))

    @property
    def winner(self) -> Candidate:
        """The best candidate."""
        return self.candidates[0]

    @property
    def is_unexplained(self) -> bool:
        """Whether the verdict warns that even the best candidate lacks something, or that none is mechanical."""
        if not self.candidates or not np.isfinite(self.winner.misfit):
            return True
        best = self.winner
        return not best.is_mechanical or self.energy_lost > 0 or best.lacks_something

    def ratio(self, one: Candidate) -> float:
        """Error of a candidate over that of the winner: of cross-validation, or on the validation set."""
        difference = self._difference(one)
        if difference is not None:
            return difference.ratio
        return float(np.sqrt(one.misfit / max(self.winner.misfit, 1e-300)))

    def table(self) -> list[list[str]]:
        """Rows of text, the header first."""
        rows = [["candidate", "constants", "error / best", "error / noise", "criterion"]]
        least = np.nanmin([*(one.information for one in self.candidates), np.inf])
        for one in self.candidates:
            criterion = "" if np.isnan(one.information) else f"{one.information - least:.3g}"
            rest = "" if np.isnan(one.rest) else f"{one.rest:.3g}"
            rows.append([one.title, str(one.parameters), f"{self.ratio(one):.3g}", rest, criterion])
        return rows

    def verdict(self) -> list[str]:
        """Sentences: what describes the motion best, and how much worse the others are."""
        if not self.candidates or not np.isfinite(self.winner.misfit):
            return []
        best = self.winner
        shown = {one.name: one for one in reversed(self.candidates[1:]) if one.name != best.name}
        others = [one for one in self.candidates[1:] if one.name == best.name]
        others += [one for one in self.candidates[1:] if shown.get(one.name) is one]
        worse = [one for one in others if self.ratio(one) >= MIN_WORSE]
        equal = [one.unlike(best) for one in others if self.ratio(one) < MIN_WORSE]
        lines = [f"Best description of the motion: {best.title} ({_counted(best.parameters)}).", *self._explained()]
        if self.undecided:
            also = " or ".join(self.undecided)
            lines.append(f"Undecided: {also} would describe this recording as well, and other motion differently.")
        for where, difference in (("by cross-validation", True), ("on the validation set", False)):
            told = [one for one in worse if (self._difference(one) is not None) == difference]
            margins = "; ".join(f"{one.unlike(best)} ({self._margin(one)})" for one in told)
            lines += [f"Worse {where}: {margins}."] if told else []
        return [*lines, f"No better: {'; '.join(equal)}."] if equal else lines

    def _explained(self) -> list[str]:
        """Sentences: whether its errors or its energy show that the best candidate lacks something."""
        best = self.winner
        driven = any(one.variant is not None and one.variant.controls for one in self.candidates)
        cause = "does something else drive it" if driven else "is it driven"
        why = f"{cause}, or does its friction follow another law?"
        lines = [] if best.is_mechanical else [f"No Lagrangian with friction describes the motion as well: {why}"]
        if self.energy_lost > 0:
            lost = f"its energy falls by {self.energy_lost:.0%} along the recorded motion"
            lines.append(f"{UNEXPLAINED}: {lost}, so it lacks friction.")
        if best.lacks_something:
            return [*lines, f"{UNEXPLAINED}: its errors are {best.rest:.2g} times the noise of the recording."]
        if best.leaves_noise and not lines:
            return ["Its errors are as small as the noise of the recording: no model can be much better."]
        return lines

    def _difference(self, one: Candidate) -> Difference | None:
        """How much worse than the winner a candidate is, if both are cross-validated."""
        if one.errors is None or self.winner.errors is None:
            return None
        return Difference.of(one.errors, self.winner.errors)

    def _margin(self, one: Candidate) -> str:
        ratio, difference = self.ratio(one), self._difference(one)
        if not ratio < np.inf:
            return "it fails"
        if ratio >= MAX_NAMED_RATIO:
            return f"by a factor of {ratio:.2g}"
        doubt = "" if difference is None else f" ± {100 * 2 * difference.error_of_ratio:.0f}"
        return f"by {100 * (ratio - 1):.0f}{doubt}%"


def best_family(families: list[Candidate]) -> list[Candidate]:
    """The best of fitted families, which are in the order of their error on the validation set; none of none.

    It is the most probable one (criterion of Chen and Chen) of those that are equal: by cross-validation, or, without
    it, by nearly the least error on the validation set.
    """
    tested = [(one, one.errors) for one in families if one.errors is not None]
    if tested:
        _, least = min(tested, key=lambda pair: pair[1].mean())
        apart = [(one, Difference.of(errors, least)) for one, errors in tested]
        rounding = SAME_MISFIT * float(least.mean())  # of two ways to write one Lagrangian
        equal = [one for one, by in apart if by.mean <= max(MAX_TIE * by.error, rounding)]
    else:
        equal = [one for one in families if one.misfit <= MAX_LOSS_RATIO * families[0].misfit]
    return sorted(equal, key=lambda one: one.information)[:1]


def _tied(one: Candidate, least: Candidate) -> bool:
    """Whether the errors of two candidates on the validation set differ by chance only. One window does not show it."""
    if one.held is None or least.held is None or len(one.held) < 2:
        return False
    difference = Difference.of(one.held, least.held)
    return difference.mean <= MAX_TIE * difference.error


def _counted(parameters: int) -> str:
    return f"{parameters} constant{'s' * (parameters != 1)}"


def distinct(candidates: list[Candidate]) -> list[Candidate]:
    """Leave out a candidate that is the same as another one: the less probable one of two fits of the same constants,
    and the later one of two families that are equal because the additional constants of one are zero.
    """
    kept: dict[str, Candidate] = {}
    for one in candidates:
        twin = kept.get(one.title)
        if twin is not None:
            kept[one.title] = one if one.information < twin.information else twin
        elif not any(_same(one, other) for other in kept.values()):
            kept[one.title] = one
    return list(kept.values())


def _same(one: Candidate, other: Candidate) -> bool:
    close = abs(one.misfit - other.misfit) <= SAME_MISFIT * abs(other.misfit)
    equal = close and one.parameters == other.parameters and one.name != other.name
    return equal and abs(one.information - other.information) < SAME_CRITERION

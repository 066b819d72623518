"""Ranks formulas of a library by an information criterion; searches by elimination, addition and exchange."""

from collections.abc import Iterable, Sequence

import numpy as np

from .balance import Balance
from .elimination import (
    F_RATIO_INSIGNIFICANT,
    AbstractFitWithErrors,
    SparseFit,
    Try,
    eliminate,
    price_of_a_parameter,
    score,
)

BEAM_WIDTH, TERMS_ADDED_TO_EACH = 8, 8
"""Number of formulas of each size that are extended, and number of terms tried as extension of each formula."""
PATIENCE = 2
"""Number of sizes in a row without improvement, after which no more terms are added."""
SAME_RESIDUAL = 0.1
"""Two formulas count as equal on the motion if their residuals, in units of the noise, differ by less in square sum."""
MAX_EXCHANGE_ROUNDS = 6
"""Most rounds of exchanges, which bound the run time."""


class Ranking:
    """All formulas that were tried, with their extended Bayesian information criterion; lower is better.

    - `complexity`: complexity of each term. `floor`: sum of squares of numerical errors.
    """

    def __init__(self, problem: AbstractFitWithErrors, complexity: np.ndarray, floor: float):
        self._problem, self._complexity, self._floor = problem, complexity, floor
        self._scores: dict[tuple[int, ...], tuple[float, SparseFit]] = {}

    def add(self, step: SparseFit) -> float:
        """Returns the score of a step; stores both if no better fit of the same terms is known."""
        terms = len(self._complexity)
        value = score(self._problem, step, terms, self._floor) if np.isfinite(step.rss) else np.inf
        key = tuple(sorted(step.support))
        if key not in self._scores or value < self._scores[key][0]:
            self._scores[key] = value, step
        return value

    @property
    def least(self) -> tuple[float, SparseFit]:
        return min(self._scores.values(), key=lambda scored: scored[0])

    @property
    def best(self) -> tuple[float, SparseFit]:
        """The simplest formula that fits as well as the formula with the least score.

        It equals this formula on the motion; or it has as many terms, its score exceeds the least one by less than the
        price of a parameter, and no formula with fewer terms has a lower score.
        """
        value, least = self.least
        if not np.isfinite(value):
            return value, least

        size = len(least.support)
        smaller = (score for key, (score, _) in self._scores.items() if len(key) < size)
        allowed = min(value + price_of_a_parameter(self._problem), *smaller, np.inf)

        def as_good(scored: tuple[float, SparseFit]) -> bool:
            if len(scored[1].support) == size:
                return scored[0] <= allowed
            return scored[0] < value + SAME_RESIDUAL and self._same(scored[1], least)

        near = filter(as_good, self._scores.values())
        return min(near, key=lambda scored: (self._complexity[list(scored[1].support)].sum(), scored[0]))

    def rival(self, support: Iterable[int]) -> tuple[float, SparseFit] | None:
        """The best formula that lacks one of these terms and differs on the motion; `None` without one.

        A formula that contains another one of as many terms, equal on the motion, says no more than one that contains
        these terms, so it is no rival either.
        """
        equal = [set(key) for key in self._equal(support)]
        others = [scored for key, scored in self._scores.items() if not any(terms <= set(key) for terms in equal)]
        own = self._scores.get(tuple(sorted(support)))
        others = sorted((scored for scored in others if np.isfinite(scored[0])), key=lambda scored: scored[0])
        found = next((scored for scored in others if own is None or not self._same(scored[1], own[1])), None)
        if found is None:
            return None
        step = self._problem.fit(found[1].support, found[1].coefficients)  # a full fit, since the search used few steps
        return min(self.add(step), found[0]), step

    def _equal(self, support: Iterable[int]) -> list[tuple[int, ...]]:
        """These terms, and all others of the same number whose formula is equal on the motion."""
        own = tuple(sorted(support))
        if own not in self._scores:
            return [own]
        value, step = self._scores[own]
        near = value + price_of_a_parameter(self._problem)
        as_many = [key for key, (score, _) in self._scores.items() if len(key) == len(own) and score <= near]
        return [own, *(key for key in as_many if key != own and self._same(self._scores[key][1], step))]

    def gap(self, support: Iterable[int]) -> float:
        """Factor by which the residual grows with one term fewer."""
        whole = tuple(sorted(support))
        less = [self._scores.get(tuple(j for j in whole if j != k)) for k in whole]
        rss = [step.rss for _, step in filter(None, less)]
        own = self._scores[whole][1].rss if whole in self._scores else np.inf
        return float(np.sqrt((min(rss, default=np.inf) + self._floor) / (own + self._floor))) if rss else np.inf

    def value(self, support: Iterable[int]) -> float:
        """The score of these terms; infinite if they were not tried."""
        return self._scores.get(tuple(sorted(support)), (np.inf,))[0]

    def _same(self, one: SparseFit, two: SparseFit) -> bool:
        if set(one.support) == set(two.support):
            return True
        return float(np.sum((self._problem.errors(one) - self._problem.errors(two)) ** 2)) < SAME_RESIDUAL


def ranked(
    problem: Balance,
    complexity: np.ndarray,
    starts: Sequence[Sequence[int]],
    bases: Sequence[Sequence[int]],
    floor: float,
    most: int,
) -> Ranking:
    """Searches formulas and ranks them.

    **Arguments:**

    - `starts`: supports to include.
    - `bases`: supports to which terms are added one by one, the most usual support first.
    - `most`: largest number of terms in a formula.
    """
    ranking = Ranking(problem, complexity, floor)
    for step in problem.fit_each([(start, None) for start in starts]):
        ranking.add(step)
    for step in eliminate(problem, len(complexity), complexity, floor, chance=F_RATIO_INSIGNIFICANT / problem.rows):
        if len(step.support) <= most:
            ranking.add(step)
    _add(problem, bases[:1], ranking, most)  # alone, so that equally good unusual bases do not crowd it out
    _add(problem, bases[1:], ranking, most)
    for _ in range(MAX_EXCHANGE_ROUNDS):
        before, best = ranking.least
        if len(best.support) >= most:
            break
        _exchange(problem, best, ranking)
        if not ranking.least[0] < before - 1e-6:
            break
    return ranking


def _add(problem: Balance, bases: Sequence[Sequence[int]], ranking: Ranking, most: int) -> None:
    """Beam search: extends the best formulas of each size by one term."""
    level = problem.fit_each([(base, None) for base in bases], hurry=True)
    waited, least = 0, np.inf
    while waited < PATIENCE:
        for step in level:
            ranking.add(step)
        worst_first = sorted((step for step in level if np.isfinite(step.rss)), key=lambda step: -step.rss)
        level = sorted({tuple(sorted(step.support)): step for step in worst_first}.values(), key=lambda step: step.rss)
        if not level or len(level[0].support) >= most:
            break
        value = ranking.add(level[0])
        waited, least = (0, value) if value < least - 1e-6 else (waited + 1, least)
        level = problem.fit_each(_with_another(problem, level[:BEAM_WIDTH]), hurry=True)


def _exchange(problem: Balance, best: SparseFit, ranking: Ranking) -> None:
    """Tries to add, remove or exchange one term of the best formula."""
    fewer = problem.fits_without_one(best)
    bases = [best, *(less for less in fewer if np.isfinite(less.rss))]
    afresh: list[Try] = [(less.support, None) for less in fewer]
    for step in [*fewer, *problem.fit_each([*afresh, *_with_another(problem, bases)], hurry=True)]:
        ranking.add(step)


def _with_another(problem: Balance, steps: Sequence[SparseFit]) -> list[Try]:
    """Extends each step by each of its most promising further terms.

    Each extension is fitted from the coefficients of the step, and afresh. No descent from a step changes the sign of
    the determinant of its mass matrix, which is singular in between.
    """
    tries: dict[tuple[int, ...], list[Try]] = {}
    for step, gains in zip(steps, problem.gains(steps), strict=True):
        for k in np.argsort(-gains)[:TERMS_ADDED_TO_EACH].tolist():
            if gains[k] > 0:
                more = (*step.support, k)
                tries.setdefault(tuple(sorted(more)), [(more, np.append(step.coefficients, 0.0)), (more, None)])
    return [each for both in tries.values() for each in both]

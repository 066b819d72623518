"""Formulas of a library ranked by information, from many sides: by leaving out, by adding, by exchange."""

from collections.abc import Iterable, Sequence

import numpy as np

from .balance import Balance
from .elimination import INSIGNIFICANT, Step, Try, eliminate, score

WIDTH, PROMISING = 8, 8
"""How many of the best formulas of each size have another term added, and which: those that promise the most."""
PATIENCE = 2
"""Sizes without a better formula after which no more terms are added."""
SAME = 0.1
"""Two formulas are the same on the motion if their residuals differ by less than this in all, noise being one each."""
SWEEPS = 6
"""Most rounds of exchanges."""


class Ranking:
    """Every formula that was tried, with its score: the extended Bayesian information criterion, the least is best.

    - `complexity`: of each term. `floor`: sum of squares that is no noise.
    """

    def __init__(self, problem: Balance, complexity: np.ndarray, floor: float):
        self._problem, self._complexity, self._floor = problem, complexity, floor
        self._scores: dict[tuple[int, ...], tuple[float, Step]] = {}

    def add(self, step: Step) -> float:
        """Its score, which is kept with it if that is the best of the same terms."""
        terms = len(self._complexity)
        value = score(self._problem, step, terms, self._floor) if np.isfinite(step.rss) else np.inf
        key = tuple(sorted(step.support))
        if key not in self._scores or value < self._scores[key][0]:
            self._scores[key] = value, step
        return value

    @property
    def least(self) -> tuple[float, Step]:
        return min(self._scores.values(), key=lambda scored: scored[0])

    @property
    def best(self) -> tuple[float, Step]:
        """The simplest of those that are the same on the motion as that of the least score."""
        value, least = self.least
        if not np.isfinite(value):
            return value, least
        near = [scored for scored in self._scores.values() if scored[0] < value + SAME and self._same(scored[1], least)]
        return min(near, key=lambda scored: (self._complexity[list(scored[1].support)].sum(), scored[0]))

    def rival(self, support: Iterable[int]) -> tuple[float, Step] | None:
        """The best of the formulas that lack some of these terms and are not the same on the motion."""
        whole = set(support)
        own = self._scores.get(tuple(sorted(whole)))
        others = [scored for key, scored in self._scores.items() if not whole <= set(key) and np.isfinite(scored[0])]
        others.sort(key=lambda scored: scored[0])
        found = next((scored for scored in others if own is None or not self._same(scored[1], own[1])), None)
        if found is None:
            return None
        step = self._problem.fit(found[1].support, found[1].coefficients)  # as far as it goes: it was one of many
        return min(self.add(step), found[0]), step

    def gap(self, support: Iterable[int]) -> float:
        """By what factor the residual grows with one of these terms less."""
        whole = tuple(sorted(support))
        less = [self._scores.get(tuple(j for j in whole if j != k)) for k in whole]
        rss = [step.rss for _, step in filter(None, less)]
        own = self._scores[whole][1].rss if whole in self._scores else np.inf
        return float(np.sqrt((min(rss, default=np.inf) + self._floor) / (own + self._floor))) if rss else np.inf

    def value(self, support: Iterable[int]) -> float:
        """The score of these terms; infinite if they were not tried."""
        return self._scores.get(tuple(sorted(support)), (np.inf,))[0]

    def _same(self, one: Step, two: Step) -> bool:
        if set(one.support) == set(two.support):
            return True
        return float(np.sum((self._problem.errors(one) - self._problem.errors(two)) ** 2)) < SAME


def ranked(
    problem: Balance,
    complexity: np.ndarray,
    starts: Sequence[Sequence[int]],
    bases: Sequence[Sequence[int]],
    floor: float,
    most: int,
) -> Ranking:
    """**Arguments:**

    - `starts`: formulas that are looked at, whose terms are exchanged.
    - `bases`: formulas to which terms are added one by one, to several at a time; the most usual first.
    - `most`: terms of a formula.
    """
    ranking = Ranking(problem, complexity, floor)
    for step in problem.fit_each([(start, None) for start in starts]):
        ranking.add(step)
    for step in eliminate(problem, len(complexity), complexity, floor, chance=INSIGNIFICANT / problem.rows):
        if len(step.support) <= most:
            ranking.add(step)
    _add(problem, bases[:1], ranking, most)  # by themselves: among many that are as good the usual one may be lost
    _add(problem, bases[1:], ranking, most)
    for _ in range(SWEEPS):
        before, best = ranking.least
        if len(best.support) >= most:
            break
        _exchange(problem, best, ranking)
        if not ranking.least[0] < before - 1e-6:
            break
    return ranking


def _add(problem: Balance, bases: Sequence[Sequence[int]], ranking: Ranking, most: int) -> None:
    """A beam search: of each size so many of the best have each other term added."""
    level = problem.fit_each([(base, None) for base in bases], hurry=True)
    waited, least = 0, np.inf
    while waited < PATIENCE:
        for step in level:
            ranking.add(step)
        level = sorted((step for step in level if np.isfinite(step.rss)), key=lambda step: step.rss)
        if not level or len(level[0].support) >= most:
            break
        value = ranking.add(level[0])
        waited, least = (0, value) if value < least - 1e-6 else (waited + 1, least)
        level = problem.fit_each(_with_another(problem, level[:WIDTH]), hurry=True)


def _exchange(problem: Balance, best: Step, ranking: Ranking) -> None:
    """One term added, one left out, one exchanged for another."""
    fewer = problem.fit_each([best.without(i) for i in range(len(best.support)) if best.covariance[i, i] > 0])
    bases = [best, *(less for less in fewer if np.isfinite(less.rss))]
    for step in [*fewer, *problem.fit_each(_with_another(problem, bases), hurry=True)]:
        ranking.add(step)


def _with_another(problem: Balance, steps: Sequence[Step]) -> list[Try]:
    """Each with one of the terms beside that promise the most."""
    tries: dict[tuple[int, ...], Try] = {}
    for step, gains in zip(steps, problem.gains(steps), strict=True):
        for k in np.argsort(-gains)[:PROMISING].tolist():
            if gains[k] > 0:
                more = (*step.support, k)
                tries.setdefault(tuple(sorted(more)), (more, np.append(step.coefficients, 0.0)))
    return list(tries.values())

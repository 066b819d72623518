"""Formulas that are equal on the recorded motion."""

import numpy as np
import pytest

from neural_lagrangian.discovery.elimination import AbstractFitWithErrors, SparseFit
from neural_lagrangian.discovery.ranking import Ranking

pytestmark = pytest.mark.double


class Known(AbstractFitWithErrors):
    """A problem whose fits are known: steps and residuals by support."""

    steps: dict[tuple[int, ...], SparseFit]
    residuals: dict[tuple[int, ...], np.ndarray]

    @property
    def rows(self):
        return 1000

    def fit_each(self, tries, *, hurry=False):
        return [self.steps[tuple(support)] for support, _ in tries]

    def errors(self, step):
        return self.residuals[tuple(step.support)]


def ranking_of(*formulas):
    """A ranking of `(terms, sum of squares, direction of the residual)`."""
    residuals = {terms: rss**0.5 * np.eye(4)[direction] for terms, rss, direction in formulas}
    steps = {terms: SparseFit(terms, np.ones(len(terms)), rss, np.eye(len(terms))) for terms, rss, _ in formulas}
    ranking = Ranking(Known(steps, residuals), np.array([1.0, 1.0, 2.0, 1.0, 1.0, 1.0]), 0.0)
    for step in steps.values():
        ranking.add(step)
    return ranking


def test_what_contains_an_equal_formula_is_no_rival():
    """{0, 2} is equal to {0, 1} on the motion, so {0, 2, 3} lacks nothing of it; {0, 4} does."""
    ranking = ranking_of(((0, 1), 1000.0, 0), ((0, 2), 1000.0, 0), ((0, 2, 3), 995.0, 1), ((0, 4), 1100.0, 2))
    assert ranking.best[1].support == (0, 1)  # the simpler one of the two
    assert ranking.rival((0, 1))[1].support == (0, 4)
    other = ranking_of(((0, 1), 1000.0, 0), ((0, 2), 1000.0, 3), ((0, 2, 3), 995.0, 1), ((0, 4), 1100.0, 2))
    assert other.rival((0, 1))[1].support != (0, 4)  # {0, 2} differs on the motion

"""Which terms are kept: the price of choosing among many, and what leaving one out does to the others."""

import numpy as np

from neural_lagrangian.discovery.elimination import LinearFit, by_information

ROWS, CANDIDATES, DRAWS = 120, 30, 40


def draw(seed):
    """Two true terms among many, and noise."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(ROWS, CANDIDATES))
    return X, 2 * X[:, 3] - X[:, 11] + 0.5 * rng.normal(size=ROWS)


def test_of_many_candidates_few_are_taken_by_chance():
    """The extended criterion takes a false term in about one of twenty draws; without its extension, in two of three.

    The expected number of false terms is (K - 2) P(chi^2 > log N + 2 log K) = 0.02, or 28 P(chi^2 > log N) = 0.8.
    """
    right = 0
    for seed in range(DRAWS):
        found = by_information(LinearFit(*draw(seed)), CANDIDATES, np.ones(CANDIDATES), 1e-12, 1e-9)
        assert {3, 11} <= set(found.support)
        right += len(found.support) == 2
    assert right >= 0.85 * DRAWS


def test_a_term_left_out_changes_the_others_as_a_new_fit_does():
    problem = LinearFit(*draw(0))
    whole = problem.fit(range(8), None)
    support, start = whole.without(2, 5)
    assert support == (0, 1, 3, 4, 6, 7)
    np.testing.assert_allclose(start, problem.fit(support, None).coefficients, rtol=1e-9, atol=1e-12)
    alone = problem.fit([3, 11], None)
    expected = np.linalg.lstsq(draw(0)[0][:, [3, 11]], draw(0)[1], rcond=None)[0]
    np.testing.assert_allclose(alone.coefficients * np.linalg.norm(draw(0)[1]), expected * np.linalg.norm(draw(0)[1]))

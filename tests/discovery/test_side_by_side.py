"""Formulas fitted side by side are those fitted one by one, and least squares."""

import numpy as np
import pytest
from scipy.optimize import least_squares

from neural_lagrangian.discovery.balance import Balance

pytestmark = pytest.mark.double
TERMS = 6


def balance_of(dof, noise=0.01, rows=40):
    """Constant masses and forces that depend on the row, for an acceleration with some noise."""
    rng = np.random.default_rng(dof)
    masses = np.array([(a + a.T) / 20 for a in rng.normal(size=(TERMS, dof, dof))])
    masses[0] = np.eye(dof)
    h = rng.normal(size=(rows, TERMS, dof))
    c = np.array([1.0, 0.4, -0.3, 0.2, 0.0, 0.0])
    M = np.broadcast_to(masses, (rows, TERMS, dof, dof))
    a = -np.linalg.solve(np.tensordot(M, c, (1, 0)), np.tensordot(h, c, (1, 0))[..., None])[..., 0]
    a = a + noise * rng.normal(size=a.shape)
    b = np.einsum("rkij,rj->rki", M, a) + h
    one = np.ones(dof)
    return Balance(M, b, one, np.trace(masses, axis1=1, axis2=2), np.ones(TERMS), one)


@pytest.mark.parametrize("dof", [1, 2, 3])
def test_those_side_by_side_are_those_one_by_one(dof):
    balance = balance_of(dof)
    tries = [((0, 1, 2), None), ((0, 1), None), ((0, 2, 4), np.array([1.0, 0.1, 0.0])), ((0, 3, 5), None)]
    for step, (support, start) in zip(balance.fit_each(tries), tries, strict=True):
        alone = balance.fit(support, start)
        assert step.support == tuple(support)
        np.testing.assert_allclose(step.coefficients, alone.coefficients, rtol=1e-9, atol=1e-12)
        assert step.rss == pytest.approx(alone.rss, rel=1e-9)


@pytest.mark.parametrize("dof", [1, 2, 3])
def test_a_fit_is_that_of_least_squares(dof):
    """Of the errors of acceleration M^-1 b, in the ratios of the coefficients to the first."""
    balance = balance_of(dof)

    def errors(ratios):
        c = np.array([1.0, *ratios])
        M, b = (np.tensordot(x[:, : len(c)], c, (1, 0)) for x in (balance.M, balance.b))
        return np.linalg.solve(M, b[..., None]).ravel()

    step = balance.fit(range(4), None)
    best = least_squares(errors, [0.3, -0.2, 0.1], xtol=1e-14, ftol=1e-14, gtol=1e-14)
    np.testing.assert_allclose(step.coefficients[1:] / step.coefficients[0], best.x, rtol=1e-4)
    assert step.rss == pytest.approx(2 * best.cost, rel=1e-4)


def test_gains_tell_what_another_term_would_do():
    balance = balance_of(2)
    step = balance.fit((0, 1, 2), None)
    (gains,) = balance.gains([step])
    assert np.argmax(gains) == 3
    assert gains[:3].tolist() == [0.0] * 3
    beside = balance.fit((0, 1, 2, 3), None)
    assert step.rss - beside.rss == pytest.approx(gains[3], rel=0.2)


def test_a_determinant_beyond_all_numbers_is_no_fit():
    """Its inverse would be zero, and so would the errors."""
    M = np.diag([1.0, 1.0])[None, None] * np.ones((3, 1, 1, 1))
    one = np.ones(2)
    huge = Balance(1e200 * M, np.ones((3, 1, 2)), one, np.ones(1), np.ones(1), one)
    assert np.isinf(huge.fit((0,), None).rss)


def test_terms_without_a_mass_are_no_formula():
    balance = balance_of(2)
    without = Balance(0 * balance.M, balance.b, balance.sigma, 0 * balance.kinetic, balance.size, balance.length)
    assert [np.isinf(step.rss) for step in without.fit_each([((0, 1), None), ((2,), None)])] == [True, True]

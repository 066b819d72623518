"""Gauss-Lobatto rules against what defines them, in exact arithmetic where round-off would hide a fault."""

from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.polynomial import Legendre, Polynomial

from neural_lagrangian.numerics.lobatto import barycentric_weights, differentiation_matrix, gauss_lobatto, interpolant

from ..helpers import DOUBLE, DTYPE

POINTS = [2, 3, 4, 5, 8, 10, 20, 40, 62]


def integral_error(points, degree):
    """Of the Legendre polynomial on the unit interval, whose integral is zero above degree 0: no cancellation."""
    c, b = gauss_lobatto(points)
    P = Legendre.basis(degree, domain=[0, 1])
    return abs(b @ P(c) - (degree == 0))


def by_root_finding(points):
    """The nodes as roots of the polynomial's coefficients: the way that breaks down."""
    inner = Legendre.basis(points - 1).deriv().convert(kind=Polynomial).roots()
    return (1 + np.sort(np.concatenate([[-1], inner.real, [1]]))) / 2


@pytest.mark.parametrize("points", POINTS)
def test_weights_are_positive_and_add_up_to_one(points):
    c, b = gauss_lobatto(points)
    assert np.all(b > 0)
    assert abs(sum(map(Fraction, b.tolist())) - 1) < 1e-15
    assert c[0] == 0
    assert c[-1] == 1
    assert np.all(np.diff(c) > 0)


@pytest.mark.parametrize("points", POINTS)
def test_nodes_and_weights_are_symmetric(points):
    c, b = gauss_lobatto(points)
    np.testing.assert_array_equal(b, b[::-1])
    np.testing.assert_allclose(c + c[::-1], 1, rtol=0, atol=2e-16)


@pytest.mark.parametrize("points", POINTS)
def test_exact_to_degree_2m_minus_3_and_no_further(points):
    assert max(integral_error(points, degree) for degree in range(2 * points - 2)) < 1e-14
    assert integral_error(points, 2 * points - 2) > 1e-3


@pytest.mark.parametrize("points", POINTS[1:])
def test_inner_nodes_are_roots_of_the_derivative_of_the_legendre_polynomial(points):
    c, _ = gauss_lobatto(points)
    P = Legendre.basis(points - 1)
    x = 2 * c[1:-1] - 1
    np.testing.assert_allclose(P.deriv()(x) / P.deriv(2)(x), 0, atol=1e-15)


def test_known_rules():
    for points, nodes, weights in (
        (2, [0, 1], [1 / 2, 1 / 2]),
        (3, [0, 1 / 2, 1], [1 / 6, 4 / 6, 1 / 6]),
        (4, [0, (1 - 5**-0.5) / 2, (1 + 5**-0.5) / 2, 1], [1 / 12, 5 / 12, 5 / 12, 1 / 12]),
    ):
        c, b = gauss_lobatto(points)
        np.testing.assert_allclose(c, nodes, rtol=0, atol=2e-16)
        np.testing.assert_allclose(b, weights, rtol=0, atol=2e-16)


def test_roots_of_coefficients_are_no_substitute():
    """From some 30 points on they are useless."""
    assert np.max(np.abs(by_root_finding(8) - gauss_lobatto(8)[0])) < 1e-12
    assert np.max(np.abs(by_root_finding(42) - gauss_lobatto(42)[0])) > 1e-5


@pytest.mark.parametrize("points", POINTS)
def test_differentiation_is_exact_on_polynomials_of_degree_m_minus_1_and_no_further(points):
    c, _ = gauss_lobatto(points)
    D = differentiation_matrix(c)

    def error(degree):
        P = Legendre.basis(degree, domain=[0, 1])
        return np.max(np.abs(D @ P(c) - P.deriv()(c)))

    scale = np.max(np.abs(D))
    assert max(error(degree) for degree in range(points)) < 1e-13 * scale
    assert error(points) > 0.1
    np.testing.assert_allclose(D.sum(axis=1), 0, atol=1e-15 * scale)
    np.testing.assert_allclose(D, -D[::-1, ::-1], atol=1e-13 * scale)


@pytest.mark.parametrize("points", [2, 4, 10, 62])
def test_integration_by_parts(points):
    r"""$b_i D_{ij} + b_j D_{ji}$ is the boundary term: what makes the discrete momentum flow as the true one."""
    c, b = gauss_lobatto(points)
    D = differentiation_matrix(c)
    boundary = np.zeros((points, points))
    boundary[0, 0], boundary[-1, -1] = -1, 1
    np.testing.assert_allclose(b[:, None] * D + (b[:, None] * D).T, boundary, atol=1e-14 * points)


@pytest.mark.parametrize("points", [2, 3, 7, 22])
def test_interpolant_is_the_polynomial_through_its_values(points):
    c, _ = gauss_lobatto(points)
    rng = np.random.default_rng(points)
    polynomials = [Legendre(rng.normal(size=points) / np.arange(1, points + 1), domain=[0, 1]) for _ in range(2)]
    values = jnp.asarray(np.stack([P(c) for P in polynomials], axis=1), DTYPE)
    nodes = tuple(c.tolist())
    at = np.concatenate([np.linspace(0, 1, 41), c])
    ours = jax.vmap(lambda s: interpolant(nodes, values)(s))(jnp.asarray(at, DTYPE))
    theirs = np.stack([P(at) for P in polynomials], axis=1)
    tolerance = 1e-13 if DOUBLE else 1e-4
    np.testing.assert_allclose(ours, theirs, atol=tolerance)
    np.testing.assert_array_equal(ours[41:], values)


def test_barycentric_weights_are_those_of_the_definition():
    nodes = np.array([0.0, 0.2, 0.7, 1.0])
    definition = np.array([1 / np.prod([a - b for b in nodes if b != a]) for a in nodes])
    np.testing.assert_allclose(barycentric_weights(nodes), definition / np.abs(definition).max(), rtol=1e-14)


def test_quadrature_of_a_smooth_function_converges_to_round_off():
    errors = [abs(gauss_lobatto(m)[1] @ np.exp(gauss_lobatto(m)[0]) - (np.e - 1)) for m in (2, 4, 6, 10, 62)]
    assert errors[0] > 0.1
    assert errors[2] < 1e-9
    assert max(errors[3:]) < 1e-15

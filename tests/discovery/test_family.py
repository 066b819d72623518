"""Families of Lagrangians: ranges, what each callable is given, models."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.discovery import LagrangianFamily

from ..helpers import DOUBLE, DTYPE
from .oscillators import FAMILY, TS, drawn

EVERY = LagrangianFamily(
    lambda t, q, v, **c: sum(c.values()), dof=1, a="positive", b="non-negative", c="any", d=(-1, 3)
)


def test_coordinates_and_ranges_are_inverse():
    scale = jnp.asarray([2.0, 0.5, 3.0, 1.0], DTYPE)
    x = jnp.asarray([[-1.0, 0.3, 5.0, 0.2], [2.0, -2.0, -4.0, -3.0]], DTYPE)
    c = jax.vmap(EVERY.within, (0, None))(x, scale)
    assert np.all(c[:, :2] > 0)
    assert np.all((c[:, 3] > -1) & (c[:, 3] < 3))
    back = jax.vmap(EVERY.coordinates, (0, None))(c, scale)
    np.testing.assert_allclose(back, x, rtol=1e-10 if DOUBLE else 1e-4)


def test_beyond_a_bound_one_begins_inside():
    c = jnp.asarray([-1.0, -1.0, -1.0, 7.0], DTYPE)
    inside = EVERY.within(EVERY.coordinates(c, jnp.ones(4, DTYPE)), jnp.ones(4, DTYPE))
    assert np.all(np.isfinite(inside))
    assert inside[0] > 0
    assert inside[1] > 0
    assert inside[3] < 3


def test_a_model_moves_as_the_matrix_exponential():
    c, motions = drawn(1)
    coefficients = dict(zip(FAMILY.names, c[0].astype(DTYPE), strict=True))
    model = FAMILY.model(coefficients, nl.GalerkinGaussLobatto(2), stepsize_controller=nl.StepsPerSample(1))
    expected = motions[0] / np.asarray([1, 2 * c[0, 0]], DTYPE)
    tolerance = 1e-7 if DOUBLE else 1e-4
    np.testing.assert_allclose(model(TS, jnp.asarray(expected[0], DTYPE)), expected, atol=tolerance)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LagrangianFamily(3.0, dof=1, a="any"), "`formula` is 3.0; expected a callable"),
        (lambda: LagrangianFamily(lambda t, q, v: 0.0, dof=1), "`ranges` are missing"),
        (lambda: LagrangianFamily(lambda t, q, v, a: a, dof=1, a="large"), "`a` has the range 'large'"),
        (lambda: LagrangianFamily(lambda t, q, v, a: a, dof=1, a=(2, 1)), r"`a` has the range \(2, 1\)"),
        (lambda: LagrangianFamily(lambda t, q, v, a: a, dof=1, a="any", b="any"), "`b` is a parameter of neither"),
        (lambda: FAMILY.model({"c1": 1.0}), r"`coefficients` has the names \['c1'\]; expected \['c1', 'c2', 'c3'\]"),
    ],
)
def test_bad_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()

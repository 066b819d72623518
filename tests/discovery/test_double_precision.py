"""Discovery computes in double precision, in programs of single precision too, or refuses."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from neural_lagrangian import discovery
from neural_lagrangian.discovery import Library

from ..helpers import DTYPE, mlp

STATES = np.random.default_rng(0).normal(size=(60, 2)).astype(DTYPE)
QUARTIC = Library.coordinates(1, 4) * Library.velocities(1, 2)


def spring(t, q, v):
    return 0.5 * v[0] ** 2 - 2.25 * q[0] ** 2


def disguised(t, q, v):
    return -3 * spring(t, q, v) + 5 * q[0] ** 2 * v[0] + 7


def single(t, q, v):
    """Whatever it is given."""
    return spring(t, q, v).astype(jnp.float32)


class Engine(discovery.AbstractSearchEngine):
    def expressions(self, X, y, names):
        return ["v**2 - 4*q**2"]


ANSWERS = {
    "distill": lambda L: discovery.distill(L, QUARTIC, STATES),
    "distill by motion": lambda L: discovery.distill(L, QUARTIC, STATES, match="motion"),
    "search_lagrangian": lambda L: discovery.search_lagrangian(L, Engine(), STATES),
    "compare_lagrangians": lambda L: discovery.compare_lagrangians(spring, L, STATES),
    "sample_equations": lambda L: discovery.sample_equations(L, STATES),
    "helmholtz_report": lambda L: discovery.helmholtz_report(
        lambda t, q, v: jnp.reshape(L(t, q, v), (1,)), Library.velocities(1, 2), STATES
    ),
}


@pytest.mark.parametrize("name", ["distill", "distill by motion", "search_lagrangian"])
def test_what_a_formula_leaves_is_rounding_of_double_precision(name):
    found = ANSWERS[name](disguised)
    assert set(found.formula.support) == {"v^2", "q^2"}
    assert found.residual < 1e-12
    assert found.scale == pytest.approx(-3, rel=1e-12)
    assert found.formula.coefficients.dtype == DTYPE
    assert found.gauge_function.formula.coefficients.dtype == DTYPE


def test_so_is_what_two_lagrangians_differ_by():
    compared = ANSWERS["compare_lagrangians"](disguised)
    assert compared.scale == pytest.approx(-3, rel=1e-14)
    assert compared.gauge_residual < 1e-14
    assert compared.constant == pytest.approx(7, rel=1e-12)
    q = jnp.asarray([0.7], DTYPE)
    assert compared.gauge_function(jnp.zeros((), DTYPE), q).dtype == DTYPE
    h = discovery.sample_equations(spring, STATES).h
    np.testing.assert_allclose(h, 4.5 * STATES[:, :1].astype(np.float64), rtol=1e-14)


def test_a_network_of_any_precision_is_promoted():
    network = jax.tree.map(lambda x: x.astype(DTYPE) if eqx.is_array(x) else x, mlp(2, width=4))

    def lagrangian(t, q, v):
        return spring(t, q, v) + 1e-3 * network(jnp.concatenate([q, v]))

    assert discovery.sample_equations(lagrangian, STATES).M.dtype == np.float64
    assert discovery.compare_lagrangians(lagrangian, lagrangian, STATES).kind == "equal"


@pytest.mark.bad_input
@pytest.mark.parametrize("name", ANSWERS)
def test_what_computes_in_single_precision_is_refused(name):
    with pytest.raises(ValueError, match="returns float32 for states in float64; expected float64"):
        ANSWERS[name](single)

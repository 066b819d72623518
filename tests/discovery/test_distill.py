"""Formulas of Lagrangians: true ones in disguise, and ones with a network's smooth errors."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from neural_lagrangian.discovery import Library, UndeterminedWarning, compare_lagrangians, distill

from ..helpers import mlp, slow
from .cases import CASES, POLYNOMIALS, largest_error

pytestmark = pytest.mark.double


def states_of(name, count=300):
    return jnp.asarray(CASES[name].motion().ys.reshape(-1, 2 * CASES[name].system.dof)[:: 2000 // count])


def disguised(lagrangian, q_only, scale=-0.034):
    """Scaled, with the total derivative of q_only(q), and a constant."""

    def L(t, q, v):
        return scale * lagrangian(t, q, v) + jax.jvp(q_only, (q,), (v,))[1] + 7.0

    return L


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("oscillator", "equations"),
        slow("spring pendulum", "motion"),
        slow("constant force", "equations"),
        slow("constant force", "motion"),
        slow("oscillator", "motion"),
        slow("spring pendulum", "equations"),
    ],
)
def test_a_disguised_lagrangian_is_seen_through(name, match):
    case = CASES[name]
    L = disguised(case.system.lagrangian, lambda q: 0.3 * q[0] ** 2 - 2.0 * q[-1])
    found = distill(L, case.library, states_of(name), match=match)
    assert largest_error(found.formula, case.formula) < 1e-8
    assert found.scale == pytest.approx(-0.034, rel=1e-8)
    symbols = case.library.symbols[0]
    F = {name: float(c) for name, c in found.gauge_function.formula.named.items()}
    assert pytest.approx({f"{symbols[0]}^2": 0.3, symbols[-1]: -2.0}, rel=1e-6) == F
    text = str(found)
    assert text.startswith("L = -0.034 x (")
    assert "plus a constant" in text
    assert "and dF/dt with F = " in text
    rest = jnp.zeros(case.system.dof)
    formula = found.formula(0.0, rest, rest) * found.scale + found.constant
    assert float(formula) == pytest.approx(float(L(0.0, rest, rest)), rel=1e-6)


@pytest.mark.parametrize("name", ["oscillator", slow("spring pendulum")])
def test_smooth_errors_of_a_network_are_no_terms(name):
    """The Lagrangian plus one per cent of an untrained network, whose Taylor series holds every term."""
    case, ys = CASES[name], states_of(name)
    dof = case.system.dof
    for seed in range(3):
        network = mlp(2 * dof, width=16, seed=seed)
        errors = 0.01 * jnp.std(jax.vmap(case.system.lagrangian)(jnp.zeros(len(ys)), *jnp.split(ys, 2, axis=1)))

        def L(t, q, v, network=network, errors=errors):
            return case.system.lagrangian(t, q, v) + errors * network(jnp.concatenate([q, v]))

        found = distill(L, case.library, ys)
        assert largest_error(found.formula, case.formula) < 0.02
        assert found.gap > 3


def test_values_would_give_spurious_terms():
    """Negative control: what is matched matters. A fit of L itself by the same terms needs its gauge part."""
    ys = states_of("oscillator")
    L = disguised(CASES["oscillator"].system.lagrangian, lambda q: q[0] ** 3 + q[0])
    values = jax.vmap(L)(jnp.zeros(len(ys)), ys[:, :1], ys[:, 1:])
    library = Library.coordinates(1, 2) * Library.velocities(1, 2)
    phi = jax.vmap(library)(jnp.zeros(len(ys)), ys[:, :1], ys[:, 1:])
    c = dict(zip(library.names, np.linalg.lstsq(np.asarray(phi), np.asarray(values), rcond=None)[0], strict=True))
    assert abs(c["v"]) > 0.5
    assert abs(c["q^2 v"]) > 0.5
    assert set(distill(L, library, ys).formula.support) == {"v^2", "q^2"}


def test_the_simplest_formula_of_a_motion():
    """The mass of this Lagrangian of the oscillator is its energy: by its motion it is the oscillator."""

    def L(t, q, v):
        return v[0] ** 4 / 24 + 2.5 * q[0] ** 2 * v[0] ** 2 - 12.5 * q[0] ** 4

    ys = states_of("oscillator")
    as_it_is = distill(L, POLYNOMIALS, ys)
    assert set(as_it_is.formula.support) == {"v^4", "q^2 v^2", "q^4"}
    by_motion = distill(L, POLYNOMIALS, ys, match="motion")
    assert largest_error(by_motion.formula, {"v^2": 0.5, "q^2": -5.0}) < 1e-9
    assert compare_lagrangians(by_motion.formula, L, ys).kind == "solution-equivalent"


def test_a_library_that_lacks_the_terms_gives_no_formula():
    ys = states_of("spring pendulum")
    library = Library.coordinates(2, 1) * Library.velocities(2, 2)
    with pytest.warns(UndeterminedWarning, match="a term is missing"):
        found = distill(CASES["spring pendulum"].system.lagrangian, library, ys, largest_residual=0.1)
    assert found.formula is None
    assert str(found).startswith("No formula")


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda L, ys: distill(L, POLYNOMIALS, ys, match="values"), "`match` is 'values'"),
        (lambda L, ys: distill(L, POLYNOMIALS, ys[:5]), "`states` has 5 rows; expected at least 25"),
        (lambda L, ys: distill(L, Library.coordinates(1, 3), ys), "no term with a mass matrix"),
        (lambda L, ys: distill(L, CASES["spring pendulum"].library, ys), "`states` has 2 columns; expected 4"),
        (lambda L, ys: distill(L, POLYNOMIALS, ys[:, :1]), r"`states` has shape"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call(CASES["oscillator"].system.lagrangian, states_of("oscillator"))

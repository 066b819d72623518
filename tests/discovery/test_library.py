"""Libraries of terms: what is in them, their values, and which of them motion can tell."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from neural_lagrangian.discovery import Atom, Formula, Library, sample_equations
from neural_lagrangian.discovery.term_columns import sample_columns
from neural_lagrangian.systems import DoublePendulum

from ..helpers import DOUBLE, DTYPE, states

T, Q, V = (x[0] for x in states(2, 1))
RTOL = 1e-12 if DOUBLE else 1e-5


def test_terms_are_products_of_powers():
    library = Library.coordinates(2, 2) * Library.velocities(2, 1, [1])
    assert library.names == (
        *("1", "v1", "q0", "q0 v1", "q1", "q1 v1", "q0^2", "q0^2 v1", "q0 q1", "q0 q1 v1", "q1^2", "q1^2 v1"),
    )
    x, y = Q
    expected = [1, V[1], x, x * V[1], y, y * V[1], x**2, x**2 * V[1], x * y, x * y * V[1], y**2, y**2 * V[1]]
    np.testing.assert_allclose(library(T, Q, V), np.asarray(expected, DTYPE), rtol=RTOL)


def test_one_coordinate_has_no_number_and_others_may_have_names():
    assert (Library.coordinates(1, 1) * Library.velocities(1, 2)).names == ("1", "v", "v^2", "q", "q v", "q v^2")
    named = Library.coordinates(2, 1, [0], names=("r", "theta")) * Library.velocities(2, 1, [1], names=("r", "theta"))
    assert named.names == ("1", "theta_dot", "r", "r theta_dot")
    assert named.symbols == (("r", "theta"), ("r_dot", "theta_dot"))
    assert Library.coordinates(2, 1).symbols == (("q0", "q1"), ("v0", "v1"))


def test_waves_hold_each_combination_of_angles_once():
    library = Library.waves(2, 2)
    assert len(library) == 1 + 2 * 6
    assert {"cos(q0 - q1)", "sin(q0 + q1)", "cos(2*q1)", "sin(q0)"} <= set(library.names)
    values = dict(zip(library.names, library(T, Q, V), strict=True))
    np.testing.assert_allclose(values["cos(q0 - q1)"], jnp.cos(Q[0] - Q[1]), rtol=RTOL)
    np.testing.assert_allclose(values["sin(2*q1)"], jnp.sin(2 * Q[1]), rtol=RTOL)
    columns = np.asarray(jax.vmap(library)(*states(2, 200, scale=3.0)))
    assert np.linalg.matrix_rank(columns) == len(library)


def test_functions_of_ones_own():
    def inverse_distance(t, q, v):
        return 1 / jnp.sqrt(q @ q)

    library = Library.functions(2, {"u": inverse_distance}, {"u": "1/sqrt(q0**2 + q1**2)"}) * Library.velocities(2, 1)
    assert library.names == ("1", "v0", "v1", "u", "u v0", "u v1")
    np.testing.assert_allclose(library(T, Q, V)[3], 1 / jnp.linalg.norm(Q), rtol=RTOL)
    powers = Library(2, library.atoms, [(("u", -2),), (("u", 3), ("v0", 1))])
    np.testing.assert_allclose(powers(T, Q, V)[0], Q @ Q, rtol=RTOL)
    np.testing.assert_allclose(powers(T, Q, V)[1], jnp.linalg.norm(Q) ** -3 * V[0], rtol=RTOL)


def test_sums_hold_each_term_once():
    both = Library.coordinates(2, 2) + Library.coordinates(2, 1) + Library.velocities(2, 2)
    assert both.names == ("1", "q0", "q1", "q0^2", "q0 q1", "q1^2", "v0", "v1", "v0^2", "v0 v1", "v1^2")
    assert both.select([0, 3]).names == ("1", "q0^2")


def test_derivatives_are_smooth_at_zero():
    """Integer powers are products: no 0 log 0 anywhere."""
    library = Library.coordinates(1, 4) * Library.velocities(1, 4)
    zero = jnp.zeros(1)
    third = jax.jacfwd(jax.jacfwd(jax.jacfwd(lambda q: library(0.0, q, zero))))(zero)
    assert bool(jnp.isfinite(third).all())
    at = library.names.index("q^3")
    assert float(third[at, 0, 0, 0]) == pytest.approx(6)


def test_columns_are_those_of_the_terms():
    """Momenta, slopes, masses and drifts of each term, explicit time included."""
    library = Library.functions(1, {"f": lambda t, q, v: t**2 * q[0] * v[0] ** 2})
    t, q, v = (jnp.asarray(x, DTYPE) for x in (0.7, 0.4, -1.2))
    columns = sample_columns(library, jnp.stack([q, v])[None], jnp.asarray([t]))
    at = library.names.index("f")
    found = [x[0, at].ravel()[0] for x in (columns.p, columns.slope, columns.M, columns.drift)]
    expected = [2 * t**2 * q * v, t**2 * v**2, 2 * t**2 * q, 4 * t * q * v + 2 * t**2 * v**2]
    np.testing.assert_allclose(found, np.asarray(expected), rtol=1e-5)


@pytest.mark.double
def test_samples_of_a_formula_are_those_of_its_lagrangian():
    system = DoublePendulum()
    library = Library.waves(2, 2) * Library.velocities(2, 2)
    truth = {"v0^2": 1.0, "v1^2": 0.5, "cos(q0 - q1) v0 v1": 1.0, "cos(q0)": 2 * 9.81, "cos(q1)": 9.81}
    chosen = library.select([library.names.index(name) for name in truth])
    formula = Formula(chosen, jnp.array(list(truth.values())))
    _, q, v = states(2, 20)
    ys = jnp.concatenate([q, v], axis=1)
    ours, theirs = sample_equations(formula, ys), sample_equations(system.lagrangian, ys)
    np.testing.assert_allclose(ours.M, theirs.M, atol=1e-12)
    np.testing.assert_allclose(ours.h, theirs.h, atol=1e-11)
    np.testing.assert_allclose(
        ours.accelerations, jax.vmap(lambda q, v: system.acceleration(0.0, q, v))(q, v), rtol=1e-9
    )


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Library.coordinates(2, 2, [2]), r"`indices` is \(2,\); expected distinct indices from 0 to 1"),
        (lambda: Library.coordinates(2, 0), "`degree` is 0"),
        (lambda: Library.coordinates(2, 1, names=("r", "r")), "`names` is .*expected 2 distinct identifiers"),
        (lambda: Library.waves(0, 1), "`dof` is 0"),
        (lambda: Library.functions(1, {"f": 3}), "`f` is 3; expected a callable"),
        (lambda: Library.functions(1, {"f": jnp.sin}, {"g": "x"}), r"`expressions` has unknown names \['g'\]"),
        (lambda: Library.coordinates(1, 2) * Library.coordinates(2, 2), "have 1 and 2 degrees of freedom"),
        (lambda: Library.coordinates(1, 2) + 3, "`other` is 3; expected a Library"),
        (lambda: Library(1, [], [(("x", 1),)]), r"`terms` has unknown atoms \['x'\]"),
        (lambda: Library(1, [], []), "`terms` is empty"),
        (
            lambda: Library(1, [Atom(jnp.sin, "f"), Atom(jnp.cos, "f")], [(("f", 1),)]),
            "two different functions named 'f'",
        ),
        (
            lambda: Library.functions(2, {"vector": lambda t, q, v: q})(0.0, jnp.zeros(2), jnp.zeros(2)),
            r"`vector` returned shape \(2,\)",
        ),
        (lambda: Library.coordinates(1, 2)(0.0, jnp.zeros(2), jnp.zeros(2)), r"`q` has shape \(2,\); expected \(1,\)"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_powers_are_repeated_products():
    base = Library.functions(1, {"s": lambda t, q, v: jnp.sin(q[0])}) + Library.velocities(1, 1)
    assert (base**1).terms == base.terms
    assert set((base**3).terms) == set((base * base * base).terms)
    with pytest.raises(ValueError, match="`exponent` is 0"):
        base**0

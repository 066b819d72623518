"""Formulas: shown, integrated, refined."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import neural_lagrangian as nl
from neural_lagrangian.discovery import Formula, Library
from neural_lagrangian.integrators import RK4
from neural_lagrangian.models import with_precision
from neural_lagrangian.systems import SpringPendulum

from ..helpers import DTYPE

POLAR = ("r", "theta")
TERMS = (
    Library.coordinates(2, 2, [0], names=POLAR)
    * Library.waves(2, 1, [1], names=POLAR)
    * Library.velocities(2, 2, names=POLAR)
)
TRUTH = {"r_dot^2": 0.5, "r^2 theta_dot^2": 0.5, "r cos(theta)": 9.81, "r": 40.0, "r^2": -20.0}


def spring_pendulum(coefficients=None, errors=None):
    chosen = TERMS.select([TERMS.names.index(name) for name in TRUTH])
    return Formula(chosen, jnp.asarray(list((coefficients or TRUTH).values()), DTYPE), errors)


def test_text_latex_and_sympy():
    sympy = pytest.importorskip("sympy")
    formula = spring_pendulum()
    assert str(formula) == "0.5 r_dot^2 + 0.5 r^2 theta_dot^2 + 9.81 r cos(theta) + 40 r - 20 r^2"
    r, theta, r_dot, theta_dot = sympy.symbols("r theta r_dot theta_dot")
    expected = (r_dot**2 + r**2 * theta_dot**2) / 2 + 9.81 * r * sympy.cos(theta) + 40 * r - 20 * r**2
    difference = sympy.expand(formula.sympy(6) - expected).as_coefficients_dict().values()
    assert max(abs(float(c)) for c in difference) < 1e-5
    assert r"\dot{\theta}" in formula.latex()
    assert r"9.81 r \cos{\left(\theta \right)}" in formula.latex(4)


def test_a_symbolic_formula_has_the_value_of_the_lagrangian():
    sympy = pytest.importorskip("sympy")
    q, v = jnp.asarray([1.1, 0.3], DTYPE), jnp.asarray([0.2, -0.5], DTYPE)
    values = dict(zip(("r", "theta", "r_dot", "theta_dot"), [*q.tolist(), *v.tolist()], strict=True))
    value = spring_pendulum().sympy().subs({sympy.Symbol(k): x for k, x in values.items()})
    assert float(value) == pytest.approx(float(spring_pendulum()(0.0, q, v)), rel=1e-5)


def test_names_that_sympy_has_a_meaning_for():
    library = Library.coordinates(2, 1, names=("E", "S"))
    assert str(Formula(library, jnp.asarray([0.0, 1.0, 2.0], DTYPE)).sympy(3).free_symbols) in ("{E, S}", "{S, E}")
    own = Library.functions(1, {"height": lambda t, q, v: jnp.cos(q[0])})
    assert "height" in str(Formula(own, jnp.asarray([0.0, 1.0], DTYPE)).sympy())


def test_intervals():
    formula = spring_pendulum(errors=[0.0, 0.01, 0.1, 1.0, 1.0])
    assert formula.intervals["r_dot^2"] == (0.5, 0.5)
    np.testing.assert_allclose(formula.intervals["r"], [40 - 1.96, 40 + 1.96], rtol=1e-5)
    with pytest.raises(ValueError, match="not known"):
        spring_pendulum().intervals  # noqa: B018


def test_errors_are_data():
    """Formulas that differ in their errors alone share what is compiled, which gives each its own errors back."""
    traces = []

    @eqx.filter_jit
    def run(formula):
        traces.append(1)
        return formula(0.0, jnp.ones(2, DTYPE), jnp.ones(2, DTYPE)), formula

    for errors in ([0.0, 0.01, 0.1, 1.0, 1.0], [0.0, 1 / 3, 1e-300, np.inf, np.nan]):
        _, again = run(spring_pendulum(errors=errors))
        np.testing.assert_array_equal(again.standard_errors, errors)
        assert all(type(error) is float for error in again.standard_errors)
    assert len(traces) == 1
    run(spring_pendulum())  # without errors it is of another structure
    assert len(traces) == 2


def test_errors_are_neither_trained_nor_cast():
    start = spring_pendulum(errors=[0.0, 1 / 3, 0.1, 1.0, 1.0])
    assert [x.shape for x in jax.tree.leaves(eqx.filter(start, eqx.is_inexact_array))] == [(5,)]
    assert with_precision(start, jnp.float32).standard_errors == start.standard_errors


def test_errors_are_saved_and_compared(tmp_path):
    one, other = (spring_pendulum(errors=[0.0, 0.01, 0.1, 1.0, last]) for last in (np.inf, 2.0))
    nl.save(tmp_path / "one", one)
    again = nl.load(tmp_path / "one", other)
    assert again.standard_errors == one.standard_errors
    assert eqx.tree_equal(again, one)
    assert not eqx.tree_equal(again, other)


@pytest.mark.double
def test_it_integrates_as_the_system_does():
    system = SpringPendulum()
    model = nl.NeuralLagrangian(spring_pendulum(), RK4(), stepsize_controller=nl.StepsPerSample(100))
    motion = nl.simulate(system, jnp.linspace(0, 2, 9), system.sample_states(jax.random.key(0), 1))
    np.testing.assert_allclose(eqx.filter_jit(model)(motion.ts[0], motion.ys[0, 0]), motion.ys[0], atol=1e-8)


@pytest.mark.optax
@pytest.mark.double
@pytest.mark.slow
def test_coefficients_are_refined_through_the_solver_and_exponents_are_not():
    """From coefficients that are 5 % wrong, by gradients through rollouts; ratios are what motion tells."""
    system = SpringPendulum()
    data = nl.simulate(system, jnp.linspace(0, 1.0, 21), system.sample_states(jax.random.key(0), 8))
    wrong = dict(zip(TRUTH, np.array(list(TRUTH.values())) * [1, 1.05, 0.95, 1.05, 1.03], strict=True))
    start = spring_pendulum(wrong)
    assert [x.shape for x in jax.tree.leaves(eqx.filter(start, eqx.is_inexact_array))] == [(5,)]
    optimizer = optax.adam(optax.cosine_decay_schedule(0.05, 400))
    fitted = nl.fit(
        nl.NeuralLagrangian(start),
        data,
        optimizer=optimizer,
        steps=400,
        horizon=5,
        key=jax.random.key(1),
    )
    found = fitted.model.network
    ratios = np.asarray(found.coefficients) / float(found.named["r_dot^2"]) / 2
    np.testing.assert_allclose(ratios, list(TRUTH.values()), rtol=5e-3)
    assert found.support == tuple(TRUTH)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Formula(TERMS, jnp.zeros(3)), rf"`coefficients` has shape \(3,\); expected \({len(TERMS)}\)"),
        (lambda: spring_pendulum(errors=[1.0]), "`standard_errors` has 1 entries; expected 5"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()

"""Terms that a search has found: read from what engines answer, and refined to exact coefficients."""

import sys
import types
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from neural_lagrangian.discovery import AbstractSearchEngine, Operon, PySR, search_lagrangian
from neural_lagrangian.systems import HarmonicOscillator, Pendulum

pytestmark = pytest.mark.double
pytest.importorskip("sympy")


@dataclass(frozen=True)
class Canned(AbstractSearchEngine):
    """An engine with its answers ready."""

    answers: tuple[str, ...]

    def expressions(self, X, y, names):
        assert X.shape == (len(y), len(names))
        return list(self.answers)


def disguised(t, q, v):
    """A pendulum's, times 1.7, and a constant and a total derivative."""
    return 1.7 * (0.5 * v[0] ** 2 + 9.81 * jnp.cos(q[0])) + 0.3 * q[0] ** 2 * v[0] + 4


def pendulum_states():
    return Pendulum().sample_states(jax.random.key(0), 100)


def test_terms_are_read_and_their_coefficients_are_exact():
    """From rough constants, a spurious term, and an answer that is no Lagrangian."""
    engine = Canned(("3.1*q*q", "0.48*v*v + 9.6*cos(0.9995*q) - 9.3 + 0.002*q*v"))
    found = search_lagrangian(disguised, engine, pendulum_states())
    assert set(found.formula.support) == {"v^2", "cos(q)"}
    assert float(found.formula.named["cos(q)"]) == pytest.approx(9.81, rel=1e-9)
    assert found.scale == pytest.approx(1.7, rel=1e-9)


def test_the_engine_is_given_the_gauge_fixed_values():
    """No constant, no total derivative, unit mass: of the plain Lagrangian the same numbers."""
    seen = []

    class Listening(AbstractSearchEngine):
        def expressions(self, X, y, names):
            seen.append(np.array(y))
            return ["v**2 + cos(q)"]

    def plain(t, q, v):
        return 0.5 * v[0] ** 2 + 9.81 * jnp.cos(q[0])

    for lagrangian in (disguised, plain):
        search_lagrangian(lagrangian, Listening(), pendulum_states())
    np.testing.assert_allclose(seen[0], seen[1], rtol=1e-9, atol=1e-9)


def test_terms_of_several_answers_are_joined():
    engine = Canned(("0.5*v**2 - 3*q**2", "0.6*v**2 + 8*cos(q)"))
    found = search_lagrangian(disguised, engine, pendulum_states())
    assert set(found.formula.support) == {"v^2", "cos(q)"}
    assert found.residual < 1e-10


def test_a_kinetic_energy_put_together_from_cosines_is_found():
    engine = Canned(("9.7*cos(q) - 0.28*cos(0.27*v) - 0.27*cos(0.32*v) - 0.5*cos(0.29*v)",))
    found = search_lagrangian(disguised, engine, pendulum_states())
    assert set(found.formula.support) == {"v^2", "cos(q)"}


def test_the_adapter_of_pysr_against_a_stand_in(monkeypatch):
    """PySR needs a Julia; this has its interface: a table of formulas, losses beside them."""
    seen = {}

    class Table(dict):
        def sort_values(self, key):
            order = np.argsort(self[key])
            return Table({k: [v[i] for i in order] for k, v in self.items()})

    class Regressor:
        def __init__(self, **options):
            seen.update(options)

        def fit(self, X, y, variable_names):
            assert variable_names == ["q", "v"]
            self.equations_ = Table(loss=[3.0, 0.1], sympy_format=["q", "0.5*v**2 + 9.8*cos(q)"])

    monkeypatch.setitem(sys.modules, "pysr", types.SimpleNamespace(PySRRegressor=Regressor))
    found = search_lagrangian(disguised, PySR({"niterations": 3}), pendulum_states())
    assert seen == {"niterations": 3}
    assert set(found.formula.support) == {"v^2", "cos(q)"}


def test_operon_finds_an_oscillator():
    pytest.importorskip("pyoperon")
    system = HarmonicOscillator()
    found = search_lagrangian(system.lagrangian, Operon(generations=20), system.sample_states(jax.random.key(0), 100))
    assert set(found.formula.support) == {"v^2", "q^2"}
    assert float(found.formula.named["q^2"]) == pytest.approx(-5, rel=1e-6)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("engine", "message"),
    [
        ("operon", "`engine` is 'operon'; expected an AbstractSearchEngine"),
        (Canned(()), "returned no formula"),
        (Canned(("q**2", "3")), "no formula of `engine` has a kinetic energy"),
    ],
)
def test_bad_engines_are_named(engine, message):
    with pytest.raises(ValueError, match=message):
        search_lagrangian(disguised, engine, pendulum_states())

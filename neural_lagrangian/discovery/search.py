r"""Formulas by search: terms that no library foresaw, from a symbolic regression program."""

import abc
import dataclasses
import warnings
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike

from .._checks import floating, phase_states
from .._types import Lagrangian
from ..mechanics import gauge_fix
from ..numerics import nearest_thousand
from .distill import distill
from .double_precision import double_precision, in_default_precision, refuse_single
from .errors import EquationsError
from .found import FoundLagrangian, UndeterminedWarning, warn_if_undetermined
from .library import Atom, Library, coordinate_names, velocity_names

NEGLIGIBLE = 1e-6
"""Terms of a found expression smaller than this, of all of it, are rounding of its constants."""


NEARLY = 0.02
"""A constant inside a function that is nearer to an integer than this is tried as that integer."""


class AbstractSearchEngine(abc.ABC):
    """A program that finds formulas of numbers in numbers."""

    @abc.abstractmethod
    def expressions(self, X: np.ndarray, y: np.ndarray, names: Sequence[str]) -> list[str]:
        """Formulas of y, shape `(sample,)`, in the columns of X, shape `(sample, variable)`, as sympy reads them."""


@dataclasses.dataclass(frozen=True)
class Operon(AbstractSearchEngine):
    """Genetic programming by Operon (Burlacu, Kronberger and Kommenda 2020); needs the extra `operon`.

    - `symbols`: operations that formulas may have, as Operon names them.
    - `longest`: most nodes of a formula. `generations`, `population`: how long is searched, among how many.
    - `seed`: of its random numbers; the same seed finds the same formulas.
    """

    symbols: str = "add,sub,mul,sin,cos,square,constant,variable"
    longest: int = 30
    generations: int = 100
    population: int = 500
    seed: int = 0

    def expressions(self, X: np.ndarray, y: np.ndarray, names: Sequence[str]) -> list[str]:
        from pyoperon.sklearn import SymbolicRegressor  # pyright: ignore[reportMissingImports]

        regressor = SymbolicRegressor(
            allowed_symbols=self.symbols,
            objectives=["rmse", "length"],
            max_length=self.longest,
            generations=self.generations,
            population_size=self.population,
            pool_size=self.population,
            optimizer_iterations=5,
            n_threads=1,
            random_state=self.seed,
        )
        regressor.fit(np.array(X, np.float64), np.array(y, np.float64))  # copies: it wants arrays that it may write
        front = sorted(regressor.pareto_front_, key=lambda one: one["mean_squared_error"])
        return [regressor.get_model_string(one["tree"], 12, list(names)) for one in front]


@dataclasses.dataclass(frozen=True)
class PySR(AbstractSearchEngine):
    """PySR (Cranmer 2023); needs the extra `pysr`, which installs a Julia at its first import.

    - `options`: keyword arguments of `pysr.PySRRegressor`.
    """

    options: dict[str, Any] = dataclasses.field(default_factory=dict)

    def expressions(self, X: np.ndarray, y: np.ndarray, names: Sequence[str]) -> list[str]:
        from pysr import PySRRegressor  # pyright: ignore[reportMissingImports]

        regressor = PySRRegressor(**self.options)
        regressor.fit(X, y, variable_names=list(names))
        table = regressor.equations_.sort_values("loss")
        return [str(expression) for expression in table["sympy_format"]]


def search_lagrangian(
    lagrangian: Lagrangian,
    engine: AbstractSearchEngine,
    states: ArrayLike,
    *,
    q_ref: ArrayLike | None = None,
    match: Literal["equations", "motion"] = "equations",
    most: int = 10,
) -> FoundLagrangian:
    r"""A formula of a Lagrangian, such as a trained network, with terms that a search has found.

    The engine is given the values of the gauge-fixed Lagrangian, which $(M, h)$ of the equations of motion determine
    alone: it need not look for a constant or a total derivative. Values and states are over the nearest powers of a
    thousand, so that what is of order one, as an angle, stays as it is. The engine's formulas are expanded. The terms
    of each, and of all together, are libraries for `distill`, alone and with the products of two velocities, which a
    search may have put together from cosines. The formula with the least Bayesian information criterion is the answer.
    Operon's constants are not exact: inside functions, where no coefficient is fitted, those that are nearly integers
    are tried as integers too.

    **Arguments:**

    - `lagrangian`: callable `(t, q, v) -> scalar`, without explicit time.
    - `engine`: such as `Operon()`.
    - `states`: `[q, v]`, shape `(state, 2 dof)`. In formulas they are `q0`, ..., `v0`, ..., or `q` and `v`.
    - `q_ref`: where the gauge is read, shape `(dof,)`; the mean of the coordinates unless given.
    - `match`: as of `distill`. `most`: how many of the engine's formulas are tried.

    **Returns:** a `FoundLagrangian`, computed in double precision; an `UndeterminedWarning` where it has no formula.

    **Raises:** `EquationsError` if no formula of the engine has a kinetic energy; `ValueError` for wrong shapes, an
    engine that is none, or one that answers nothing.
    """
    if not isinstance(engine, AbstractSearchEngine):
        raise ValueError(f"`engine` is {engine!r}; expected a search engine, such as Operon()")
    with double_precision():
        ys = phase_states(states).astype(float)
        question = _Question.of(lagrangian, ys, q_ref)
        answers = engine.expressions(question.X, question.y, question.names)
        if not answers:
            raise ValueError(f"`engine` {engine!r} answered no formula; let it search longer")
        found = _distilled(lagrangian, ys, question, answers[:most], match)
    return warn_if_undetermined(in_default_precision(found))


class _Question(NamedTuple):
    """What an engine is asked: formulas of `y` in the columns of `X`, which are the states over their `units`."""

    X: np.ndarray
    y: np.ndarray
    names: list[str]
    units: np.ndarray

    @staticmethod
    def of(lagrangian: Lagrangian, ys: Array, q_ref: ArrayLike | None) -> "_Question":
        dof = ys.shape[1] // 2
        q, v = jnp.split(ys, 2, axis=1)
        refuse_single("lagrangian", jnp.asarray(lagrangian(jnp.zeros(()), q[0], v[0])).dtype)
        origin = jnp.mean(q, axis=0) if q_ref is None else floating("q_ref", q_ref, (dof,)).astype(float)
        fixed = gauge_fix(lagrangian, origin)
        values = np.asarray(jax.jit(jax.vmap(lambda q, v: fixed(0.0, q, v)))(q, v))
        X, names = np.asarray(ys), [*coordinate_names(dof), *velocity_names(dof)]
        units = nearest_thousand(np.sqrt(np.mean(X**2, axis=0)))
        of_values = nearest_thousand(np.sqrt(np.mean(values**2, keepdims=True)))
        return _Question(X / units, values / of_values, names, units)

    def read(self, answer: str) -> tuple[Any, Any]:
        """An expanded expression in the states themselves, and one whose constants that are nearly integers are so."""
        import sympy

        symbols: dict[str, Any] = {name: sympy.Symbol(name) for name in self.names}
        expression = sympy.expand(sympy.sympify(answer, locals=symbols))  # pyright: ignore[reportCallIssue]
        units = {symbols[n]: symbols[n] / sympy.Float(u) for n, u in zip(self.names, self.units, strict=True) if u != 1}
        return tuple(sympy.expand(e.xreplace(units)) for e in (expression, _rounded(expression)))


def _distilled(
    lagrangian: Lagrangian,
    ys: Array,
    question: _Question,
    answers: Sequence[str],
    match: Literal["equations", "motion"],
) -> FoundLagrangian:
    """The best of what the terms of the answers give, of all together and of each."""
    read, simple = zip(*map(question.read, answers), strict=True)
    size = float(np.sqrt(np.mean(question.y**2)))
    kinetic = _products_of_velocities(len(question.names) // 2)
    found = {}
    for expressions in (simple, *([one] for one in (*simple, *read))):
        terms = _terms_of(expressions, ys, question.names, size)
        for library in () if terms is None else (terms, terms + kinetic):
            if library.names in found or len(library) > len(ys):
                continue
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UndeterminedWarning)
                try:
                    found[library.names] = distill(lagrangian, library, ys, match=match)
                except EquationsError:  # of the terms: no kinetic energy, or not finite at some state
                    break
    if not found:
        raise EquationsError(f"none of the formulas of `engine` has a kinetic energy: {list(answers)}")
    return min(found.values(), key=lambda one: _information(one, len(ys)))


def _products_of_velocities(dof: int) -> Library:
    library = Library.velocities(dof, 2)
    return library.select([k for k, term in enumerate(library.terms) if sum(power for _, power in term) == 2])


def _information(found: FoundLagrangian, samples: int) -> float:
    if found.formula is None:
        return np.inf
    return samples * np.log(found.residual**2 + 1e-24) + len(found.formula.support) * np.log(samples)


def _rounded(expression: Any) -> Any:
    """Constants inside functions, such as a frequency, that are nearly integers made so; the others stay."""
    import sympy

    def near(argument: Any) -> Any:
        numbers = argument.atoms(sympy.Float)
        nearest = {x: sympy.Integer(round(x)) for x in numbers if round(x) != 0 and abs(x - round(x)) < NEARLY}
        return argument.xreplace(nearest)

    is_function = lambda e: isinstance(e, sympy.Function)  # noqa: E731
    return sympy.expand(expression.replace(is_function, lambda e: e.func(*map(near, e.args))))


def _terms_of(expressions: Sequence[Any], ys: Array, names: Sequence[str], size: float) -> Library | None:
    """The terms of expanded expressions without their coefficients; those too small to matter are left out."""
    import sympy

    dof, symbols = len(names) // 2, [sympy.Symbol(name) for name in names]
    components = (*Library.coordinates(dof, 1).atoms, *Library.velocities(dof, 1).atoms)
    atoms = {atom.name: atom for atom in components}

    def atom_of(base: Any) -> str:
        of_state = sympy.lambdify(symbols, base, modules="jax")
        cost = 1.0 + sympy.count_ops(base)
        atoms.setdefault(str(base), Atom(lambda t, q, v: of_state(*q, *v), str(base), str(base), cost))
        return str(base)

    terms = []
    for part in (part for expression in expressions for part in sympy.Add.make_args(expression)):
        factor, rest = part.as_coeff_Mul()
        if not rest.free_symbols:
            continue
        powers = [base.as_base_exp() for base in sympy.Mul.make_args(rest)]
        whole = [(b, int(e)) if e.is_Integer else (b**e, 1) for b, e in powers]
        term = tuple((atom_of(base), exponent) for base, exponent in whole)
        alone = Library(dof, list(atoms.values()), [term])
        values = jax.vmap(lambda y, alone=alone: alone(0.0, *jnp.split(y, 2)))(ys)
        if np.sqrt(np.mean((float(factor) * np.asarray(values)) ** 2)) > NEGLIGIBLE * size:
            terms.append(term)
    return Library(dof, list(atoms.values()), terms) if terms else None

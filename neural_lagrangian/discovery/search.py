r"""Symbolic regression of a Lagrangian: formulas with terms from a search program instead of a fixed library."""

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
from ..numerics import nearest_thousand, root_mean_square
from .atoms import Atom, coordinate_names, velocity_names
from .distill import distill
from .double_precision import double_precision, in_default_precision, refuse_single
from .errors import EquationsError
from .found import FoundLagrangian, UndeterminedWarning, warn_if_undetermined
from .library import Library

NEGLIGIBLE_TERM = 1e-6
"""Relative size below which a term of a found expression counts as rounding of its constants."""


NEARLY_INTEGER = 0.02
"""A constant inside a function is also tried as the nearest integer if it is nearer than this."""


class AbstractSearchEngine(abc.ABC):
    """Base class of symbolic regression programs; implement `expressions`.

    See `search_lagrangian` for an example.
    """

    @abc.abstractmethod
    def expressions(self, X: np.ndarray, y: np.ndarray, names: Sequence[str]) -> list[str]:
        """Returns formulas for y as texts that sympy parses, the best first.

        **Arguments:**

        - `X`: variables, shape `(sample, variable)`. `y`: values, shape `(sample,)`.
        - `names`: names of the variables in the formulas.
        """


@dataclasses.dataclass(frozen=True)
class Operon(AbstractSearchEngine):
    """Genetic programming with Operon (Burlacu, Kronberger and Kommenda 2020); needs the extra `operon`.

    **Arguments:**

    - `symbols`: allowed operations, by their Operon names, separated by commas.
    - `longest`: most nodes of a formula (default: 30).
    - `generations`, `population`: number of generations (default: 100) and of formulas in each (default: 500).
    - `seed`: random seed (default: 0); the same seed finds the same formulas.

    **Example:**

    ```python
    >>> import neural_lagrangian as nl
    >>> short = nl.discovery.Operon(symbols="add,mul,cos,constant,variable", longest=12, seed=1)
    >>> short.longest, short.generations  # to be given to `search_lagrangian`
    (12, 100)
    ```
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
        regressor.fit(np.array(X, np.float64), np.array(y, np.float64))  # copies, because Operon needs writable arrays
        front = sorted(regressor.pareto_front_, key=lambda one: one["mean_squared_error"])
        return [regressor.get_model_string(one["tree"], 12, list(names)) for one in front]


@dataclasses.dataclass(frozen=True)
class PySR(AbstractSearchEngine):
    """Symbolic regression with PySR (Cranmer 2023); needs the extra `pysr`, which installs Julia at its first import.

    **Arguments:**

    - `options`: keyword arguments of `pysr.PySRRegressor`.

    **Example:**

    ```python
    >>> import neural_lagrangian as nl
    >>> nl.discovery.PySR({"niterations": 20, "unary_operators": ["cos"]})  # to be given to `search_lagrangian`
    PySR(options={'niterations': 20, 'unary_operators': ['cos']})
    ```
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
    r"""Extracts a formula from a Lagrangian, such as a trained network, with terms found by symbolic regression.

    1. The engine fits the values of the gauge-fixed Lagrangian. These depend on $(M, h)$ only, so the engine need not
       search for a constant or a total derivative. Values and states are scaled by powers of a thousand, so angles keep
       their unit.
    2. The formulas of the engine are expanded into terms. Constants inside functions are also tried as integers if they
       are nearly integers.
    3. The terms of each formula, and of all together, are libraries for `distill`, with and without all products of two
       velocities.
    4. The result is the formula with the least Bayesian information criterion.

    **Arguments:**

    - `lagrangian`: callable `(t, q, v) -> scalar`, without explicit time.
    - `engine`: the search program, such as `Operon()`.
    - `states`: `[q, v]`, shape `(state, 2 dof)`. In formulas they are called `q` and `v`, or `q0`, ..., `v0`, ... if
      there are several coordinates.
    - `q_ref`: reference coordinates of the gauge, shape `(dof,)` (default: the mean of the coordinates).
    - `match`: "equations" or "motion", as for `distill`.
    - `most`: most formulas of the engine that are tried (default: 10).

    **Returns:** a `FoundLagrangian`, computed in double precision; without a formula an `UndeterminedWarning` is given.

    **Raises:** `EquationsError` if no formula of the engine has a kinetic energy; `ValueError` for wrong shapes, for an
    `engine` of another type, and for an engine that returns no formula.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, numpy as np, neural_lagrangian as nl
    >>> class Guess(nl.discovery.AbstractSearchEngine):  # stands for Operon() or PySR()
    ...     def expressions(self, X, y, names):
    ...         return ["1.02*v**2 + 5.1*cos(q)"]
    >>> network = lambda t, q, v: 2 * v[0] ** 2 + 39.24 * jnp.cos(q[0])
    >>> states = np.random.default_rng(0).uniform(-2, 2, (50, 2))
    >>> print(nl.discovery.search_lagrangian(network, Guess(), states).formula)
    0.5 v^2 + 9.81 cos(q)
    ```
    """
    if not isinstance(engine, AbstractSearchEngine):
        raise ValueError(f"`engine` is {engine!r}; expected an AbstractSearchEngine, such as Operon()")
    with double_precision():
        ys = phase_states(states).astype(float)
        question = _Question.of(lagrangian, ys, q_ref)
        answers = engine.expressions(question.X, question.y, question.names)
        if not answers:
            raise ValueError(f"`engine` {engine!r} returned no formula; let it search longer")
        found = _distilled(lagrangian, ys, question, answers[:most], match)
    return warn_if_undetermined(in_default_precision(found))


class _Question(NamedTuple):
    """The regression problem for an engine: `y` as a function of `X`, the states divided by their `units`."""

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
        units = nearest_thousand(root_mean_square(X))
        of_values = nearest_thousand(np.sqrt(np.mean(values**2, keepdims=True)))
        return _Question(X / units, values / of_values, names, units)

    def read(self, answer: str) -> tuple[Any, Any]:
        """Parses an answer in physical units, expanded: as it is, and with nearly integer constants rounded."""
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
    """Distils a formula from the terms of each answer and of all answers; returns the best one."""
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
                except EquationsError:  # these terms have no kinetic energy, or are not finite at some state
                    break
    if not found:
        raise EquationsError(
            f"no formula of `engine` has a kinetic energy that is finite at all states; it returned {list(answers)}; "
            "let it search longer, or with other operations"
        )
    return min(found.values(), key=lambda one: _information(one, len(ys)))


def _products_of_velocities(dof: int) -> Library:
    library = Library.velocities(dof, 2)
    return library.select([k for k, term in enumerate(library.terms) if sum(power for _, power in term) == 2])


def _information(found: FoundLagrangian, samples: int) -> float:
    if found.formula is None:
        return np.inf
    return samples * np.log(found.residual**2 + 1e-24) + len(found.formula.support) * np.log(samples)


def _rounded(expression: Any) -> Any:
    """Rounds nearly integer constants inside functions, such as a frequency; other constants stay."""
    import sympy

    def near(argument: Any) -> Any:
        numbers = argument.atoms(sympy.Float)
        nearest = {x: sympy.Integer(round(x)) for x in numbers if round(x) != 0 and abs(x - round(x)) < NEARLY_INTEGER}
        return argument.xreplace(nearest)

    is_function = lambda e: isinstance(e, sympy.Function)  # noqa: E731
    return sympy.expand(expression.replace(is_function, lambda e: e.func(*map(near, e.args))))


def _terms_of(expressions: Sequence[Any], ys: Array, names: Sequence[str], size: float) -> Library | None:
    """A library of the terms of expanded expressions, without negligible ones; `None` if none remain."""
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
        if np.sqrt(np.mean((float(factor) * np.asarray(values)) ** 2)) > NEGLIGIBLE_TERM * size:
            terms.append(term)
    return Library(dof, list(atoms.values()), terms) if terms else None

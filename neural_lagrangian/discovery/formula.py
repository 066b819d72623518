"""A Lagrangian formula: a linear combination of named terms."""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, UInt32

from .._checks import floating, written
from .._types import Scalar
from ..lagrangians import AbstractLagrangian
from ..mechanics import AbstractMassSolve, PseudoInverse
from .library import Library

NORMAL_95 = 1.959964
"""Half-width of a 95 % interval, in standard errors."""


class Formula(AbstractLagrangian):
    r"""A linear combination of the terms of a `Library`: $L(t, q, \dot q) = \sum_k c_k\, \phi_k(t, q, \dot q)$.

    It serves as any Lagrangian does: `NeuralLagrangian(formula)` integrates it, and `fit` trains its coefficients.
    Exponents and standard errors are never trained. Formulas that differ in standard errors only share compiled code.

    **Arguments:**

    - `library`: the terms. `coefficients`: one for each term, shape `(term,)`.
    - `standard_errors`: of the coefficients, one for each term, or `None` if unknown; zero for a coefficient that is
      fixed by convention.

    **Raises:** `ValueError` for other numbers of coefficients or standard errors than terms.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> terms = (nl.discovery.Library.waves(1, 1) + nl.discovery.Library.velocities(1, 2)).select([1, 4])
    >>> pendulum = nl.discovery.Formula(terms, jnp.array([9.81, 0.5]), standard_errors=[0.01, 0.0])
    >>> print(pendulum, "| 95 %: from {:.2f} to {:.2f}".format(*pendulum.intervals["cos(q)"]))
    9.81 cos(q) + 0.5 v^2 | 95 %: from 9.79 to 9.83
    >>> round(float(nl.NeuralLagrangian(pendulum).acceleration(0.0, jnp.array([jnp.pi / 2]), jnp.zeros(1))[0]), 2)
    -9.81
    ```
    """

    library: Library
    coefficients: Float[Array, " term"]
    _error_bits: UInt32[np.ndarray | Array, "term half"] | None
    """Standard errors as an integer array: JAX neither compiles them in, nor trains them, nor casts them."""

    def __init__(self, library: Library, coefficients: ArrayLike, standard_errors: Sequence[float] | None = None):
        self.library = library
        self.coefficients = floating("coefficients", coefficients, (len(library),))
        if standard_errors is not None and len(standard_errors) != len(library):
            raise ValueError(
                f"`standard_errors` has {len(standard_errors)} entries; expected {len(library)}, one for each term"
            )
        self._error_bits = None if standard_errors is None else _bits(standard_errors)

    @property
    def dof(self) -> int:
        return self.library.dof

    @property
    def mass_solve(self) -> AbstractMassSolve:
        return PseudoInverse()

    @property
    def standard_errors(self) -> tuple[float, ...] | None:
        """Standard errors of the coefficients, or `None` if unknown. Not for use inside `jit`."""
        if self._error_bits is None:
            return None
        return tuple(np.ascontiguousarray(self._error_bits).view(np.float64)[:, 0].tolist())

    @property
    def support(self) -> tuple[str, ...]:
        """The names of the terms."""
        return self.library.names

    @property
    def named(self) -> dict[str, Array]:
        """The coefficients by the name of their term."""
        return dict(zip(self.support, self.coefficients, strict=True))

    @property
    def intervals(self) -> dict[str, tuple[float, float]]:
        """95 % confidence intervals of the coefficients, by the name of their term.

        **Raises:** `ValueError` if standard errors are unknown.
        """
        if self.standard_errors is None:
            raise ValueError(
                "`standard_errors` are not known, so there are no `intervals`; give them as "
                "Formula(library, coefficients, standard_errors)"
            )
        pairs = zip(self.support, np.asarray(self.coefficients), self.standard_errors, strict=True)
        return {n: (float(c) - NORMAL_95 * s, float(c) + NORMAL_95 * s) for n, c, s in pairs}

    def __call__(self, t: ArrayLike, q: Array, v: Array) -> Scalar:
        return jnp.dot(self.coefficients.astype(q.dtype), self.library(t, q, v))

    def sympy(self, digits: int | None = None) -> Any:
        """The formula as a sympy expression; needs the extra `symbolic`.

        An atom without an `expression` becomes a symbol with its name.

        **Arguments:**

        - `digits`: significant digits of the coefficients; `None` means 15.
        """
        import sympy

        total = sympy.Integer(0)
        for c, text in zip(np.asarray(self.coefficients, np.float64), self.library.expressions, strict=True):
            names = {
                n: sympy.Symbol(n) for n in _identifiers(text)
            }  # else sympy would read the names E and I as numbers
            number = sympy.Float(float(c), digits or 15)
            total += number * sympy.parse_expr(text, local_dict=names)
        return total

    def latex(self, digits: int = 4) -> str:
        r"""The formula in LaTeX, with velocities as $\dot q$; needs the extra `symbolic`."""
        import sympy

        expression = self.sympy(digits)
        names = {s: _velocity_latex(str(s)) for s in expression.free_symbols if _velocity_latex(str(s))}
        return sympy.latex(expression, symbol_names=names)

    def __str__(self) -> str:
        return linear_combination(self.support, np.asarray(self.coefficients))

    def __repr__(self) -> str:
        return f"Formula({list(self.support)}, coefficients={written(self.coefficients)})"


def linear_combination(names: Sequence[str], coefficients: Sequence[float] | np.ndarray, digits: int = 5) -> str:
    """A linear combination as text, such as `0.5 v^2 - 5 q^2`."""
    text = ""
    for name, c in zip(names, coefficients, strict=True):
        sign = ("- " if c < 0 else "+ ") if text else ("-" if c < 0 else "")
        factor = f"{abs(float(c)):.{digits}g}"
        text += f"{' ' if text else ''}{sign}{factor}{'' if name == '1' else f' {name}'}"
    return text or "0"


def _bits(numbers: Sequence[float]) -> UInt32[np.ndarray, "number half"]:
    """Numbers in double precision as pairs of integers, which survive in JAX without double precision."""
    return np.array([float(number) for number in numbers]).reshape(-1, 1).view(np.uint32)


def _identifiers(text: str) -> set[str]:
    import re

    functions = {"cos", "sin", "tan", "exp", "log", "sqrt", "tanh", "sinh", "cosh", "atan", "asin", "acos", "Abs", "pi"}
    return set(re.findall(r"[A-Za-z_]\w*", text)) - functions


def _velocity_latex(name: str) -> str:
    import re

    if name.endswith("_dot"):
        base = name.removesuffix("_dot")
    elif re.fullmatch(r"v\d*", name):
        base = "q" + name[1:]
    else:
        return ""
    letter, number = re.fullmatch(r"(.*?)(\d*)", base).groups()  # pyright: ignore[reportOptionalMemberAccess]
    greek = {"theta", "phi", "psi", "alpha", "beta", "gamma", "chi", "omega"}
    letter = f"\\{letter}" if letter in greek else letter
    return rf"\dot{{{letter}}}" + (f"_{{{number}}}" if number else "")

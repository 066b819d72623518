"""A Lagrangian as a sum of coefficients times named terms."""

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
    r"""$L(t, q, \dot q) = \sum_k c_k\, \phi_k(t, q, \dot q)$ with terms of a `Library`.

    A Lagrangian like others: `NeuralLagrangian(formula)` integrates it, and `fit` refines its coefficients by
    gradients through the rollout. Names and exponents are no arrays, so they never train. Standard errors are data that
    no training and no `with_precision` changes: formulas that differ in them alone share what is compiled.

    **Arguments:**

    - `library`: the terms. `coefficients`: one for each, shape `(term,)`.
    - `standard_errors`: of the coefficients, where they are known; zero for one that was set.
    """

    library: Library
    coefficients: Float[Array, " term"]
    _error_bits: UInt32[np.ndarray | Array, "term half"] | None
    """Errors as bits: an array, so no part of what is compiled, and not a floating one, so neither trained nor cast."""

    def __init__(self, library: Library, coefficients: ArrayLike, standard_errors: Sequence[float] | None = None):
        self.library = library
        self.coefficients = floating("coefficients", coefficients, (len(library),))
        if standard_errors is not None and len(standard_errors) != len(library):
            raise ValueError(f"`standard_errors` are {len(standard_errors)}; expected {len(library)}, as `library`")
        self._error_bits = None if standard_errors is None else _bits(standard_errors)

    @property
    def dof(self) -> int:
        return self.library.dof

    @property
    def mass_solve(self) -> AbstractMassSolve:
        return PseudoInverse()

    @property
    def standard_errors(self) -> tuple[float, ...] | None:
        """Those of the coefficients, one for each term; `None` where they are not known. Not for use inside `jit`."""
        if self._error_bits is None:
            return None
        return tuple(np.ascontiguousarray(self._error_bits).view(np.float64)[:, 0].tolist())

    @property
    def support(self) -> tuple[str, ...]:
        """The names of the terms."""
        return self.library.names

    @property
    def named(self) -> dict[str, Array]:
        """The coefficients by name of their term."""
        return dict(zip(self.support, self.coefficients, strict=True))

    @property
    def intervals(self) -> dict[str, tuple[float, float]]:
        """95 % confidence intervals of the coefficients by name of their term.

        **Raises:** `ValueError` where standard errors are not known.
        """
        if self.standard_errors is None:
            raise ValueError("`standard_errors` are not known of this formula")
        pairs = zip(self.support, np.asarray(self.coefficients), self.standard_errors, strict=True)
        return {n: (float(c) - NORMAL_95 * s, float(c) + NORMAL_95 * s) for n, c, s in pairs}

    def __call__(self, t: ArrayLike, q: Array, v: Array) -> Scalar:
        return jnp.dot(self.coefficients.astype(q.dtype), self.library(t, q, v))

    def sympy(self, digits: int | None = None) -> Any:
        """The formula as a sympy expression, its coefficients rounded to significant `digits` if these are given.

        An atom without an `expression` is a symbol of its name. Needs the extra `symbolic`.
        """
        import sympy

        total = sympy.Integer(0)
        for c, text in zip(np.asarray(self.coefficients, np.float64), self.library.expressions, strict=True):
            names = {n: sympy.Symbol(n) for n in _identifiers(text)}  # no symbol is taken for a number, as E or I
            number = sympy.Float(float(c), digits or 15)
            total += number * sympy.parse_expr(text, local_dict=names)
        return total

    def latex(self, digits: int = 4) -> str:
        r"""The formula in LaTeX, velocities as $\dot q$. Needs the extra `symbolic`."""
        import sympy

        expression = self.sympy(digits)
        names = {s: _velocity_latex(str(s)) for s in expression.free_symbols if _velocity_latex(str(s))}
        return sympy.latex(expression, symbol_names=names)

    def __str__(self) -> str:
        return linear_combination(self.support, np.asarray(self.coefficients))

    def __repr__(self) -> str:
        return f"Formula({list(self.support)}, coefficients={written(self.coefficients)})"


def linear_combination(names: Sequence[str], coefficients: Sequence[float] | np.ndarray, digits: int = 5) -> str:
    """Such as `0.5 v^2 - 5 q^2`."""
    text = ""
    for name, c in zip(names, coefficients, strict=True):
        sign = ("- " if c < 0 else "+ ") if text else ("-" if c < 0 else "")
        factor = f"{abs(float(c)):.{digits}g}"
        text += f"{' ' if text else ''}{sign}{factor}{'' if name == '1' else f' {name}'}"
    return text or "0"


def _bits(numbers: Sequence[float]) -> UInt32[np.ndarray, "number half"]:
    """Numbers in double precision, which are not lost where JAX has single precision alone."""
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

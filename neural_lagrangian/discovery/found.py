"""What a search for a formula found, and what it could not tell."""

import warnings
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike

from .._types import Scalar
from .columns import Independent
from .formula import NORMAL_95, Formula
from .library import Library


class UndeterminedWarning(UserWarning):
    """The data do not tell the formula; the message says which data are missing."""


class GaugeFunction(eqx.Module):
    """$F(t, q)$ of a total derivative, as a sum of named terms without velocities."""

    formula: Formula

    def __call__(self, t: ArrayLike, q: Array) -> Scalar:
        return self.formula(t, q, jnp.zeros_like(q))

    def sympy(self, digits: int | None = None) -> Any:
        """As of `Formula`."""
        return self.formula.sympy(digits)

    def __str__(self) -> str:
        return str(self.formula) if np.any(np.asarray(self.formula.coefficients)) else "0"


class FoundLagrangian(eqx.Module):
    r"""A formula with the motion of data or of a given Lagrangian $L$, and what motion does not tell. Print it.

    $$L = \text{scale} \times \text{formula} + c + \frac{d}{dt} F(t, q).$$

    `formula`: a `Formula`, its scale such that the square of a velocity has the coefficient one half; `None` if the
    data do not determine it. `candidate`: the simplest formula that agrees with the data, determined or not.
    `scale`, `constant` and `gauge_function`: of a given Lagrangian; `None` for data, which do not tell them.
    `residual`: what is left unexplained, relative (of $(M, h)$, or of accelerations). `gap`: by what factor it would
    grow with one more term left out. `missing`: why the formula is not determined, and which data would do it;
    empty if it is. `notes`: what else there is to know. `independent`: which terms of the library could be told
    apart.
    """

    formula: Formula | None
    candidate: Formula | None
    scale: float | None
    constant: float | None
    gauge_function: GaugeFunction | None
    residual: float
    gap: float
    missing: tuple[str, ...] = eqx.field(static=True)
    notes: tuple[str, ...] = eqx.field(static=True)
    library: Library
    independent: Independent

    @property
    def determined(self) -> bool:
        """Whether there is a formula."""
        return self.formula is not None

    def __str__(self) -> str:
        lines = []
        if self.formula is None:
            lines += ["No formula: the data do not determine it.", *(f"  {reason}" for reason in self.missing)]
            if self.candidate is not None:
                lines.append(f"The simplest of those that agree with the data: {self.candidate}")
        elif self.scale is None:
            lines.append(f"L = {self.formula}, at a scale that motion does not tell")
            lines.append("plus a constant and dF/dt with F = any function of t and q, which no motion tells")
        else:
            lines.append(f"L = {self.scale:.5g} x ({self.formula})")
            lines.append(f"plus a constant {self.constant:.4g} and dF/dt with F = {self.gauge_function}")
        if self.formula is not None:
            errors = self.formula.standard_errors or ()
            for name, c, s in zip(self.formula.support, np.asarray(self.formula.coefficients), errors, strict=False):
                lines.append(f"  {name}: {c:.6g}" + (f" +- {NORMAL_95 * s:.2g} (95 %)" if s else " (set)"))
        terms, told = len(self.library), len(self.independent.kept)
        lines.append(f"{terms} terms offered, {told} that motion can tell; residual {100 * self.residual:.3g} %, ")
        lines[-1] += f"{self.gap:.3g} times that with one term less"
        return "\n".join([*lines, *self.notes])

    __repr__ = __str__


def warn_if_undetermined(found: FoundLagrangian) -> FoundLagrangian:
    """The same, with an `UndeterminedWarning` if there is no formula."""
    if not found.determined:
        warnings.warn("the formula is not determined: " + "; ".join(found.missing), UndeterminedWarning, stacklevel=3)
    return found


def pivot_of(library: Library, coefficients: np.ndarray, kinetic: np.ndarray) -> int:
    """The term that sets the scale: a squared velocity of the first coordinate that has one, else the most kinetic."""
    squares = [((name, 2),) for name in library.symbols[1]]
    found = [library.terms.index(term) for term in squares if term in library.terms]
    return found[0] if found else int(np.argmax(np.abs(coefficients * kinetic)))

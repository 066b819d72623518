"""What a search for a formula found, and what it could not tell."""

import warnings
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, DTypeLike, Float

from .._types import Scalar
from ..mechanics import AbstractForce, ControlForce, LinearDamping
from ..numerics import natural_scales
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
    `damping`: the matrix $D$, shape `(dof, dof)`, of a force $-D v$ that acts beside, at the scale of the formula;
    `None` where none was found. `damping_errors`: the standard errors of its entries. `control`: the matrix $G$, shape
    `(dof, m)`, of a force $G u$ of the recorded controls, at the scale of the formula, and `control_errors`; `None`
    without controls. `residual`: what is left
    unexplained, relative (of $(M, h)$, or of accelerations). `gap`: by what factor it would grow with one more term
    left out. `missing`: why the formula is not determined, and which data would do it; empty if it is. `notes`: what
    else there is to know. `independent`: which terms of the library could be told apart. `used`: how many observations
    the answer rests on, of how many that there were.

    Standard errors are infinite where motion does not tell a coefficient, as the masses of parts that do not act on
    each other; the notes name these.
    """

    formula: Formula | None
    candidate: Formula | None
    scale: float | None
    constant: float | None
    gauge_function: GaugeFunction | None
    damping: Float[np.ndarray, "dof dof"] | None
    residual: float
    gap: float
    missing: tuple[str, ...] = eqx.field(static=True)
    notes: tuple[str, ...] = eqx.field(static=True)
    library: Library
    independent: Independent
    damping_errors: Float[np.ndarray, "dof dof"] | None = None
    control: Float[np.ndarray, "dof m"] | None = None
    control_errors: Float[np.ndarray, "dof m"] | None = None
    used: tuple[int, int] | None = eqx.field(static=True, default=None)

    @property
    def determined(self) -> bool:
        """Whether there is a formula."""
        return self.formula is not None

    @property
    def force(self) -> AbstractForce | None:
        """The damping, and the force of the controls, as a force that goes with the formula:
        `NeuralLagrangian(found.formula, force=found.force)`; controls are given by `with_control`.
        """
        if self.candidate is None:
            return None
        dtype = self.candidate.coefficients.dtype
        damping = None if self.damping is None else damping_force(self.damping, dtype)
        if self.control is None:
            return damping
        driven = ControlForce(jnp.asarray(self.control, dtype))
        return driven if damping is None else damping + driven

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
        beside = (("-D v, D", self.damping, self.damping_errors), ("G u, G", self.control, self.control_errors))
        for name, matrix, spread in beside:
            if matrix is not None:
                lines.append(f"beside the force {name} = {_in_line(matrix, 5)}")
                lines[-1] += "" if spread is None else f" +- {_in_line(NORMAL_95 * spread, 2)} (95 %)"
        if self.formula is not None:
            errors = self.formula.standard_errors or ()
            for name, c, s in zip(self.formula.support, np.asarray(self.formula.coefficients), errors, strict=False):
                lines.append(f"  {name}: {c:.6g}" + (f" +- {NORMAL_95 * s:.2g} (95 %)" if s else " (set)"))
        terms, told = len(self.library), len(self.independent.kept)
        lines.append(f"{terms} terms offered, {told} that motion can tell; residual {100 * self.residual:.3g} %, ")
        lines[-1] += f"{self.gap:.3g} times that with one term less"
        if self.used is not None:
            lines[-1] += f"; {self.used[0]} of {self.used[1]} observations used"
        return "\n".join([*lines, *self.notes])

    __repr__ = __str__


def _in_line(matrix: np.ndarray, digits: int) -> str:
    """A matrix in one line, to so many digits each."""
    return np.array2string(matrix, formatter={"float": lambda x: f"{x:.{digits}g}"}, separator=", ").replace("\n", "")


def damping_force(damping: Float[np.ndarray, "dof dof"], dtype: DTypeLike) -> LinearDamping:
    """Of a symmetric matrix; what is negative in it is left out."""
    d = natural_scales(damping[None])
    rates, axes = np.linalg.eigh(damping * np.outer(d, d))
    C = np.asarray(np.linalg.qr((axes * np.sqrt(np.maximum(rates, 0))).T, mode="r")).T / d[:, None]
    return LinearDamping(jnp.asarray(C[np.tril_indices(len(C))], dtype))


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

"""The result of a search for a formula, with everything that the data could not determine."""

import warnings
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, DTypeLike, Float

from .._types import Scalar
from ..mechanics import AbstractForce, ControlForce, LinearDamping
from ..numerics import natural_scales
from .formula import NORMAL_95, Formula
from .library import Library
from .term_columns import Independent


class UndeterminedWarning(UserWarning):
    """The data do not determine a formula.

    `distill`, `sparse_lagrangian` and `search_lagrangian` give this warning. The message gives the reasons, and says
    which data to record. `FoundLagrangian.missing` holds the same reasons.
    """


class GaugeFunction(eqx.Module):
    r"""The function $F(t, q)$ of a total derivative $dF/dt$, a linear combination of terms without velocities.

    **Arguments:**

    - `formula`: a `Formula` whose terms contain no velocity.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> square = nl.discovery.Library.coordinates(1, 2).select([2])
    >>> F = nl.discovery.GaugeFunction(nl.discovery.Formula(square, jnp.array([0.5])))  # dF/dt = q v
    >>> print(F, "| F(3) =", F(0.0, jnp.array([3.0])))
    0.5 q^2 | F(3) = 4.5
    ```
    """

    formula: Formula

    def __call__(self, t: ArrayLike, q: Array) -> Scalar:
        return self.formula(t, q, jnp.zeros_like(q))

    def sympy(self, digits: int | None = None) -> Any:
        """The function as a sympy expression; see `Formula.sympy`."""
        return self.formula.sympy(digits)

    def __str__(self) -> str:
        return str(self.formula) if np.any(np.asarray(self.formula.coefficients)) else "0"


class FoundLagrangian(eqx.Module):
    r"""A formula found in data or in a given Lagrangian $L$, and what could not be determined. Print it to read it.

    $$L = \text{scale} \times \text{formula} + c + \frac{d}{dt} F(t, q).$$

    - `formula`: a `Formula`, scaled so that the square of a velocity has the coefficient one half; `None` if the data
      do not determine it.
    - `candidate`: the simplest formula that agrees with the data, determined or not.
    - `scale`, `constant`, `gauge_function`: those of a given Lagrangian; `None` for data, which do not determine them.
    - `damping`: the matrix $D$ of a force $-D v$, shape `(dof, dof)`, at the scale of the formula; `None` without one.
    - `control`: the matrix $G$ of a force $G u$ of the recorded controls, shape `(dof, m)`, at the scale of the
      formula; `None` without controls.
    - `damping_errors`, `control_errors`: standard errors of their entries.
    - `residual`: relative residual, of $(M, h)$ or of the accelerations.
    - `gap`: factor by which the residual would grow with one term fewer.
    - `missing`: why the formula is not determined, and which data to record; empty if it is determined.
    - `notes`: further remarks.
    - `library`: the candidate terms. `independent`: which of them are linearly independent.
    - `used`: number of observations used, and number of all observations; `None` for a given Lagrangian.

    A standard error is infinite if motion does not determine the coefficient, such as the mass of one of two parts that
    do not interact. The notes name such coefficients.
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
        """Whether a formula was found."""
        return self.formula is not None

    @property
    def force(self) -> AbstractForce | None:
        """The damping and the force of the controls, at the scale of the formula; `None` without both.

        Use it as `NeuralLagrangian(found.formula, force=found.force)`. Give controls by `with_control`.
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
                lines.append(f"The simplest formula that agrees with the data: {self.candidate}")
        elif self.scale is None:
            lines.append(f"L = {self.formula}, up to an overall scale")
            lines.append("plus a constant and dF/dt with any F(t, q): motion does not determine these and the scale")
        else:
            lines.append(f"L = {self.scale:.5g} x ({self.formula})")
            lines.append(f"plus a constant {self.constant:.4g} and dF/dt with F = {self.gauge_function}")
        forces = (("-D v, D", self.damping, self.damping_errors), ("G u, G", self.control, self.control_errors))
        for name, matrix, spread in forces:
            if matrix is not None:
                lines.append(f"with the force {name} = {_in_line(matrix, 5)}")
                lines[-1] += "" if spread is None else f" +- {_in_line(NORMAL_95 * spread, 2)} (95 %)"
        if self.formula is not None:
            errors = self.formula.standard_errors or ()
            for name, c, s in zip(self.formula.support, np.asarray(self.formula.coefficients), errors, strict=False):
                lines.append(f"  {name}: {c:.6g}" + (f" +- {NORMAL_95 * s:.2g} (95 %)" if s else " (fixed)"))
        terms, independent = len(self.library), len(self.independent.kept)
        lines.append(f"{terms} candidate terms, {independent} independent; residual {100 * self.residual:.3g} %, ")
        lines[-1] += f"{self.gap:.3g} times as large with one term fewer"
        if self.used is not None:
            lines[-1] += f"; {self.used[0]} of {self.used[1]} observations used"
        return "\n".join([*lines, *self.notes])

    __repr__ = __str__


def _in_line(matrix: np.ndarray, digits: int) -> str:
    """A matrix as text in one line, with significant `digits`."""
    return np.array2string(matrix, formatter={"float": lambda x: f"{x:.{digits}g}"}, separator=", ").replace("\n", "")


def damping_force(damping: Float[np.ndarray, "dof dof"], dtype: DTypeLike) -> LinearDamping:
    """The damping force $-D v$ of a symmetric matrix D; negative eigenvalues count as zero."""
    d = natural_scales(damping[None])
    rates, axes = np.linalg.eigh(damping * np.outer(d, d))
    C = np.asarray(np.linalg.qr((axes * np.sqrt(np.maximum(rates, 0))).T, mode="r")).T / d[:, None]
    return LinearDamping(jnp.asarray(C[np.tril_indices(len(C))], dtype))


def warn_if_undetermined(found: FoundLagrangian) -> FoundLagrangian:
    """Returns its argument; gives an `UndeterminedWarning` if it has no formula."""
    if not found.determined:
        warnings.warn("the formula is not determined: " + "; ".join(found.missing), UndeterminedWarning, stacklevel=3)
    return found


def pivot_of(library: Library, coefficients: np.ndarray, kinetic: np.ndarray) -> int:
    """Index of the term that sets the scale: the first squared velocity, or else the term with most kinetic energy."""
    squares = [((name, 2),) for name in library.symbols[1]]
    found = [library.terms.index(term) for term in squares if term in library.terms]
    return found[0] if found else int(np.argmax(np.abs(coefficients * kinetic)))

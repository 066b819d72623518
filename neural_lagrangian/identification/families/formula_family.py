"""A formula of the search as a family: its terms are known, its coefficients are fitted anew, with friction."""

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Array

from ...discovery import Formula, Library
from ..formulas import pivot
from ..recordings import Columns
from .family import Units
from .user_family import Family, UserFamily


class FormulaFamily(UserFamily):
    r"""Lagrangians $L = \phi_p / 2 + \sum_{k \ne p} c_k \phi_k$ of the same terms $\phi$, with unknown $c$."""

    terms: Library = eqx.field(static=True)

    @staticmethod
    def of(name: str, formula: Formula, columns: Columns, units: Units, mean: np.ndarray) -> "FormulaFamily":
        """The family of a formula in which a squared velocity has the coefficient 1/2, which fixes the scale.

        **Arguments:** `name`: what the family is called. `mean`: the mean coordinates, in SI units.
        """
        terms, coefficients, fixed = formula.library, np.asarray(formula.coefficients, np.float64), pivot(formula)
        others = [k for k in range(len(terms)) if k != fixed]

        def lagrangian(c: Mapping[str, Any], q: Array, v: Array) -> Array:
            values = terms(0.0, q, v)
            return values[fixed] / 2 + sum(c[terms.names[k]] * values[k] for k in others)

        start = {terms.names[k]: float(coefficients[k]) for k in others}
        base = Family(name, lagrangian, start).on(columns, units, mean)
        return FormulaFamily(**{field: getattr(base, field) for field in base.__dataclass_fields__}, terms=terms)

    @property
    def optional(self) -> np.ndarray:
        return np.r_[self.slices.constants, self.slices.of_friction]

    def library(self, names: list[str] | None) -> Library:
        return self.terms

"""The file `formula.json` of a model's folder: terms, coefficients to the last digit, friction and errors."""

from functools import partial
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from ...discovery import Formula, Library
from ...mechanics import LinearDamping, summed, terms_of
from ...models import NeuralLagrangian
from ..families import MAX_BODIES, as_json, atoms_of_a_chain, numbers, of_json
from ..formulas import RefinedFormula, library_for, symbols_for
from ..recordings import Columns
from .json_file import read_json, write_json

FORMULA = "formula.json"
"""Name of the file."""


def write_formula(folder: Path, found: RefinedFormula | None) -> None:
    """Write the formula, all or nothing. If `found` is `None`, delete the formula of an earlier fit."""
    write_json(folder / FORMULA, None if found is None else formula_as_json(found))


def formula_as_json(found: RefinedFormula) -> dict[str, Any]:
    """A formula as JSON can hold it."""
    forces = terms_of(found.model.force)
    damping = next((one for one in forces if isinstance(one, LinearDamping)), None)
    errors = found.formula.standard_errors
    return {
        "formula": str(found.formula),
        "where": found.where,
        "refined": found.refined,
        "loss": found.loss if np.isfinite(found.loss) else None,
        "terms": found.formula.library.terms,
        "coefficients": np.asarray(found.formula.coefficients, np.float64).tolist(),
        "standard_errors_of_the_search": None if errors is None else [e if np.isfinite(e) else None for e in errors],
        "damping_factor": None if damping is None else numbers(damping.factor),
        "friction_at_joints": [part for one in forces if one is not damping for part in as_json(one)],
        "constants": [one._asdict() for one in found.constants],
    }


def read_formula(folder: Path, columns: Columns) -> NeuralLagrangian:
    """Read the formula and its friction as a model in SI units, in JAX's default precision.

    **Raises:** `NoAnswerError` if there is no such file, or the file is damaged.
    """
    missing = f"{folder} holds no formula: `identify` found none or was interrupted before; use the network"
    return read_json(folder / FORMULA, partial(formula_of_json, columns), missing=missing).model


def formula_of_json(columns: Columns, content: dict[str, Any]) -> RefinedFormula:
    """A formula that `formula_as_json` wrote, without the errors of its constants."""
    dtype, names = jnp.result_type(float), symbols_for(columns)
    known = Library.coordinates(columns.dof, 1, names=names) + Library.velocities(columns.dof, 1, names=names)
    known = known + atoms_of_a_chain(columns.dof, names) if columns.dof <= MAX_BODIES else known
    atoms = (known + library_for(columns)).atoms
    terms = [tuple((str(name), int(power)) for name, power in term) for term in content["terms"]]
    coefficients = np.asarray(content["coefficients"], np.float64)
    if not np.all(np.isfinite(coefficients)):
        raise ValueError(f"`coefficients` is {coefficients.tolist()}; expected finite numbers")
    errors = content["standard_errors_of_the_search"]
    if errors is not None:
        errors = [np.inf if e is None else float(e) for e in errors]
    formula = Formula(Library(columns.dof, atoms, terms), jnp.asarray(coefficients, dtype), errors)
    factor = content["damping_factor"]
    damping = [] if factor is None else [LinearDamping(jnp.asarray(np.asarray(factor, np.float64), dtype))]
    forces = [*damping, *(of_json(part) for part in content.get("friction_at_joints", []))]
    return RefinedFormula(str(content["where"]), NeuralLagrangian(formula, force=summed(forces)), np.nan)

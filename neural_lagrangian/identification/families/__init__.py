"""Families of Lagrangians whose form is known: their constants, friction and fit."""

from .family import AbstractFamily, Expansion, InSI, Pieces, Units, forces_of, labels_of_forces
from .family_fit import (
    FAILED_RESIDUAL,
    MAX_STEPS,
    PRIOR_WEIGHT,
    TOLERANCE,
    FamilyFit,
    fit_family,
    held_out,
    information,
    refitted,
    residual_of,
    simplified,
    with_each_friction,
    with_linear_friction,
)
from .fit_windows import MAX_ROWS, MIN_ROWS, FitWindows, WindowPlan
from .formula_family import FormulaFamily
from .joint_forces import as_json, numbers, of_json
from .known_families import families_for
from .rigid_chain import MAX_BODIES, atoms_of_a_chain
from .user_family import Family, UserFamily, UserLagrangian
from .variant import Variant
from .weak_form import TEST_DURATION, solved, weak_rows

__all__ = [
    "FAILED_RESIDUAL",
    "MAX_BODIES",
    "MAX_ROWS",
    "MAX_STEPS",
    "MIN_ROWS",
    "PRIOR_WEIGHT",
    "TEST_DURATION",
    "TOLERANCE",
    "AbstractFamily",
    "Expansion",
    "Family",
    "FamilyFit",
    "FitWindows",
    "FormulaFamily",
    "InSI",
    "Pieces",
    "Units",
    "UserFamily",
    "UserLagrangian",
    "Variant",
    "WindowPlan",
    "as_json",
    "atoms_of_a_chain",
    "families_for",
    "fit_family",
    "forces_of",
    "held_out",
    "information",
    "labels_of_forces",
    "numbers",
    "of_json",
    "refitted",
    "residual_of",
    "simplified",
    "solved",
    "weak_rows",
    "with_each_friction",
    "with_linear_friction",
]

"""Formulas: candidate terms, sparse search, and refinement by rollouts."""

from .candidate_terms import library_for, product_of_velocities, symbols_for
from .refinement import (
    MAX_LOSS_RATIO,
    Constant,
    Evidence,
    RefinedFormula,
    best_formula,
    damping_matrix,
    gain_matrix,
    pivot,
)
from .search import TIME_IS_UP, Attempt, look_for_formulas

__all__ = [
    "MAX_LOSS_RATIO",
    "TIME_IS_UP",
    "Attempt",
    "Constant",
    "Evidence",
    "RefinedFormula",
    "best_formula",
    "damping_matrix",
    "gain_matrix",
    "library_for",
    "look_for_formulas",
    "pivot",
    "product_of_velocities",
    "symbols_for",
]

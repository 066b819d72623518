"""Mechanics of any `lagrangian(t, q, v) -> scalar`."""

from .constraints import HolonomicConstraint
from .euler_lagrange import acceleration, euler_lagrange_residual, mass_matrix, multipliers
from .forces import AbstractForce
from .gauge import gauge_fix
from .legendre import energy, momentum
from .mass_solve import AbstractMassSolve, Cholesky, DampedInverse, PseudoInverse
from .projection import project
from .regularity import MassMatrixReport, mass_matrix_report
from .symmetry import Symmetry, noether_charge, symmetry_residual
from .symmetry_discovery import DiscoveredSymmetries, discover_symmetries

__all__ = [
    "AbstractForce",
    "AbstractMassSolve",
    "Cholesky",
    "DampedInverse",
    "DiscoveredSymmetries",
    "HolonomicConstraint",
    "MassMatrixReport",
    "PseudoInverse",
    "Symmetry",
    "acceleration",
    "discover_symmetries",
    "energy",
    "euler_lagrange_residual",
    "gauge_fix",
    "mass_matrix",
    "mass_matrix_report",
    "momentum",
    "multipliers",
    "noether_charge",
    "project",
    "symmetry_residual",
]

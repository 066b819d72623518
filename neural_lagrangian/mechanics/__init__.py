"""Mechanics of any `lagrangian(t, q, v) -> scalar`."""

from .euler_lagrange import acceleration, euler_lagrange_residual, mass_matrix
from .legendre import energy, momentum
from .mass_solve import AbstractMassSolve, Cholesky, DampedInverse, PseudoInverse
from .regularity import MassMatrixReport, mass_matrix_report

__all__ = [
    "AbstractMassSolve",
    "Cholesky",
    "DampedInverse",
    "MassMatrixReport",
    "PseudoInverse",
    "acceleration",
    "energy",
    "euler_lagrange_residual",
    "mass_matrix",
    "mass_matrix_report",
    "momentum",
]

"""Mechanics of any `lagrangian(t, q, v) -> scalar`."""

from .banded import Banded
from .block_diagonal import BlockDiagonal
from .euler_lagrange import acceleration, euler_lagrange_residual, mass_matrix
from .forces import AbstractForce
from .gauge import gauge_fix
from .legendre import energy, momentum
from .mass_solve import AbstractMassSolve, Cholesky, DampedInverse, PseudoInverse
from .regularity import MassMatrixReport, mass_matrix_report
from .structure import structure_error
from .symmetry import noether_charge

__all__ = [
    "AbstractForce",
    "AbstractMassSolve",
    "Banded",
    "BlockDiagonal",
    "Cholesky",
    "DampedInverse",
    "MassMatrixReport",
    "PseudoInverse",
    "acceleration",
    "energy",
    "euler_lagrange_residual",
    "gauge_fix",
    "mass_matrix",
    "mass_matrix_report",
    "momentum",
    "noether_charge",
    "structure_error",
]

"""Mechanics of any `lagrangian(t, q, v) -> scalar`."""

from .banded import Banded
from .block_diagonal import BlockDiagonal
from .constraints import HolonomicConstraint
from .control import ControlForce, SampledControl
from .dissipation import LinearDamping, RayleighDissipation, SmoothFriction
from .euler_lagrange import acceleration, euler_lagrange_residual, mass_matrix, multipliers
from .forces import AbstractForce
from .gauge import gauge_fix, normalize_scale
from .inverse_dynamics import TorqueParts, generalized_force, torque_parts
from .joints import AtJoints
from .legendre import energy, momentum, velocity_from_momentum
from .mass_solve import AbstractMassSolve, Cholesky, DampedInverse, PseudoInverse
from .nonconservative import NonconservativePotential
from .projection import project
from .regularity import MassMatrixReport, mass_matrix_report
from .structure import structure_error
from .symmetry import Symmetry, noether_charge, symmetry_residual
from .symmetry_discovery import DiscoveredSymmetries, discover_symmetries
from .term import EulerLagrangeTerm, TangentPoint
from .time_transformation import TimeTransformation

__all__ = [
    "AbstractForce",
    "AbstractMassSolve",
    "AtJoints",
    "Banded",
    "BlockDiagonal",
    "Cholesky",
    "ControlForce",
    "DampedInverse",
    "DiscoveredSymmetries",
    "EulerLagrangeTerm",
    "HolonomicConstraint",
    "LinearDamping",
    "MassMatrixReport",
    "NonconservativePotential",
    "PseudoInverse",
    "RayleighDissipation",
    "SampledControl",
    "SmoothFriction",
    "Symmetry",
    "TangentPoint",
    "TimeTransformation",
    "TorqueParts",
    "acceleration",
    "discover_symmetries",
    "energy",
    "euler_lagrange_residual",
    "gauge_fix",
    "generalized_force",
    "mass_matrix",
    "mass_matrix_report",
    "momentum",
    "multipliers",
    "noether_charge",
    "normalize_scale",
    "project",
    "structure_error",
    "symmetry_residual",
    "torque_parts",
    "velocity_from_momentum",
]

"""Mechanics of any `lagrangian(t, q, v) -> scalar`: equations of motion, forces, constraints, symmetries."""

from .arguments import scalar_valued as scalar_valued
from .constraints import HolonomicConstraint
from .euler_lagrange import acceleration, euler_lagrange_residual, mass_matrix, multipliers
from .forces import (
    AbstractForce,
    AbstractForceWithMemory,
    AtJoints,
    BoucWen,
    ControlForce,
    DeadTime,
    FirstOrderLag,
    LearnedMemory,
    LinearDamping,
    LoadFriction,
    LuGre,
    Maxwell,
    MemoryAtJoints,
    NonconservativePotential,
    RayleighDissipation,
    SampledControl,
    SecondOrderLag,
    SmoothFriction,
)
from .forces import ForceSum as ForceSum
from .forces import summed as summed
from .forces import terms_of as terms_of
from .inverse_dynamics import TorqueParts, inverse_dynamics, torque_parts
from .legendre import energy, momentum, velocity_from_momentum
from .mass_solves import AbstractMassSolve, Banded, BlockDiagonal, Cholesky, DampedInverse, PseudoInverse
from .projection import project
from .regularity import MassMatrixReport, mass_matrix_report
from .structure import structure_error
from .symmetries import BoundaryTerm as BoundaryTerm
from .symmetries import (
    DiscoveredSymmetries,
    Symmetry,
    discover_symmetries,
    gauge_fix,
    noether_charge,
    normalize_scale,
    symmetry_residual,
)
from .term import EulerLagrangeTerm, TangentPoint
from .time_transformation import TimeTransformation

__all__ = [
    "AbstractForce",
    "AbstractForceWithMemory",
    "AbstractMassSolve",
    "AtJoints",
    "Banded",
    "BlockDiagonal",
    "BoucWen",
    "Cholesky",
    "ControlForce",
    "DampedInverse",
    "DeadTime",
    "DiscoveredSymmetries",
    "EulerLagrangeTerm",
    "FirstOrderLag",
    "HolonomicConstraint",
    "LearnedMemory",
    "LinearDamping",
    "LoadFriction",
    "LuGre",
    "MassMatrixReport",
    "Maxwell",
    "MemoryAtJoints",
    "NonconservativePotential",
    "PseudoInverse",
    "RayleighDissipation",
    "SampledControl",
    "SecondOrderLag",
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
    "inverse_dynamics",
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

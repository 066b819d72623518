"""Symmetries of a Lagrangian, their conserved quantities (Noether), and its gauge freedom."""

from .boundary_term import BoundaryTerm as BoundaryTerm
from .discovery import DiscoveredSymmetries, discover_symmetries
from .gauge import gauge_fix, normalize_scale
from .symmetry import Symmetry, noether_charge, symmetry_residual

__all__ = [
    "DiscoveredSymmetries",
    "Symmetry",
    "discover_symmetries",
    "gauge_fix",
    "noether_charge",
    "normalize_scale",
    "symmetry_residual",
]

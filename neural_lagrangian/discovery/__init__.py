"""From data or a trained model to a formula, up to what motion cannot tell."""

from ..mechanics import gauge_fix, normalize_scale
from .compare import Comparison, compare_lagrangians
from .distill import distill
from .equations import EquationSamples, sample_equations
from .formula import Formula
from .found import FoundLagrangian, GaugeFunction, UndeterminedWarning
from .helmholtz import HelmholtzReport, helmholtz_report
from .library import Atom, Library
from .sparse import sparse_lagrangian

__all__ = [
    "Atom",
    "Comparison",
    "EquationSamples",
    "Formula",
    "FoundLagrangian",
    "GaugeFunction",
    "HelmholtzReport",
    "Library",
    "UndeterminedWarning",
    "compare_lagrangians",
    "distill",
    "gauge_fix",
    "helmholtz_report",
    "normalize_scale",
    "sample_equations",
    "sparse_lagrangian",
]

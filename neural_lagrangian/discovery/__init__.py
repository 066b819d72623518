"""Finds formulas of Lagrangians in data or trained models, and reports what motion cannot determine."""

from .atoms import Atom
from .atoms import angle_name as angle_name
from .atoms import coordinate_names as coordinate_names
from .atoms import velocity_names as velocity_names
from .coefficients import CoefficientFit, fit_coefficients
from .distill import distill
from .encoder import CoefficientEncoder, encoder_loss
from .equations import EquationSamples, sample_equations
from .equivalence import Comparison, compare_lagrangians
from .errors import EquationsError
from .family import LagrangianFamily
from .formula import Formula
from .found import FoundLagrangian, GaugeFunction, UndeterminedWarning
from .found import damping_force as damping_force
from .helmholtz import HelmholtzReport, helmholtz_report
from .identifiability import Identifiability
from .library import Library
from .residual_spectrum import lag_one as lag_one
from .search import AbstractSearchEngine, Operon, PySR, search_lagrangian
from .shared_least_squares import descend as descend
from .shared_least_squares import linearized as linearized
from .shared_least_squares import projected_jacobian as projected_jacobian
from .smoothing import noise_of as noise_of
from .sparse import sparse_lagrangian

__all__ = [
    "AbstractSearchEngine",
    "Atom",
    "CoefficientEncoder",
    "CoefficientFit",
    "Comparison",
    "EquationSamples",
    "EquationsError",
    "Formula",
    "FoundLagrangian",
    "GaugeFunction",
    "HelmholtzReport",
    "Identifiability",
    "LagrangianFamily",
    "Library",
    "Operon",
    "PySR",
    "UndeterminedWarning",
    "compare_lagrangians",
    "distill",
    "encoder_loss",
    "fit_coefficients",
    "helmholtz_report",
    "sample_equations",
    "search_lagrangian",
    "sparse_lagrangian",
]

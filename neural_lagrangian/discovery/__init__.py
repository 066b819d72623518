"""From data or a trained model to a formula, up to what motion cannot tell."""

from ..mechanics import gauge_fix, normalize_scale
from .compare import Comparison, compare_lagrangians
from .equations import EquationSamples, sample_equations

__all__ = [
    "Comparison",
    "EquationSamples",
    "compare_lagrangians",
    "gauge_fix",
    "normalize_scale",
    "sample_equations",
]

"""Numerical methods: derivatives, roots, quadrature, scaling. No mechanics."""

from .batching import any_in_batch
from .checkpointing import KEEP_STAGES, keep
from .compiled_programs import make_room_for_programs
from .curvature import Directions, gradient_and_curvature
from .equilibration import equilibrated, power_of_two, symmetric_scales
from .inverse_softplus import inverse_softplus
from .jaxpr import depends, program_of
from .lobatto import differentiation_matrix, gauss_lobatto, interpolant
from .natural_scales import DEVIATION_OF_MEDIAN, natural_scales, nearest_thousand, root_mean_square
from .newton import Inverse, inverse_of, newton_root
from .precision import precision
from .pseudoinverse import cutoff, natural_inverse, pseudoinverse, pseudoinverse_tangent
from .removable import at_regular_point, has_derivatives, regular_point
from .trainable import AbstractFrozen, in_layers, trained_and_rest
from .triangular import lower_triangular

__all__ = [
    "DEVIATION_OF_MEDIAN",
    "KEEP_STAGES",
    "AbstractFrozen",
    "Directions",
    "Inverse",
    "any_in_batch",
    "at_regular_point",
    "cutoff",
    "depends",
    "differentiation_matrix",
    "equilibrated",
    "gauss_lobatto",
    "gradient_and_curvature",
    "has_derivatives",
    "in_layers",
    "interpolant",
    "inverse_of",
    "inverse_softplus",
    "keep",
    "lower_triangular",
    "make_room_for_programs",
    "natural_inverse",
    "natural_scales",
    "nearest_thousand",
    "newton_root",
    "power_of_two",
    "precision",
    "program_of",
    "pseudoinverse",
    "pseudoinverse_tangent",
    "regular_point",
    "root_mean_square",
    "symmetric_scales",
    "trained_and_rest",
]

"""Trained models as programs in other languages."""

from .c_file import can_be_included as can_be_included
from .c_file import to_c
from .errors import ExportError
from .stablehlo import ExportedModel, load_stablehlo, to_stablehlo

__all__ = ["ExportError", "ExportedModel", "load_stablehlo", "to_c", "to_stablehlo"]

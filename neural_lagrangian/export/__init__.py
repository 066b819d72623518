"""Trained models as programs in other languages."""

from .c_file import to_c
from .errors import ExportError

__all__ = ["ExportError", "to_c"]

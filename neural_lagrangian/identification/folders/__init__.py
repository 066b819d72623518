"""The folder of a model: what `identify` writes and `load_model` reads."""

from .family_file import FAMILY, write_family
from .formula_file import FORMULA, formula_as_json, formula_of_json, write_formula
from .model_folder import (
    CHECKPOINTS,
    HISTORY,
    MODEL,
    ON_KNOWN_SYSTEM,
    REPORT,
    Learned,
    claim,
    has_network,
    in_precision,
    left_in,
    load_model,
    may_be_used,
    predictor_of,
    read_columns,
    read_folder,
    write_model,
)
from .settings_file import PREDICTOR, SETTINGS, is_folder, read_settings, settings_text, write_settings

__all__ = [
    "CHECKPOINTS",
    "FAMILY",
    "FORMULA",
    "HISTORY",
    "MODEL",
    "ON_KNOWN_SYSTEM",
    "PREDICTOR",
    "REPORT",
    "SETTINGS",
    "Learned",
    "claim",
    "formula_as_json",
    "formula_of_json",
    "has_network",
    "in_precision",
    "is_folder",
    "left_in",
    "load_model",
    "may_be_used",
    "predictor_of",
    "read_columns",
    "read_folder",
    "read_settings",
    "settings_text",
    "write_family",
    "write_formula",
    "write_model",
    "write_settings",
]

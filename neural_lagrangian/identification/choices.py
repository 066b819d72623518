"""Types of the options that take one of a few names."""

from typing import Literal

Language = Literal["c"]
"""Language of an exported program."""

Predictor = Literal["network", "formula"]
"""Which model predicts: `"network"`, the trained network, or `"formula"`, the formula with its friction."""

Structure = Literal["mechanical", "free"]
"""Form of the Lagrangian: `"mechanical"`, kinetic minus potential energy, each a network; `"free"`, one network."""

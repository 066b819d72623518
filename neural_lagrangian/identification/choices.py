"""Types of the options that take one of a few names."""

from typing import Literal

Language = Literal["c"]
"""Language of an exported program."""

Predictor = Literal["network", "formula", "family"]
"""Which model predicts: `"network"`, the trained network; `"formula"`, the formula with its friction, of a known system
or of the search; or `"family"`, the best `Family` of the user, with its friction.
"""

NETWORK: Predictor = "network"
"""The predictor that is a network, and the name of a network alone as a candidate."""

Structure = Literal["mechanical", "free"]
"""Form of the Lagrangian: `"mechanical"`, kinetic minus potential energy, each a network; `"free"`, one network."""

"""Options that have a few named values."""

from typing import Literal

Predictor = Literal["network", "formula"]
"""`"network"`, the trained network, or `"formula"`, the formula that was found, with its friction."""

Structure = Literal["mechanical", "free"]
"""`"mechanical"`: kinetic minus potential energy, each a network. `"free"`: one network of the whole state."""

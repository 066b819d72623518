"""The two models of an identification."""

from typing import Literal

Predictor = Literal["network", "formula"]
"""`"network"`, the trained network, or `"formula"`, the formula that was found, with its friction."""

"""What a fit predicts motion with."""

from typing import Literal

Predictor = Literal["network", "formula"]
"""The trained network, or the formula that was found, with its friction."""

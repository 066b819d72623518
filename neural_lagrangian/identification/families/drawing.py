"""Points of drawings."""

import numpy as np


def hanging(angle: np.ndarray, length: np.ndarray | float = 1.0) -> np.ndarray:
    """Vectors of a length, at an angle from hanging straight down; x and y along a new last axis."""
    return np.stack([length * np.sin(angle), -length * np.cos(angle)], axis=-1)
